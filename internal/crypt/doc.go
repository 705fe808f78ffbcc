// Package crypt keeps secrets secret: texts that do not print, the ring of
// master keys, sealed fields with a data key per subject, keyed hashes, and the
// codec through which every Temporal payload passes.
//
// All sealing is AES-256-GCM with a random nonce under a key derived for this one
// message (HKDF-SHA256 over a random salt). Each use has its own derivation, so
// one ring serves them all without the uses being mistaken for one another, and
// the limit of 2^32 messages that random nonces put on a key is never near,
// however many payloads a busy year brings.
package crypt
