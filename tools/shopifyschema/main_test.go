package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const ourSchema = `
schema { query: Root mutation: Changes }
type Root { versions: [String!]! }
type Changes { resolve(id: ID!, reason: Reason): Payload }
type Payload { code: Code! state: State }
input Reason { code: Code! }
enum Code { DONE OLD @deprecated }
union State = Open | Closed
interface Named { name: String }
type Open implements Named { name: String }
type Closed implements Named { name: String }
`

const ourOperations = `mutation Resolve($id: ID!) { resolve(id: $id) { code state { ... on Named { name } } } }`

// published is an introspection result that offers what ourSchema declares, and more.
const published = `{"data":{"__schema":{
 "queryType":{"name":"Root"},"mutationType":{"name":"Changes"},
 "types":[
  {"kind":"SCALAR","name":"String"},{"kind":"SCALAR","name":"ID"},{"kind":"SCALAR","name":"Boolean"},{"kind":"SCALAR","name":"JSON"},
  {"kind":"OBJECT","name":"__Schema","fields":[]},
  {"kind":"OBJECT","name":"Root","fields":[{"name":"versions","args":[],"type":{"kind":"NON_NULL","ofType":{"kind":"LIST","ofType":{"kind":"NON_NULL","ofType":{"kind":"SCALAR","name":"String"}}}}}]},
  {"kind":"OBJECT","name":"Changes","fields":[{"name":"resolve","type":{"kind":"OBJECT","name":"Payload"},"args":[
    {"name":"id","type":{"kind":"NON_NULL","ofType":{"kind":"SCALAR","name":"ID"}}},
    {"name":"note","type":{"kind":"SCALAR","name":"String"}},
    {"name":"sure","type":{"kind":"NON_NULL","ofType":{"kind":"SCALAR","name":"Boolean"}},"defaultValue":"true"},
    {"name":"reason","type":{"kind":"INPUT_OBJECT","name":"Reason"}}]}]},
  {"kind":"OBJECT","name":"Payload","fields":[
    {"name":"code","args":[],"type":{"kind":"NON_NULL","ofType":{"kind":"ENUM","name":"Code"}}},
    {"name":"extra","args":[],"type":{"kind":"SCALAR","name":"JSON"}},
    {"name":"state","args":[],"type":{"kind":"UNION","name":"State"}}]},
  {"kind":"INPUT_OBJECT","name":"Reason","inputFields":[{"name":"code","type":{"kind":"NON_NULL","ofType":{"kind":"ENUM","name":"Code"}}}]},
  {"kind":"ENUM","name":"Code","enumValues":[{"name":"DONE"},{"name":"OLD","isDeprecated":true}]},
  {"kind":"UNION","name":"State","possibleTypes":[{"name":"Open"},{"name":"Closed"}]},
  {"kind":"INTERFACE","name":"Named","fields":[{"name":"name","args":[],"type":{"kind":"SCALAR","name":"String"}}],"possibleTypes":[{"name":"Open"},{"name":"Closed"}]},
  {"kind":"OBJECT","name":"Open","interfaces":[{"name":"Named"}],"fields":[{"name":"name","args":[],"type":{"kind":"SCALAR","name":"String"}}]},
  {"kind":"OBJECT","name":"Closed","interfaces":[{"name":"Named"}],"fields":[{"name":"name","args":[],"type":{"kind":"SCALAR","name":"String"}}]}
 ]}}}`

// check runs the command against published schemas, given by version, and returns what it printed.
func check(t *testing.T, byVersion map[string]string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "dist", "data")
	require.NoError(t, os.MkdirAll(data, 0o750))
	for version, text := range byVersion {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.NoError(t, os.WriteFile(filepath.Join(data, "payments-apps_"+version+".json.gz"), packed.Bytes(), 0o600))
	}
	schema, operations := filepath.Join(dir, "ours.graphql"), filepath.Join(dir, "operations.graphql")
	require.NoError(t, os.WriteFile(schema, []byte(ourSchema), 0o600))
	require.NoError(t, os.WriteFile(operations, []byte(ourOperations), 0o600))
	var out bytes.Buffer
	err := run([]string{"-package", dir, "-version", "2026-10", "-operations", operations, schema}, &out)
	return out.String(), err
}

func TestSchemaThatOffersMoreThanWeDeclareIsFine(t *testing.T) {
	t.Parallel()
	out, err := check(t, map[string]string{"2026-10": published})
	require.NoError(t, err)
	require.Equal(t, "2026-10: 0 differences in what we use\n", out)
}

func TestDifferencesInThePinnedVersionFail(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ from, to, want string }{
		"field of another type":        {`"ENUM","name":"Code"}}},` + "\n" + `    {"name":"extra"`, `"SCALAR","name":"String"}}},` + "\n" + `    {"name":"extra"`, "Payload.code is String!, we declare Code!"},
		"missing field":                {`{"name":"versions"`, `{"name":"others"`, "Root.versions does not exist"},
		"missing argument":             {`{"name":"reason","type"`, `{"name":"why","type"`, "Changes.resolve has no argument reason"},
		"argument of another type":     {`"args":[` + "\n" + `    {"name":"id","type":{"kind":"NON_NULL","ofType":{"kind":"SCALAR","name":"ID"}}}`, `"args":[{"name":"id","type":{"kind":"SCALAR","name":"ID"}}`, "Changes.resolve(id) is ID, we declare ID!"},
		"new required argument":        {`"name":"Boolean"}},"defaultValue":"true"`, `"name":"Boolean"}}`, "Changes.resolve requires argument sure"},
		"new required input field":     {`"inputFields":[`, `"inputFields":[{"name":"who","type":{"kind":"NON_NULL","ofType":{"kind":"SCALAR","name":"ID"}}},`, "Reason.who is required"},
		"value we do not know":         {`{"name":"DONE"}`, `{"name":"DONE"},{"name":"NEW"}`, "Code has value NEW, we do not declare it"},
		"value that is gone":           {`{"name":"DONE"},`, ``, "Code has no value DONE"},
		"value that became deprecated": {`{"name":"DONE"}`, `{"name":"DONE","isDeprecated":true}`, "Code has no value DONE"},
		"field that became deprecated": {`{"name":"versions",`, `{"name":"versions","isDeprecated":true,`, "Root.versions is deprecated"},
		"member we do not know":        {`"possibleTypes":[{"name":"Open"},{"name":"Closed"}]},` + "\n" + `  {"kind":"INTERFACE"`, `"possibleTypes":[{"name":"Open"},{"name":"Closed"},{"name":"Root"}]},` + "\n" + `  {"kind":"INTERFACE"`, "State has member Root, we do not declare it"},
		"lost interface":               {`"name":"Open","interfaces":[{"name":"Named"}]`, `"name":"Open","interfaces":[]`, "Open does not implement Named"},
		"missing type":                 {`"INPUT_OBJECT","name":"Reason"`, `"INPUT_OBJECT","name":"Cause"`, "Reason does not exist"},
		"operation that is not valid":  {`{"name":"code","args":[],"type":{"kind":"NON_NULL"`, `{"name":"kode","args":[],"type":{"kind":"NON_NULL"`, "operations: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, published, tc.from)
			out, err := check(t, map[string]string{"2026-10": strings.ReplaceAll(published, tc.from, tc.to)})
			require.ErrorContains(t, err, "differs from Shopify's version 2026-10")
			require.Contains(t, out, tc.want)
		})
	}
}

func TestDifferencesInANewerVersionAreToldOnly(t *testing.T) {
	t.Parallel()
	newer := strings.ReplaceAll(published, `{"name":"DONE"}`, `{"name":"DONE"},{"name":"NEW"}`)
	out, err := check(t, map[string]string{"2026-07": "{", "2026-10": published, "2027-01": newer, "unstable": newer})
	require.NoError(t, err)
	require.Contains(t, out, "2026-10: 0 differences")
	require.Contains(t, out, "2027-01: 1 differences in what we use\n  Code has value NEW, we do not declare it\n")
	require.NotContains(t, out, "2026-07", "older versions are none of our business")
}

func TestMissingVersionFails(t *testing.T) {
	t.Parallel()
	_, err := check(t, map[string]string{"2026-07": published, "2027-01": published})
	require.ErrorContains(t, err, "no schema of version 2026-10")
}

func TestUnreadablePackageFails(t *testing.T) {
	t.Parallel()
	_, err := check(t, map[string]string{"2026-10": "<html>"})
	require.ErrorContains(t, err, "read introspection")
	require.Error(t, run(nil, &bytes.Buffer{}), "arguments are required")
}

func TestOneSchemaInSDL(t *testing.T) {
	t.Parallel()
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "schema.graphql")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	compared := func(published string, flags ...string) (string, error) {
		operations := write(ourOperations)
		var out bytes.Buffer
		err := run(append(flags, "-file", write(published), "-version", "2026-10", "-operations", operations, write(ourSchema)), &out)
		return out.String(), err
	}
	out, err := compared(ourSchema)
	require.NoError(t, err, out)
	grown := strings.Replace(ourSchema, "enum Code { DONE", "enum Code { NEW DONE", 1)
	out, err = compared(grown)
	require.Error(t, err)
	require.Contains(t, out, "Code has value NEW, we do not declare it")
	_, err = compared(grown, "-api", "admin", "-open-enums")
	require.NoError(t, err, "values of an open enum are read as texts")
	out, err = compared(strings.Replace(ourSchema, "DONE", "OVER", 1), "-open-enums")
	require.Error(t, err)
	require.Contains(t, out, "Code has no value DONE")
}
