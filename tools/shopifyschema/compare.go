package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// comparison collects the differences between what we declare and what is published.
type comparison struct {
	differences []string
	// openEnums: values that we do not declare are read as texts.
	openEnums bool
}

// compare lists where theirs does not offer what ours declares. Ours may leave out types, fields and optional inputs; enums,
// unless they are open, and unions must be complete, required inputs present and deprecations known.
func compare(ours, theirs *ast.Schema, openEnums bool) []string {
	c := &comparison{openEnums: openEnums}
	for _, name := range slices.Sorted(maps.Keys(ours.Types)) {
		declared := ours.Types[name]
		if declared.BuiltIn {
			continue
		}
		published := theirs.Types[name]
		switch {
		case published == nil:
			c.say(name, "does not exist")
		case published.Kind != declared.Kind:
			c.say(name, "is %s, we declare %s", published.Kind, declared.Kind)
		default:
			c.fields(name, declared, published)
			c.names(name, "value", values(declared), values(published))
			c.names(name, "member", declared.Types, published.Types)
			for _, i := range declared.Interfaces {
				if !slices.Contains(published.Interfaces, i) {
					c.say(name, "does not implement %s", i)
				}
			}
		}
	}
	return c.differences
}

func (c *comparison) say(where, format string, args ...any) {
	c.differences = append(c.differences, where+" "+fmt.Sprintf(format, args...))
}

func (c *comparison) fields(name string, declared, published *ast.Definition) {
	for _, f := range declared.Fields {
		if builtIn(f.Name) { // __schema and __type of the query root
			continue
		}
		where := name + "." + f.Name
		other := published.Fields.ForName(f.Name)
		if other == nil {
			c.say(where, "does not exist")
			continue
		}
		c.types(where, f.Type, other.Type)
		c.deprecations(where, f.Directives, other.Directives)
		c.arguments(where, f.Arguments, other.Arguments)
	}
	if published.Kind != ast.InputObject {
		return
	}
	for _, f := range published.Fields {
		if declared.Fields.ForName(f.Name) == nil && f.Type.NonNull && f.DefaultValue == nil {
			c.say(name+"."+f.Name, "is required, we do not declare it")
		}
	}
}

func (c *comparison) arguments(where string, declared, published ast.ArgumentDefinitionList) {
	for _, a := range declared {
		other := published.ForName(a.Name)
		if other == nil {
			c.say(where, "has no argument %s", a.Name)
			continue
		}
		c.types(where+"("+a.Name+")", a.Type, other.Type)
		c.deprecations(where+"("+a.Name+")", a.Directives, other.Directives)
	}
	for _, a := range published {
		if declared.ForName(a.Name) == nil && a.Type.NonNull && a.DefaultValue == nil {
			c.say(where, "requires argument %s, we do not declare it", a.Name)
		}
	}
}

func (c *comparison) types(where string, declared, published *ast.Type) {
	if declared.String() != published.String() {
		c.say(where, "is %s, we declare %s", published, declared)
	}
}

func (c *comparison) deprecations(where string, declared, published ast.DirectiveList) {
	if published.ForName("deprecated") != nil && declared.ForName("deprecated") == nil {
		c.say(where, "is deprecated")
	}
}

// names compares the parts of an enum or a union, which must be complete.
func (c *comparison) names(where, part string, declared, published []string) {
	for _, n := range declared {
		if !slices.Contains(published, n) {
			c.say(where, "has no %s %s", part, n)
		}
	}
	for _, n := range published {
		if !slices.Contains(declared, n) && (part != "value" || !c.openEnums) {
			c.say(where, "has %s %s, we do not declare it", part, n)
		}
	}
}

// values names an enum's values; the deprecated ones differ from the others by a mark.
func values(d *ast.Definition) []string {
	var names []string
	for _, v := range d.EnumValues {
		name := v.Name
		if v.Directives.ForName("deprecated") != nil {
			name += " @deprecated"
		}
		names = append(names, name)
	}
	return names
}
