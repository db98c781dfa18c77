package sdp

import (
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
)

// served says of each m-line whether the relay can serve it. A viewer has one
// transport: what shares it is a BUNDLE group of the offer (RFC 9143, section 7.3),
// and a viewer that bundles nothing, or not everything, is served one group or one
// m-line alone. That is the one with the first video that the viewer can receive,
// or else audio, or else data channels. bundle reports whether it is a group.
func (d description) served() (sections []bool, bundle bool) {
	sections = make([]bool, len(d.MediaDescriptions))
	main := d.mainSection()
	for _, members := range d.bundles() {
		if !slices.Contains(members, main) {
			continue
		}
		for _, i := range members {
			sections[i] = true
		}
		return sections, true
	}
	sections[main] = true
	return sections, false
}

// mainSection returns the m-line that matters most to a viewer: its first video, or
// else audio, or else data channels, or else the first that is not rejected.
func (d description) mainSection() int {
	for _, kind := range []string{"video", "audio", "application", ""} {
		for i, m := range d.MediaDescriptions {
			fits := m.MediaName.Media == kind && (kind == "application" || d.receives(i))
			if (fits || kind == "") && !d.rejected(i) {
				return i
			}
		}
	}
	return 0
}

// bundles returns the m-lines of each BUNDLE group, in the order of the m-lines.
func (d description) bundles() [][]int {
	var groups [][]int
	for _, a := range d.Attributes {
		kind, members, _ := strings.Cut(a.Value, " ")
		if a.Key != sdp.AttrKeyGroup || kind != "BUNDLE" {
			continue
		}
		var sections []int
		for i, m := range d.MediaDescriptions {
			if mid, ok := m.Attribute(sdp.AttrKeyMID); ok && mid != "" && slices.Contains(strings.Fields(members), mid) {
				sections = append(sections, i)
			}
		}
		groups = append(groups, sections)
	}
	return groups
}
