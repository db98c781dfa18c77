package relay

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestEveryKeyIsRead looks in the package's code, beside the configuration's own,
// for each field: a key that nothing reads is a promise that nobody keeps.
func TestEveryKeyIsRead(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]bool{}
	for _, name := range names {
		if strings.HasPrefix(name, "config") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok {
				read[selector.Sel.Name] = true
			}
			return true
		})
	}
	for _, group := range []any{
		Config{}, HTTPConfig{}, TLSConfig{}, MediaConfig{}, PlayoutDelay{}, AdminConfig{}, AuthConfig{},
		TokenConfig{}, StateConfig{}, DrainConfig{}, StreamConfig{}, RecordConfig{}, RTPConfig{}, VideoConfig{}, AudioConfig{}, BackupConfig{}, SecondPathConfig{},
	} {
		for field := range reflect.TypeOf(group).Fields() {
			if field.IsExported() && !read[field.Name] {
				t.Errorf("%T.%s is read nowhere", group, field.Name)
			}
		}
	}
}
