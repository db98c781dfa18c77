// Package readme finds the commands and programs in a Markdown page that its test
// runs, so that what the README tells people to type is known to work.
package readme

import (
	"fmt"
	"regexp"
	"strings"
)

// Block is one fenced block of code. The comment `<!-- check: NAME -->` on the line
// before the fence says how the block is checked.
type Block struct {
	Line     int // of the opening fence
	Language string
	Check    string // NAME, or "" without a comment
	Text     string
}

var checkComment = regexp.MustCompile(`^<!-- check: ([a-z][a-z-]*) -->$`)

// Blocks returns the fenced blocks of a Markdown page, in order. It reports a block
// that does not end.
func Blocks(page string) ([]Block, error) {
	var blocks []Block
	var open *Block
	check := ""
	line := 0
	for text := range strings.Lines(page) {
		line++
		trimmed := strings.TrimSpace(text)
		switch {
		case open != nil && trimmed == "```":
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.Text += text
		case strings.HasPrefix(trimmed, "```"):
			open = &Block{Line: line, Language: strings.TrimPrefix(trimmed, "```"), Check: check}
		}
		check = ""
		if m := checkComment.FindStringSubmatch(trimmed); m != nil && open == nil {
			check = m[1]
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block does not end", open.Line)
	}
	return blocks, nil
}

// Runnable reports whether readers will take the block for something to run, so
// that it needs a check.
func (b Block) Runnable() bool {
	switch b.Language {
	case "sh", "bash", "console", "go", "html", "js", "ts", "yaml":
		return true
	}
	return false
}
