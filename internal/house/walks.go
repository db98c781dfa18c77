package house

import (
	"fmt"
	"go/ast"
	"io/fs"
	"regexp"
	"strings"
)

// A walk of docs/architecture.md is a section "## Walk …" with a numbered list. Each
// of its steps names the functions that do it, in backticks, as `package.Func` or
// `package.Type.Method`; what else stands in backticks has no dot, or a space, a
// slash or a bracket in it.
var (
	nameInDoc = regexp.MustCompile("`([a-z][a-z0-9]*(?:\\.[A-Za-z_][A-Za-z0-9_]*){1,2})`")
	stepInDoc = regexp.MustCompile(`^\d+\. `)
)

// Step is one numbered line of a walk and the functions that it names.
type Step struct {
	Walk  string // heading without the marks
	Text  string
	Names []string
}

// Steps returns the steps of the walks in a Markdown document. A line that
// continues a step belongs to it.
func Steps(doc string) []Step {
	var steps []Step
	walk, open := "", false
	for line := range strings.Lines(doc) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			walk, open = "", false
			if title := strings.TrimLeft(line, "# "); strings.HasPrefix(title, "Walk ") {
				walk = title
			}
		case walk == "" || strings.TrimSpace(line) == "":
			open = false
		case stepInDoc.MatchString(line):
			steps = append(steps, Step{Walk: walk, Text: line})
			open = true
		case open:
			steps[len(steps)-1].Text += " " + strings.TrimSpace(line)
		}
	}
	for i := range steps {
		for _, m := range nameInDoc.FindAllStringSubmatch(steps[i].Text, -1) {
			steps[i].Names = append(steps[i].Names, m[1])
		}
	}
	return steps
}

// Functions returns every function and method of the tree's packages, those of
// interfaces included, as `package.Func` and `package.Type.Method`. Tests do not
// count.
func Functions(tree fs.FS) (map[string]bool, error) {
	sources, err := load(tree)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool)
	for _, s := range sources {
		if s.test {
			continue
		}
		pkg := s.file.Name.Name
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[pkg+"."+receiver(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if t, ok := spec.(*ast.TypeSpec); ok {
						addMethods(names, pkg+"."+t.Name.Name+".", t.Type)
					}
				}
			}
		}
	}
	return names, nil
}

// addMethods adds the methods that an interface type declares.
func addMethods(names map[string]bool, prefix string, t ast.Expr) {
	face, ok := t.(*ast.InterfaceType)
	if !ok {
		return
	}
	for _, m := range face.Methods.List {
		for _, name := range m.Names {
			names[prefix+name.Name] = true
		}
	}
}

// receiver returns "Type." for a method and "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return ""
		}
	}
}

// CheckWalks reports every step of the document that names no function, and every
// name that is no function of the tree.
func CheckWalks(doc string, tree fs.FS) ([]string, error) {
	known, err := Functions(tree)
	if err != nil {
		return nil, err
	}
	var found []string
	steps := Steps(doc)
	walks := make(map[string]int)
	for _, s := range steps {
		walks[s.Walk]++
		if len(s.Names) == 0 {
			found = append(found, fmt.Sprintf("%s: step %q names no function", s.Walk, s.Text))
		}
		for _, name := range s.Names {
			if !known[name] {
				found = append(found, fmt.Sprintf("%s: %s is no function of this repository", s.Walk, name))
			}
		}
	}
	if len(walks) != 3 {
		found = append(found, fmt.Sprintf("%d walks with steps, want 3: a packet's, an outcome's and an action's", len(walks)))
	}
	return found, nil
}
