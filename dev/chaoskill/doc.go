// Package chaoskill runs the service as it runs in production, several processes of each role, and breaks it for real:
// SIGKILL, restarts of PostgreSQL and of Temporal, a lost Temporal database, and TCP that is cut, torn, silent or slow
// between each process and each of its neighbours.
//
// One batch is one seed. Twenty shops take payments at once and give money back while a plan of faults strikes; then
// everything is lifted, the processes must come to rest, and package chaos judges them by the books of the stand-ins.
// A plan is a pure function of its seed. What processes, disks and wires make of it is not, so a batch that fails is
// told in full and kept, and is not cut down: that is what the stories of package chaos are for.
//
// The wires are Toxiproxy's. Package proxy beside us counts what it loses, for tests that must know the very byte;
// here it is the other way round: many connections of many processes, slowed and torn without anybody counting.
package chaoskill
