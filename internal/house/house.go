// Package house checks that the source tree keeps the rules of
// docs/architecture.md: which room may import which, which rooms are pure, what a
// file may be called. It reads syntax only, so that it takes a fraction of a second,
// and its own test runs it over this repository as part of `go test ./...`.
package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strings"
)

// Module is the import path of the repository.
const Module = "github.com/framelock/relay"

// Finding is one breach of a rule.
type Finding struct {
	Pos  string // file:line, or a directory
	Rule string // direction, pure, name, room, sleep, unfinished or module
	Text string
}

// String returns the finding as one line.
func (f Finding) String() string { return f.Pos + ": " + f.Rule + ": " + f.Text }

// source is one Go file of the tree.
type source struct {
	path string // from the root, with slashes
	dir  string // of path; "." for the root
	test bool
	fset *token.FileSet
	file *ast.File
}

func (s source) pos(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// Check reads every Go file below tree, the root of the repository, and returns
// what breaks a rule, in order of position. The error is of reading or parsing.
func Check(tree fs.FS) ([]Finding, error) {
	sources, err := load(tree)
	if err != nil {
		return nil, err
	}
	var found []Finding
	dirs := make(map[string]bool)
	for _, s := range sources {
		found = append(found, checkName(s)...)
		found = append(found, checkUnfinished(s)...)
		if s.test {
			found = append(found, checkSleep(s)...)
			continue
		}
		dirs[s.dir] = true
		r, ok := roomOf(s.dir)
		if !ok {
			continue
		}
		found = append(found, checkImports(s, r)...)
		if r.pure {
			found = append(found, checkPure(s, r)...)
		}
	}
	found = append(found, checkRooms(dirs)...)
	found = append(found, checkModule(tree)...)
	sort.SliceStable(found, func(i, j int) bool { return found[i].Pos < found[j].Pos })
	return found, nil
}

// load parses every Go file of the tree except what is not ours.
func load(tree fs.FS) ([]source, error) {
	var sources []source
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := fs.ReadFile(tree, p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, p, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		sources = append(sources, source{
			path: p, dir: path.Dir(p), test: strings.HasSuffix(name, "_test.go"), fset: fset, file: file,
		})
		return nil
	})
	return sources, err
}

// checkImports reports imports of rooms of this module that r may not use.
func checkImports(s source, r room) []Finding {
	var found []Finding
	for _, imp := range s.file.Imports {
		p := importPath(imp)
		to, inside := strings.CutPrefix(p, Module)
		if !inside {
			continue
		}
		to = strings.TrimPrefix(to, "/")
		if to == "" {
			to = "."
		}
		if !r.may(to) {
			found = append(found, Finding{s.pos(imp), "direction",
				fmt.Sprintf("%s may not import %s (it may import: %s)", r.dir, to, r.allowed())})
		}
	}
	return found
}

// checkRooms reports packages that stand in no room, and rooms that are missing.
func checkRooms(dirs map[string]bool) []Finding {
	var found []Finding
	for dir := range dirs {
		switch _, ok := roomOf(dir); {
		case dir == "sync" || dir == "media" || dir == "signaling":
			found = append(found, Finding{dir, "room", "holds rooms and no Go files of its own"})
		case !ok:
			found = append(found, Finding{dir, "room", "is in no room of internal/house/rooms.go and docs/architecture.md"})
		}
	}
	for _, r := range rooms {
		if r.built && !dirs[r.dir] {
			found = append(found, Finding{r.dir, "room", "should exist and hold Go files"})
		}
	}
	return found
}

// checkModule reports directives of go.mod that break `go install` and embedders.
func checkModule(tree fs.FS) []Finding {
	text, err := fs.ReadFile(tree, "go.mod")
	if err != nil {
		return []Finding{{"go.mod", "module", err.Error()}}
	}
	var found []Finding
	for i, line := range strings.Split(string(text), "\n") {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "replace" || word == "exclude" {
			found = append(found, Finding{fmt.Sprintf("go.mod:%d", i+1), "module", word + " breaks go install and embedders"})
		}
	}
	return found
}

func importPath(imp *ast.ImportSpec) string { return strings.Trim(imp.Path.Value, "`\"") }
