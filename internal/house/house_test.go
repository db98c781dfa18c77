package house

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// root is this repository, seen from the test.
var root = os.DirFS("../..")

func TestRepository(t *testing.T) {
	found, err := Check(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
	sources, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range long(sources) {
		t.Log("long:", line)
	}
}

func TestWalks(t *testing.T) {
	doc, err := fs.ReadFile(root, "docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	found, err := CheckWalks(string(doc), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range found {
		t.Error(line)
	}
}

// TestArchitectureNamesRooms keeps the table of rules and the page that people
// read from telling different stories.
func TestArchitectureNamesRooms(t *testing.T) {
	doc, err := fs.ReadFile(root, "docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rooms {
		if r.built && r.dir != "." && !strings.Contains(string(doc), "`"+r.dir+"`") {
			t.Errorf("docs/architecture.md does not name the room `%s`", r.dir)
		}
	}
}

// wanted matches the comment of a fixture's line that breaks a rule.
var wanted = regexp.MustCompile(`// ([a-z]+)$`)

func TestEveryRuleCanFail(t *testing.T) {
	tree, want := fixture(t)
	want["go.mod:3: module"] = true
	want["sync: room"] = true
	want["internal/attic: room"] = true
	for _, r := range rooms {
		if files, err := fs.Glob(tree, path.Join(r.dir, "*.go")); r.built && (err != nil || len(files) == 0) {
			want[r.dir+": room"] = true
		}
	}
	found, err := Check(tree)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	for _, f := range found {
		if f.Rule == "name" { // of a file, not of a line
			f.Pos += ":1"
		}
		got[f.Pos+": "+f.Rule] = true
		if strings.TrimSpace(f.Text) == "" {
			t.Errorf("%s: %s: says nothing", f.Pos, f.Rule)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// fixture returns the broken tree and what its comments say is to be found.
func fixture(t *testing.T) (fs.FS, map[string]bool) {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/broken.txtar")
	if err != nil {
		t.Fatal(err)
	}
	tree, want := fstest.MapFS{}, make(map[string]bool)
	for _, f := range archive.Files {
		tree[f.Name] = &fstest.MapFile{Data: f.Data}
		for i, line := range strings.Split(string(f.Data), "\n") {
			if m := wanted.FindStringSubmatch(line); m != nil && f.Name != "go.mod" {
				want[fmt.Sprintf("%s:%d: %s", f.Name, i+1, m[1])] = true
			}
		}
	}
	return tree, want
}

func TestDirection(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		may      bool
	}{
		{"cmd/relay", ".", true},
		{"cmd/relay", "internal/watch", true},
		{"cmd/relay", "signaling/whep", false},
		{"cmd/relay", "media/packet", false},
		{".", "cmd/relay", false},
		{".", "media/ingest", true},
		{".", "internal/demo", false},
		{"signaling/whep", "media/egress", true},
		{"signaling/whep", ".", false},
		{"signaling/control", "sync/marker", true},
		{"signaling/control", "media/egress", false},
		{"internal/stream", "media/forward", true},
		{"internal/stream", "sync/state", true},
		{"internal/stream", "sync/journal", true},
		{"internal/stream", "signaling/sdp", false},
		{"media/egress", "media/udp", true},
		{"media/egress", "sync/marker", false},
		{"media/egress", "signaling/sdp", false},
		{"media/forward", "media/packet", true},
		{"media/forward", "sync/timeline", false},
		{"media/packet", "media/codec", false},
		{"sync/marker", "media/forward", false},
		{"sync/timeline", "media/packet", true},
		{"internal/studio", "media/packet", true},
		{"internal/studio", "media/egress", false},
		{"internal/studio", ".", false},
	} {
		r, ok := roomOf(tt.from)
		if !ok {
			t.Fatalf("%s is in no room", tt.from)
		}
		if got := r.may(tt.to); got != tt.may {
			t.Errorf("%s may import %s: %v, want %v", tt.from, tt.to, got, tt.may)
		}
	}
}

func TestLong(t *testing.T) {
	body := strings.Repeat("\t_ = 1\n", MaxFunction)
	tree := fstest.MapFS{
		"a/long.go":  {Data: []byte("package a\n\nfunc f() {\n" + body + "}\n\nfunc g() {\n}\n")},
		"a/file.go":  {Data: []byte("package a\n" + strings.Repeat("\n", MaxFile))},
		"a/short.go": {Data: []byte("package a\n\nfunc h() {\n" + body[:len(body)/2] + "}\n")},
	}
	sources, err := load(tree)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a/file.go has 401 lines (400)", "a/long.go:3: f has 62 lines (60)"}
	if diff := cmp.Diff(want, long(sources)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCheckWalks(t *testing.T) {
	tree := fstest.MapFS{
		"media/udp/conn.go": {Data: []byte(`package udp

type Conn interface{ ReadBatch() error }
type ring[T any] struct{}

func (r *ring[T]) push() {}
func Listen()            {}
`)},
		"media/udp/conn_test.go": {Data: []byte("package udp\nfunc OnlyInTests() {}\n")},
	}
	const good = "# A\n## Walk 1: packet\n\n1. Read: `udp.Conn.ReadBatch`\n   and `udp.ring.push` it.\n\n" +
		"## Walk 2: outcome\n1. `udp.Listen` on `GET /v1`.\n\n## Walk 3: action\n1. `udp.Listen`\n\n## Owners\n1. nobody\n"
	for name, tt := range map[string]struct {
		doc  string
		want []string
	}{
		"true": {good, nil},
		"renamed": {strings.Replace(good, "ring.push", "ring.put", 1),
			[]string{"Walk 1: packet: udp.ring.put is no function of this repository"}},
		"of a test": {strings.Replace(good, "udp.Listen", "udp.OnlyInTests", 1),
			[]string{"Walk 2: outcome: udp.OnlyInTests is no function of this repository"}},
		"nameless": {strings.Replace(good, "`udp.Listen`", "listens", 1),
			[]string{"Walk 2: outcome: step \"1. listens on `GET /v1`.\" names no function"}},
		"two walks": {strings.Replace(good, "## Walk 2", "## Way 2", 1),
			[]string{"2 walks with steps, want 3: a packet's, an outcome's and an action's"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := CheckWalks(tt.doc, tree)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
