package journal

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrFenced means that another owner has taken the stream since: nothing that
	// this one appends is stored any more, and it must open the journal anew.
	ErrFenced = errors.New("another owner has taken the journal")
	// ErrUnavailable means that nothing can be said to be durable now: the disk is
	// full or failed, or the cluster cannot be reached. The same call later either
	// stores the record or finds that it was stored; never twice.
	ErrUnavailable = errors.New("the journal cannot be written")
	// ErrPeople means that the journal was written with another key of pseudonyms.
	ErrPeople = errors.New("the journal knows people by other pseudonyms")
	// ErrDamaged means that lines are missing or unreadable that were durable.
	ErrDamaged = errors.New("the journal is damaged")
)

// unavailable says what is the matter; it is ErrUnavailable, and the cause.
func unavailable(cause error) error {
	if errors.Is(cause, ErrUnavailable) || errors.Is(cause, context.Canceled) {
		return cause
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}
