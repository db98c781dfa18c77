package transcript

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestEveryCodeIsExplained reads the codes from the source, so that none can be
// forgotten.
func TestEveryCodeIsExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/transcript.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "report.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if n++; err != nil || !strings.Contains(string(page), "| `"+code+"` |") {
			t.Errorf("%s is not in the table of docs/transcript.md (%v)", spec.Names[0].Name, err)
		}
		return true
	})
	if n < 20 {
		t.Errorf("%d codes found", n)
	}
}
