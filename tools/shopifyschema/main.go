// Command shopifyschema compares our own GraphQL schema and operations with the schema Shopify publishes.
//
// Everything our schema declares must exist at Shopify with the same type in the pinned version: that fails the command. What newer
// versions change in the declared part is printed for information, so that raising the pin holds no surprise.
//
//	shopifyschema -package <unpacked @shopify/dev-mcp> -version 2026-10 -operations operations.graphql schema.graphql …
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
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || *pin == "" || *operations == "" || flags.NArg() == 0 {
		return errors.New("want -package, -version, -operations and at least one schema file")
	}
	ours, err := loadOurs(flags.Args())
	if err != nil {
		return err
	}
	document, err := os.ReadFile(*operations)
	if err != nil {
		return err
	}
	published, err := filepath.Glob(filepath.Join(*dir, "dist", "data", "payments-apps_*.json.gz"))
	if err != nil {
		return err
	}
	slices.Sort(published) // "unstable" comes last, as it should
	return report(ours, string(document), published, *pin, out)
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
func report(ours *ast.Schema, operations string, published []string, pin string, out io.Writer) error {
	found, faults := false, 0
	for _, file := range published {
		version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "payments-apps_"), ".json.gz")
		if version < pin {
			continue
		}
		theirs, err := loadPublished(file)
		if err != nil {
			return fmt.Errorf("%s: %w", version, err)
		}
		differences := compare(ours, theirs)
		if _, errs := gqlparser.LoadQuery(theirs, operations); len(errs) > 0 {
			for _, e := range errs {
				differences = append(differences, "operations: "+e.Error())
			}
		}
		if version == pin {
			found, faults = true, len(differences)
		}
		fmt.Fprintf(out, "%s: %d differences in what we use\n", version, len(differences))
		for _, d := range differences {
			fmt.Fprintf(out, "  %s\n", d)
		}
	}
	if !found {
		return fmt.Errorf("the package holds no schema of version %s", pin)
	}
	if faults > 0 {
		return fmt.Errorf("our schema differs from Shopify's version %s", pin)
	}
	return nil
}
