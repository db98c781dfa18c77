package house

import "strings"

// room is one package, or one directory of packages, and what it may import from
// this module.
type room struct {
	dir string
	// imports are directories; one that ends in "/" means everything below it.
	imports []string
	pure    bool // decides, and leaves performing to a shell
	built   bool // exists today; the others are designed and keep their place here
}

// The pure cores of both planes, lowest first.
var (
	bytesOf = []string{"media/packet", "media/codec"}
	events  = []string{"sync/timeline", "sync/marker", "sync/state", "sync/window", "sync/transcript"}
	cores   = join(bytesOf, []string{"media/forward", "signaling/sdp"}, events)
	tools   = []string{"internal/barcode", "internal/studio", "internal/watch", "internal/croupier", "internal/demo", "internal/audit", "internal/doctor", "internal/calibrate"}
)

// rooms is the house of docs/architecture.md. Imports point down this list, never
// up, and never sideways between media and sync except in internal/stream.
var rooms = []room{
	{dir: "cmd/relay", imports: join([]string{"."}, tools), built: true},
	{dir: ".", imports: []string{"signaling/", "media/", "sync/", "internal/stream", "web"}, built: true},

	// Programs beside the relay that the command line offers: they use it as
	// anybody could, and share only the pure formats with it.
	{dir: "internal/demo", imports: join([]string{".", "web"}, tools), built: true},
	{dir: "internal/audit", imports: events, built: true},
	{dir: "internal/croupier", imports: join([]string{"internal/barcode"}, events), built: true},
	{dir: "internal/watch", imports: join([]string{"internal/barcode"}, cores), built: true},
	{dir: "internal/studio", imports: join([]string{"internal/barcode"}, bytesOf), built: true},
	{dir: "internal/barcode", pure: true, built: true},
	{dir: "internal/calibrate", pure: true, built: true},
	{dir: "internal/doctor", pure: true, built: true},

	{dir: "internal/impair", built: true}, // a bad network, for tests

	{dir: "signaling/whep", imports: join([]string{"signaling/", "media/egress"}, cores), built: true},
	{dir: "signaling/whip", imports: join([]string{"signaling/", "media/ingest"}, cores)},
	{dir: "signaling/control", imports: join([]string{"signaling/auth", "signaling/problem", "sync/journal", "sync/tiles"}, events), built: true},
	{dir: "signaling/turn", imports: []string{"signaling/auth"}},
	{dir: "signaling/auth", imports: []string{"signaling/problem"}, built: true},
	{dir: "signaling/problem", built: true},
	{dir: "signaling/sdp", imports: bytesOf, pure: true, built: true},

	// The stream loop: the one place that joins media and sync.
	{dir: "internal/stream", imports: []string{"media/", "sync/"}, built: true},

	{dir: "media/egress", imports: join([]string{"media/forward", "media/udp", "media/congestion", "media/ice", "media/srtp"}, bytesOf), built: true},
	{dir: "media/record", imports: join([]string{"media/forward", "media/evidence"}, bytesOf), built: true},
	{dir: "media/ingest", imports: join([]string{"media/forward", "media/udp"}, bytesOf), built: true},
	{dir: "sync/journal", imports: events, built: true},
	{dir: "sync/tiles", imports: events, built: true},
	{dir: "sync/signing", imports: events, built: true},

	{dir: "media/udp", imports: bytesOf, built: true},
	{dir: "media/ice", pure: true, built: true},
	{dir: "media/srtp", imports: bytesOf, pure: true, built: true},
	{dir: "media/congestion", imports: bytesOf, pure: true, built: true},
	{dir: "media/evidence", imports: join([]string{"media/forward"}, bytesOf), pure: true, built: true},
	{dir: "media/forward", imports: bytesOf, pure: true, built: true},
	{dir: "sync/transcript", imports: events, pure: true, built: true},
	{dir: "sync/window", imports: events, pure: true, built: true},
	{dir: "sync/state", imports: events, pure: true, built: true},
	{dir: "sync/marker", imports: events, pure: true, built: true},
	{dir: "sync/timeline", imports: join(bytesOf, events), pure: true, built: true},
	{dir: "media/codec", imports: bytesOf, pure: true, built: true},
	{dir: "media/packet", pure: true, built: true},

	{dir: "web", built: true}, // the built pages and SDK, embedded

	// What checks the house stands outside of it.
	{dir: "internal/house", built: true},
	{dir: "internal/readme"},
	{dir: "tools", imports: []string{"internal/"}},
	{dir: "test", imports: []string{".", "bench/", "cmd/", "internal/", "media/", "signaling/", "sync/", "test/", "web"}},
	{dir: "bench", imports: []string{".", "bench/", "internal/", "media/", "signaling/", "sync/"}},
}

// roomOf returns the room that a directory belongs to: the one with its name, or
// the nearest above it.
func roomOf(dir string) (room, bool) {
	var best room
	for _, r := range rooms {
		within := dir == r.dir || r.dir != "." && strings.HasPrefix(dir, r.dir+"/")
		if within && len(r.dir) > len(best.dir) {
			best = r
		}
	}
	return best, best.dir != ""
}

// may reports whether r may import the package in the directory to.
func (r room) may(to string) bool {
	if to == r.dir || strings.HasPrefix(to, r.dir+"/") {
		return true
	}
	for _, dir := range r.imports {
		if to == dir || strings.HasPrefix(to, strings.TrimSuffix(dir, "/")+"/") && dir != "." {
			return true
		}
	}
	return false
}

func (r room) allowed() string {
	if len(r.imports) == 0 {
		return "nothing of this module"
	}
	return strings.Join(r.imports, ", ")
}

func join(lists ...[]string) []string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
