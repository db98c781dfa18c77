package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// FirefoxReport is what page/firefox.html or page/selftest.html posts.
type FirefoxReport struct {
	Page     PageLog     `json:"page"`
	Browser  Instruments `json:"browser"`
	Selftest *Selftest   `json:"selftest"`
}

// fired counts the events that were drawn.
func (r *FirefoxReport) fired() int {
	n := 0
	for _, d := range r.Page.Drawn {
		n += len(d.Fired)
	}
	return n
}

// ReportingProxy stands in front of a relay for a browser that nobody drives: it
// adds the pages of the tests to the relay's own origin, and takes the reports
// that they post.
type ReportingProxy struct {
	*httptest.Server
	Reports chan FirefoxReport // the newest replaces one that was not taken
	orders  atomic.Pointer[FirefoxOrders]
}

// FirefoxOrders is what a page is to do: it asks every second.
type FirefoxOrders struct {
	Report  bool `json:"report"`  // post what was noted so far
	StallMS int  `json:"stallMs"` // block the main thread for so long in every paint
}

// Order tells the page what to do from now on.
func (p *ReportingProxy) Order(o FirefoxOrders) { p.orders.Store(&o) }

// NewReportingProxy starts a proxy that passes what is not for itself on to relay.
func NewReportingProxy(relay http.Handler, pages string) *ReportingProxy {
	p := &ReportingProxy{Reports: make(chan FirefoxReport, 1)}
	p.Order(FirefoxOrders{Report: true})
	mux := http.NewServeMux()
	mux.Handle("/", relay)
	files := http.StripPrefix("/e2e/", http.FileServer(http.Dir(pages)))
	mux.HandleFunc("/e2e/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".mjs") {
			w.Header().Set("Content-Type", "text/javascript")
		}
		files.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /e2e/orders", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(p.orders.Load()) // a page that has gone needs none
	})
	mux.HandleFunc("POST /e2e/report", func(w http.ResponseWriter, r *http.Request) {
		var report FirefoxReport
		if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case <-p.Reports:
		default:
		}
		select {
		case p.Reports <- report:
		default: // another one was quicker
		}
	})
	p.Server = httptest.NewServer(mux)
	return p
}

// firefoxPreferences make a fresh profile play without a person, and stay quiet.
var firefoxPreferences = map[string]any{
	"media.autoplay.default":                            0, // allow sound
	"media.autoplay.blocking_policy":                    0,
	"media.peerconnection.ice.loopback":                 true,
	"media.peerconnection.ice.obfuscate_host_addresses": false,
	"browser.shell.checkDefaultBrowser":                 false,
	"browser.startup.homepage_override.mstone":          "ignore",
	"datareporting.policy.dataSubmissionEnabled":        false,
	"toolkit.telemetry.reportingpolicy.firstRun":        false,
	"app.update.enabled":                                false,
	"app.normandy.enabled":                              false,
	"extensions.update.enabled":                         false,
	"network.captive-portal-service.enabled":            false,
	"network.connectivity-service.enabled":              false,
	"browser.safebrowsing.downloads.remote.enabled":     false,
}

// FirefoxProfile makes a profile in a folder and returns its path.
func FirefoxProfile(dir string) (string, error) {
	profile := filepath.Join(dir, "firefox-profile")
	if err := os.MkdirAll(profile, 0o755); err != nil {
		return "", err
	}
	var prefs strings.Builder
	for name, value := range firefoxPreferences {
		b, err := json.Marshal(value)
		if err != nil {
			return "", err
		}
		prefs.WriteString(`user_pref("` + name + `", ` + string(b) + ");\n")
	}
	return profile, os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs.String()), 0o644)
}
