package house

import (
	"fmt"
	"go/ast"
	"path"
	"strings"
)

// impure are the import paths that a pure room may not use, each with what to do
// instead. A path also forbids what is below it, unless allowedBelow names that.
var impure = map[string]string{
	"net":                       "sockets belong to a shell (net/netip is fine)",
	"context":                   "nothing here waits",
	"os":                        "the caller reads files and the environment",
	"io/fs":                     "the caller reads files",
	"syscall":                   "system calls belong to a shell",
	"sync":                      "one goroutine owns the state; the caller guards what it shares",
	"crypto/rand":               "randomness is an argument",
	"log":                       "counters and returned values say what happened",
	"github.com/pion/webrtc/v4": "sessions belong to media/egress and media/ingest",
}

var allowedBelow = map[string]bool{"net/netip": true, "net/url": true}

// Reference counts are the one thing that goroutines share without an owner.
var mayUseAtomic = map[string]bool{"media/packet": true}

// clocks are the functions of package time that read or wait for the clock.
var clocks = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
	"NewTimer": true, "NewTicker": true, "Tick": true,
}

// generators are what math/rand and math/rand/v2 offer for a source of one's own;
// all other functions of theirs use the process's.
var generators = map[string]bool{
	"New": true, "NewSource": true, "NewPCG": true, "NewChaCha8": true, "NewZipf": true,
	"Rand": true, "Source": true, "Source64": true, "PCG": true, "ChaCha8": true, "Zipf": true,
}

// checkPure reports what a pure room imports and calls although its answer would
// then depend on more than its arguments.
func checkPure(s source, r room) []Finding {
	var found []Finding
	names := make(map[string]string) // name in this file → time or math/rand
	for _, imp := range s.file.Imports {
		p := importPath(imp)
		if why := forbidden(p, r.dir); why != "" {
			found = append(found, Finding{s.pos(imp), "pure", fmt.Sprintf("%s is pure and may not import %s: %s", r.dir, p, why)})
		}
		if p == "time" || p == "math/rand" || p == "math/rand/v2" {
			name := path.Base(strings.TrimSuffix(p, "/v2"))
			if imp.Name != nil {
				name = imp.Name.Name
			}
			names[name] = p
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch p := names[x.Name]; {
		case p == "time" && clocks[sel.Sel.Name]:
			found = append(found, Finding{s.pos(sel), "pure", fmt.Sprintf("%s is pure: time is an argument, not time.%s", r.dir, sel.Sel.Name)})
		case strings.HasPrefix(p, "math/rand") && !generators[sel.Sel.Name]:
			found = append(found, Finding{s.pos(sel), "pure", fmt.Sprintf("%s is pure: the generator is an argument, not rand.%s", r.dir, sel.Sel.Name)})
		}
		return true
	})
	return found
}

// forbidden says why a pure room may not import p, or "" if it may.
func forbidden(p, dir string) string {
	if allowedBelow[p] || p == "sync/atomic" && mayUseAtomic[dir] {
		return ""
	}
	for at := p; ; at = path.Dir(at) {
		if why := impure[at]; why != "" {
			return why
		}
		if !strings.Contains(at, "/") {
			return ""
		}
	}
}
