package transcript

import (
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

// checkpoint checks one of the export's own: signature, size and root.
func (v *verifier) checkpoint(line []byte) {
	var l noteLine
	if !v.decode(line, &l) {
		return
	}
	if v.key == "" {
		return // the header's finding says it
	}
	c, err := OpenCheckpoint([]byte(l.Note), v.origin, v.key)
	if err != nil {
		v.found(CodeSignature, "a checkpoint is not signed by the key in force", v.key, err.Error())
		return
	}
	v.report.Checkpoints++
	if c.Size < v.covered || c.Size > v.tree.Size() {
		v.found(CodeSize, "a checkpoint's size is out of order", fmt.Sprintf("%d to %d events", v.covered, v.tree.Size()), fmt.Sprintf("%d events", c.Size))
		return
	}
	v.signed(v.key)
	switch n := c.Size - v.covered; {
	case n > 0:
		root := v.roots[n-1]
		if root != c.Root && !v.forked {
			v.forked = true
			v.found(CodeRoot, fmt.Sprintf("events from line %d on are not those that were signed, within the first %d", v.first, c.Size),
				"root "+c.Root.String(), "root "+root.String())
		}
		v.roots, v.root = v.roots[n:], root
		v.covered, v.first = c.Size, 0
		v.report.Covered = c.Size
	case v.root != c.Root && !v.forked:
		v.found(CodeRoot, fmt.Sprintf("the first %d events were signed again, as others", c.Size), "root "+c.Root.String(), "root "+v.root.String())
	}
	for len(v.next) > 0 && v.next[0].index < c.Size {
		v.key, v.next = v.next[0].key, v.next[1:]
		v.named = append(v.named, v.key)
	}
}

// signed notes that the key in force has signed something. Being named in the log is
// not enough: whoever forges one can name any key.
func (v *verifier) signed(key string) {
	if !slices.Contains(v.report.Keys, key) {
		v.report.Keys = append(v.report.Keys, key)
	}
}

// end checks what can only be told at the end: the seal's absence, the keys and what
// was kept elsewhere.
func (v *verifier) end() {
	v.report.Root = v.tree.Root()
	if v.report.Lines == 0 {
		v.found(CodeTruncated, "the export is empty", "a header", "nothing")
		return
	}
	if !v.sealed {
		v.report.add(Finding{Code: CodeTruncated, What: "the export has no seal: its end is missing", Expected: "a seal as the last line", Found: fmt.Sprintf("%d lines without one", v.report.Lines)})
	}
	for _, k := range v.kept.Keys {
		if slices.Contains(v.report.Keys, k) {
			v.report.Trusted = true
			continue
		}
		if len(v.report.Keys) == 0 && slices.Contains(v.named, k) {
			continue // nothing is signed, which the seal's finding says
		}
		v.report.add(Finding{Code: CodeKey, What: "a trusted key is none of those that signed this log", Expected: k, Found: fmt.Sprint(v.report.Keys)})
	}
	v.keptCheckpoints()
	v.keptReceipts()
}

// keptCheckpoints compares the log with the checkpoints that others kept, and those
// with one another. A signed one that is not of this history proves that the holder
// of the key showed two.
func (v *verifier) keptCheckpoints() {
	type shown struct {
		name string
		root Hash
	}
	seen := make(map[uint64]shown)
	for _, k := range v.kept.Checkpoints {
		add := func(code Code, what, expected, found string) {
			v.report.add(Finding{Kept: k.Name, Code: code, What: what, Expected: expected, Found: found})
		}
		c, err := v.openKept(k.Note)
		if err != nil {
			add(CodeUnusable, "a kept checkpoint is not one of this log", "a note signed by one of its keys", err.Error())
			continue
		}
		agrees := true
		if other, ok := seen[c.Size]; ok && other.root != c.Root {
			agrees = false
			add(CodeFork, fmt.Sprintf("two histories of %d events were signed", c.Size), fmt.Sprintf("root %v, as %s has it", other.root, other.name), "root "+c.Root.String())
		} else if !ok {
			seen[c.Size] = shown{k.Name, c.Root}
		}
		root, ok := v.atSizes[c.Size]
		switch {
		case !ok:
			agrees = false
			add(CodeShorter, "the export lacks events that were signed", fmt.Sprintf("%d events or more", c.Size), fmt.Sprintf("%d events", v.tree.Size()))
		case root != c.Root:
			agrees = false
			add(CodeFork, fmt.Sprintf("the first %d events are not those that were signed and shown", c.Size), "root "+c.Root.String(), "root "+root.String())
		}
		if agrees {
			v.report.KeptCheckpoints++
		}
	}
}

// openKept opens a kept checkpoint with any of the keys that the log names or the
// auditor has.
func (v *verifier) openKept(signed string) (Opened, error) {
	var keys []string
	for _, k := range append(slices.Clone(v.named), v.kept.Keys...) {
		if key, err := ParseKey(k); err == nil && key.Name() == v.origin {
			keys = append(keys, k)
		}
	}
	return OpenCheckpoint([]byte(signed), v.origin, keys...)
}

// unsigned reads a checkpoint without looking at its signatures.
func unsigned(signed string) (Checkpoint, error) {
	_, err := note.Open([]byte(signed), nil)
	if unverified, ok := err.(*note.UnverifiedNoteError); ok {
		return ParseCheckpoint(unverified.Note.Text)
	}
	return Checkpoint{}, err
}
