// Command shopifyschema compares our own GraphQL schema and operations with the schema Shopify publishes.
//
// Everything our schema declares must exist at Shopify with the same type in the pinned version: that fails the command. What newer
// versions change in the declared part is printed for information, so that raising the pin holds no surprise.
//
//	shopifyschema -package <unpacked @shopify/dev-mcp> -version 2026-10 -operations operations.graphql schema.graphql …
//	shopifyschema -api admin -open-enums -file admin.graphql -version 2026-10 -operations operations.graphql schema.graphql
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "shopifyschema:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("shopifyschema", flag.ContinueOnError)
	dir := flags.String("package", "", "folder of the unpacked npm package @shopify/dev-mcp")
	pin := flags.String("version", "", "API version we pin, such as 2026-10")
	operations := flags.String("operations", "", "file with our operations")
	api := flags.String("api", "payments-apps", "which of the package's APIs: payments-apps or admin")
	file := flags.String("file", "", "one published schema instead of a package, as SDL, taken for the pinned version")
	open := flags.Bool("open-enums", false, "we read enums as texts and declare only the values that we name")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if (*dir == "") == (*file == "") || *pin == "" || *operations == "" || flags.NArg() == 0 {
		return errors.New("want -package or -file, -version, -operations and at least one schema file")
	}
	ours, err := loadOurs(flags.Args())
	if err != nil {
		return err
	}
	document, err := os.ReadFile(*operations)
	if err != nil {
		return err
	}
	c := declared{ours: ours, operations: string(document), pin: *pin, openEnums: *open}
	if *file != "" {
		theirs, err := loadOurs([]string{*file})
		if err != nil {
			return fmt.Errorf("published schema: %w", err)
		}
		return c.verdict(true, c.against(*pin, theirs, out))
	}
	published, err := filepath.Glob(filepath.Join(*dir, "dist", "data", *api+"_*.json.gz"))
	if err != nil {
		return err
	}
	slices.Sort(published) // "unstable" comes last, as it should
	return c.report(published, out)
}

// declared is what is compared with published schemas.
type declared struct {
	ours       *ast.Schema
	operations string
	pin        string
	openEnums  bool
}

func loadOurs(files []string) (*ast.Schema, error) {
	var sources []*ast.Source
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sources = append(sources, &ast.Source{Name: file, Input: string(text)})
	}
	schema, err := gqlparser.LoadSchema(sources...)
	if err != nil {
		return nil, fmt.Errorf("our schema: %w", err)
	}
	return schema, nil
}

// report compares with every published version from the pin on and fails if the pinned one differs or is not there.
func (c declared) report(published []string, out io.Writer) error {
	found, faults := false, 0
	for _, file := range published {
		_, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json.gz"), "_")
		if version < c.pin {
			continue
		}
		theirs, err := loadPublished(file)
		if err != nil {
			return fmt.Errorf("%s: %w", version, err)
		}
		differences := c.against(version, theirs, out)
		if version == c.pin {
			found, faults = true, differences
		}
	}
	return c.verdict(found, faults)
}

// against prints where a published schema does not offer what we use, and counts it.
func (c declared) against(version string, theirs *ast.Schema, out io.Writer) int {
	differences := compare(c.ours, theirs, c.openEnums)
	if _, errs := gqlparser.LoadQuery(theirs, c.operations); len(errs) > 0 {
		for _, e := range errs {
			differences = append(differences, "operations: "+e.Error())
		}
	}
	fmt.Fprintf(out, "%s: %d differences in what we use\n", version, len(differences))
	for _, d := range differences {
		fmt.Fprintf(out, "  %s\n", d)
	}
	return len(differences)
}

func (c declared) verdict(found bool, faults int) error {
	if !found {
		return fmt.Errorf("the package holds no schema of version %s", c.pin)
	}
	if faults > 0 {
		return fmt.Errorf("our schema differs from Shopify's version %s", c.pin)
	}
	return nil
}
