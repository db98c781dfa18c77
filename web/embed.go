// Package web holds the built viewer SDK, the <framelock-player> element and the
// demo page, as committed in dist. `npm run build` in this folder rebuilds them.
package web

import (
	"embed"
	"io/fs"
)

//go:embed dist
var dist embed.FS

// FS returns the built files. Names are URL paths without the leading slash:
// index.html is the demo page at "/", and what is under sdk/ is served at
// "/sdk/". http.FileServerFS(web.FS()) serves both.
func FS() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a constant, valid path
	}
	return sub
}
