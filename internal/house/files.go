package house

import (
	"fmt"
	"go/ast"
	"path"
	"strings"
)

// vague are names of files and directories that say nothing about what they hold.
var vague = map[string]bool{
	"util": true, "utils": true, "helper": true, "helpers": true, "common": true,
	"misc": true, "types": true, "shared": true,
}

// Lengths above which Long reports a file or a function.
const (
	MaxFile     = 400 // lines
	MaxFunction = 60  // lines
)

func checkName(s source) []Finding {
	var found []Finding
	base := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.path), ".go"), "_test")
	for _, name := range append(strings.Split(s.dir, "/"), base) {
		if vague[name] {
			found = append(found, Finding{s.path, "name", fmt.Sprintf("%q does not say which concept it holds", name)})
		}
	}
	return found
}

// checkUnfinished reports notes of work left for later: the issue tracker has those.
func checkUnfinished(s source) []Finding {
	var found []Finding
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			for _, word := range []string{"TO" + "DO", "FIX" + "ME"} {
				if strings.Contains(c.Text, word) {
					found = append(found, Finding{s.pos(c), "unfinished", word + " in a comment"})
				}
			}
		}
	}
	return found
}

// checkSleep reports tests that wait by the clock. Inside a synctest bubble the
// clock is the test's own.
func checkSleep(s source) []Finding {
	for _, imp := range s.file.Imports {
		if importPath(imp) == "testing/synctest" {
			return nil
		}
	}
	var found []Finding
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Sleep" {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
			found = append(found, Finding{s.pos(sel), "sleep", "a test waits for an event, with a deadline, never for a time"})
		}
		return true
	})
	return found
}

// long lists the files and functions that are over the house's lengths. They are a
// question to the reader, not an error.
func long(sources []source) []string {
	var lines []string
	for _, s := range sources {
		if s.test {
			continue
		}
		if n := s.fset.Position(s.file.FileEnd).Line; n > MaxFile {
			lines = append(lines, fmt.Sprintf("%s has %d lines (%d)", s.path, n, MaxFile))
		}
		for _, d := range s.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.fset.Position(fn.End()).Line - s.fset.Position(fn.Pos()).Line + 1; n > MaxFunction {
				lines = append(lines, fmt.Sprintf("%s: %s has %d lines (%d)", s.pos(fn), fn.Name.Name, n, MaxFunction))
			}
		}
	}
	return lines
}
