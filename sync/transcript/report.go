package transcript

import (
	"fmt"

	"github.com/framelock/relay/sync/marker"
)

// Code names a kind of finding. docs/transcript.md says what each means.
type Code string

// The kinds of findings.
const (
	CodeFormat     Code = "format"      // a line that an export cannot have, or in the wrong place
	CodeTruncated  Code = "truncated"   // the export ends before its seal
	CodeSeal       Code = "seal"        // the export is not the one that was sealed
	CodeKey        Code = "key"         // the keys are not the ones that the auditor trusts
	CodeSignature  Code = "signature"   // a checkpoint is not signed by the key in force
	CodeRoot       Code = "root"        // a checkpoint's root is not that of the events
	CodeSize       Code = "size"        // a checkpoint's size is out of order
	CodeIdentity   Code = "identity"    // a line is of another stream or log
	CodeSeq        Code = "seq"         // seq numbers do not follow one another
	CodeLease      Code = "lease"       // a seq outside of what was leased, or a lease out of order
	CodeOwner      Code = "owner"       // an owner's term out of order
	CodeWindow     Code = "window"      // a window event that the rules forbid, or whose sums are wrong
	CodeOrder      Code = "order"       // actions are not numbered one after another
	CodeVerdict    Code = "verdict"     // an action's verdict is not the one that its facts give
	CodePayload    Code = "payload"     // a payload is not the one that was committed to
	CodeFrameHash  Code = "frame_hash"  // a frame hash is not that of the recording, or of no event
	CodeFork       Code = "fork"        // a viewer kept a signed checkpoint of another history
	CodeShorter    Code = "shorter"     // a viewer kept a signed checkpoint of more events
	CodeReceipt    Code = "receipt"     // a viewer's receipt says something else than the action
	CodeLostAction Code = "lost_action" // a viewer has a receipt for an action that is not there
	CodeUnusable   Code = "unusable"    // kept evidence that proves nothing
)

// Finding is one thing that is wrong.
type Finding struct {
	Line     int    `json:"line"`           // of the export, from 1; 0 where it is about the whole
	Kept     string `json:"kept,omitempty"` // name of the kept checkpoint or receipt that shows it
	Code     Code   `json:"code"`
	What     string `json:"what"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// String returns the finding on one line.
func (f Finding) String() string {
	where := "export"
	if f.Line > 0 {
		where = fmt.Sprintf("line %d", f.Line)
	}
	if f.Kept != "" {
		where += ", " + f.Kept
	}
	return fmt.Sprintf("%s: %s: %s; expected %s, found %s", where, f.Code, f.What, f.Expected, f.Found)
}

// MaxFindings is how many findings a report lists; more are counted.
const MaxFindings = 200

// Report is what Verify found out.
type Report struct {
	Stream string       `json:"stream"`
	Log    marker.LogID `json:"log"`
	Keys   []string     `json:"keys"` // that signed a checkpoint or the seal, in order
	// Trusted says that one of Keys was given by the auditor. If not, all that is
	// shown is that whoever holds the export's own key signed it.
	Trusted bool `json:"trusted"`

	Lines       int    `json:"lines"`
	Events      uint64 `json:"events"`
	Root        Hash   `json:"root"`
	Seq         uint64 `json:"seq"`     // of the last event
	Covered     uint64 `json:"covered"` // events that the newest checkpoint covers
	Checkpoints int    `json:"checkpoints"`
	Recovered   int    `json:"recovered"` // gaps in seq that a crash explains

	Windows  int    `json:"windows"` // opened
	Accepted uint64 `json:"accepted"`
	Rejected uint64 `json:"rejected"`
	Payloads uint64 `json:"payloads"` // checked; those of other actions are erased or left out

	FrameHashes   int `json:"frame_hashes"`   // in the log
	FramesChecked int `json:"frames_checked"` // of them, found in the recording

	KeptCheckpoints int `json:"kept_checkpoints"` // that agree
	KeptReceipts    int `json:"kept_receipts"`    // that agree

	Findings []Finding `json:"findings"` // at most MaxFindings
	Found    int       `json:"found"`    // all findings
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return r.Found == 0 }

func (r *Report) add(f Finding) {
	r.Found++
	if len(r.Findings) < MaxFindings {
		r.Findings = append(r.Findings, f)
	}
}
