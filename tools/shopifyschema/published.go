package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// introspection is the part of a GraphQL introspection result that a comparison needs.
type introspection struct {
	Data struct {
		Schema struct {
			QueryType    *typeName       `json:"queryType"`
			MutationType *typeName       `json:"mutationType"`
			Types        []publishedType `json:"types"`
		} `json:"__schema"`
	} `json:"data"`
}

type typeName struct {
	Name string `json:"name"`
}

type publishedType struct {
	Kind          string           `json:"kind"`
	Name          string           `json:"name"`
	Fields        []publishedField `json:"fields"`
	InputFields   []publishedInput `json:"inputFields"`
	Interfaces    []typeName       `json:"interfaces"`
	PossibleTypes []typeName       `json:"possibleTypes"`
	EnumValues    []publishedValue `json:"enumValues"`
}

type publishedField struct {
	Name       string           `json:"name"`
	Args       []publishedInput `json:"args"`
	Type       typeRef          `json:"type"`
	Deprecated bool             `json:"isDeprecated"`
}

type publishedInput struct {
	Name       string  `json:"name"`
	Type       typeRef `json:"type"`
	Default    *string `json:"defaultValue"` // a GraphQL literal
	Deprecated bool    `json:"isDeprecated"`
}

type publishedValue struct {
	Name       string `json:"name"`
	Deprecated bool   `json:"isDeprecated"`
}

type typeRef struct {
	Kind   string   `json:"kind"`
	Name   string   `json:"name"`
	OfType *typeRef `json:"ofType"`
}

// String writes the type as in a schema: "[String!]!".
func (t typeRef) String() string {
	switch {
	case t.OfType == nil:
		return t.Name
	case t.Kind == "NON_NULL":
		return t.OfType.String() + "!"
	default: // LIST
		return "[" + t.OfType.String() + "]"
	}
}

// maxSchema bounds an unpacked schema; the largest published one is far smaller.
const maxSchema = 64 << 20

func loadPublished(file string) (*ast.Schema, error) {
	packed, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = packed.Close() }() // only read from
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	var result introspection
	if err := json.NewDecoder(io.LimitReader(unpacked, maxSchema)).Decode(&result); err != nil {
		return nil, fmt.Errorf("read introspection: %w", err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: file, Input: result.definitions()})
	if err != nil {
		return nil, fmt.Errorf("load introspection: %w", err)
	}
	return schema, nil
}

// definitions writes the introspection result in the schema language, so that both sides are read by the same parser.
func (i introspection) definitions() string {
	var b strings.Builder
	schema := i.Data.Schema
	b.WriteString("schema {\n")
	if schema.QueryType != nil {
		fmt.Fprintf(&b, "  query: %s\n", schema.QueryType.Name)
	}
	if schema.MutationType != nil {
		fmt.Fprintf(&b, "  mutation: %s\n", schema.MutationType.Name)
	}
	b.WriteString("}\n")
	for _, t := range schema.Types {
		if !builtIn(t.Name) {
			t.write(&b)
		}
	}
	return b.String()
}

func builtIn(name string) bool {
	switch name {
	case "Boolean", "Float", "ID", "Int", "String":
		return true
	}
	return strings.HasPrefix(name, "__")
}

func (t publishedType) write(b *strings.Builder) {
	switch t.Kind {
	case "SCALAR":
		fmt.Fprintf(b, "scalar %s\n", t.Name)
	case "UNION":
		fmt.Fprintf(b, "union %s = %s\n", t.Name, join(t.PossibleTypes, " | "))
	case "ENUM":
		fmt.Fprintf(b, "enum %s {\n", t.Name)
		for _, v := range t.EnumValues {
			fmt.Fprintf(b, "  %s%s\n", v.Name, deprecation(v.Deprecated))
		}
		b.WriteString("}\n")
	case "INPUT_OBJECT":
		fmt.Fprintf(b, "input %s {\n", t.Name)
		for _, f := range t.InputFields {
			fmt.Fprintf(b, "  %s\n", f)
		}
		b.WriteString("}\n")
	case "OBJECT", "INTERFACE":
		keyword := map[string]string{"OBJECT": "type", "INTERFACE": "interface"}[t.Kind]
		fmt.Fprintf(b, "%s %s%s {\n", keyword, t.Name, implements(t.Interfaces))
		for _, f := range t.Fields {
			fmt.Fprintf(b, "  %s\n", f)
		}
		b.WriteString("}\n")
	}
}

func (f publishedField) String() string {
	args := ""
	if len(f.Args) > 0 {
		list := make([]string, len(f.Args))
		for i, a := range f.Args {
			list[i] = a.String()
		}
		args = "(" + strings.Join(list, ", ") + ")"
	}
	return f.Name + args + ": " + f.Type.String() + deprecation(f.Deprecated)
}

func (i publishedInput) String() string {
	text := i.Name + ": " + i.Type.String()
	if i.Default != nil {
		text += " = " + *i.Default
	}
	return text + deprecation(i.Deprecated)
}

func implements(list []typeName) string {
	if len(list) == 0 {
		return ""
	}
	return " implements " + join(list, " & ")
}

func join(list []typeName, separator string) string {
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.Name
	}
	return strings.Join(names, separator)
}

func deprecation(deprecated bool) string {
	if deprecated {
		return " @deprecated"
	}
	return ""
}
