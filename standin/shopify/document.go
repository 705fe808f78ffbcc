package shopify

import (
	_ "embed" // the schema files
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

//go:embed schema/payments.graphql
var paymentsSchema string

//go:embed schema/moves.graphql
var movesSchema string

//go:embed schema/admin.graphql
var adminSchema string

const (
	// maxTokens bounds a document before it is validated.
	maxTokens = 5000
	// maxDocuments bounds the cache; a client has a handful of documents, more means they are generated.
	maxDocuments = 256
)

// documents parses and validates documents and remembers the valid ones, so that load runs do not measure a
// GraphQL validator.
type documents struct {
	schema *ast.Schema
	rules  *rules.Rules

	mu    sync.Mutex
	known map[string]*ast.QueryDocument
}

func newDocuments(texts ...string) (*documents, error) {
	sources := make([]*ast.Source, len(texts))
	for i, text := range texts {
		sources[i] = &ast.Source{Name: fmt.Sprintf("schema %d", i+1), Input: text}
	}
	schema, err := gqlparser.LoadSchema(sources...)
	if err != nil {
		return nil, fmt.Errorf("load schema: %w", err)
	}
	return &documents{
		schema: schema, rules: rules.NewDefaultRules(), known: make(map[string]*ast.QueryDocument),
	}, nil
}

// load returns a valid document, or what is wrong with it.
func (d *documents) load(query string) (*ast.QueryDocument, gqlerror.List) {
	d.mu.Lock()
	doc := d.known[query]
	d.mu.Unlock()
	if doc != nil {
		return doc, nil
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, maxTokens)
	if err != nil {
		return nil, gqlerror.List{gqlerror.Wrap(err)}
	}
	if faults := validator.ValidateWithRules(d.schema, doc, d.rules); len(faults) > 0 {
		return nil, faults
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) < maxDocuments {
		d.known[query] = doc
	}
	return doc, nil
}

// coerce checks the variables of an operation. Beyond the validator it insists that enum values are spelt
// exactly and that a DateTime is RFC 3339, as Shopify does.
func (d *documents) coerce(op *ast.OperationDefinition, given map[string]any) (map[string]any, error) {
	vars, err := validator.VariableValues(d.schema, op, given)
	if err != nil {
		return nil, fmt.Errorf("coerce variables: %w", err)
	}
	for _, def := range op.VariableDefinitions {
		if err := d.checkValue(def.Type, vars[def.Variable]); err != nil {
			return nil, fmt.Errorf("variable $%s of type %s was provided invalid value: %w", def.Variable, def.Type, err)
		}
	}
	return vars, nil
}

// checkArguments does the same for the arguments of one field, which may be literals.
func (d *documents) checkArguments(field *ast.Field, args map[string]any) error {
	for _, def := range field.Definition.Arguments {
		if err := d.checkValue(def.Type, args[def.Name]); err != nil {
			return fmt.Errorf("argument %s of %s: %w", def.Name, field.Name, err)
		}
	}
	return nil
}

func (d *documents) checkValue(typ *ast.Type, value any) error {
	if value == nil {
		return nil
	}
	if typ.Elem != nil {
		items, isList := value.([]any)
		if !isList {
			items = []any{value} // GraphQL takes one value for a list of one
		}
		for _, item := range items {
			if err := d.checkValue(typ.Elem, item); err != nil {
				return err
			}
		}
		return nil
	}
	def := d.schema.Types[typ.NamedType]
	switch {
	case def.Kind == ast.InputObject:
		members, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("expected an object for %s", def.Name)
		}
		for _, field := range def.Fields {
			if err := d.checkValue(field.Type, members[field.Name]); err != nil {
				return fmt.Errorf("%s: %w", field.Name, err)
			}
		}
	case def.Kind == ast.Enum:
		text, _ := value.(string)
		if def.EnumValues.ForName(text) == nil {
			return fmt.Errorf("%q is not a %s", text, def.Name)
		}
	case def.Name == "DateTime":
		text, _ := value.(string)
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			return fmt.Errorf("%q is not a DateTime", text)
		}
	}
	return nil
}

// selector answers exactly what a selection set asks for out of values that hold more.
type selector struct {
	schema *ast.Schema
	vars   map[string]any
}

// group is what one response key asks for: fields that agree in name and arguments, whose selections merge.
type group struct {
	key    string
	fields []*ast.Field
}

// field is the one whose name and arguments stand for the group.
func (g group) field() *ast.Field { return g.fields[0] }

func (g group) selections() ast.SelectionSet {
	var merged ast.SelectionSet
	for _, field := range g.fields {
		merged = append(merged, field.SelectionSet...)
	}
	return merged
}

// object projects an object value, a map with its concrete type under __typename, through a selection set.
func (s selector) object(set ast.SelectionSet, value map[string]any) map[string]any {
	typename, _ := value["__typename"].(string)
	out := make(map[string]any, len(set))
	for _, g := range s.groups(set, typename) {
		out[g.key] = s.project(g.selections(), value[g.field().Name])
	}
	return out
}

func (s selector) project(set ast.SelectionSet, value any) any {
	switch v := value.(type) {
	case map[string]any:
		return s.object(set, v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = s.project(set, item)
		}
		return list
	default:
		return v
	}
}

// groups gathers the fields that apply to a concrete type, in the order in which their keys first appear.
func (s selector) groups(set ast.SelectionSet, typename string) []group {
	var groups []group
	for _, field := range s.flatten(set, typename) {
		at := slices.IndexFunc(groups, func(g group) bool { return g.key == field.Alias })
		if at < 0 {
			groups = append(groups, group{key: field.Alias, fields: []*ast.Field{field}})
			continue
		}
		groups[at].fields = append(groups[at].fields, field)
	}
	return groups
}

// flatten replaces fragments that cover a concrete type by their fields and drops the others.
func (s selector) flatten(set ast.SelectionSet, typename string) []*ast.Field {
	var fields []*ast.Field
	for _, selection := range set {
		switch sel := selection.(type) {
		case *ast.Field:
			if s.included(sel.Directives) {
				fields = append(fields, sel)
			}
		case *ast.InlineFragment:
			if s.included(sel.Directives) && s.applies(sel.TypeCondition, typename) {
				fields = append(fields, s.flatten(sel.SelectionSet, typename)...)
			}
		case *ast.FragmentSpread:
			if s.included(sel.Directives) && s.applies(sel.Definition.TypeCondition, typename) {
				fields = append(fields, s.flatten(sel.Definition.SelectionSet, typename)...)
			}
		}
	}
	return fields
}

// applies reports whether a fragment on a type, interface or union covers a concrete type.
func (s selector) applies(condition, typename string) bool {
	if condition == "" || condition == typename {
		return true
	}
	for _, possible := range s.schema.PossibleTypes[condition] {
		if possible.Name == typename {
			return true
		}
	}
	return false
}

// included evaluates @skip and @include.
func (s selector) included(directives ast.DirectiveList) bool {
	for _, directive := range directives {
		on, _ := directive.ArgumentMap(s.vars)["if"].(bool)
		if directive.Name == "skip" && on || directive.Name == "include" && !on {
			return false
		}
	}
	return true
}
