package journal

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// natsLog writes the embedded server's log to a slog.Logger, and ends the life of
// a server whose store has failed: JetStream does not answer a publish that it
// could not write, it only logs why.
type natsLog struct {
	log *slog.Logger
	l   *life
}

func (n natsLog) write(level slog.Level, format string, v ...any) string {
	text := fmt.Sprintf(format, v...)
	n.log.Log(context.Background(), level, "NATS", "text", text)
	return text
}

// Noticef implements server.Logger. Notices are for whoever runs a NATS server.
func (n natsLog) Noticef(format string, v ...any) { n.write(slog.LevelDebug, format, v...) }

// Debugf implements server.Logger.
func (n natsLog) Debugf(format string, v ...any) { n.write(slog.LevelDebug, format, v...) }

// Tracef implements server.Logger.
func (n natsLog) Tracef(format string, v ...any) { n.write(slog.LevelDebug, format, v...) }

// Warnf implements server.Logger.
func (n natsLog) Warnf(format string, v ...any) { n.write(slog.LevelWarn, format, v...) }

// Errorf implements server.Logger.
func (n natsLog) Errorf(format string, v ...any) {
	text := n.write(slog.LevelError, format, v...)
	for _, sign := range []string{"Critical write error", "failed to store a msg", "out of space", "will be DISABLED"} {
		if strings.Contains(text, sign) {
			n.l.end(fmt.Errorf("the store failed: %s", text))
		}
	}
}

// Fatalf implements server.Logger. The embedded server does not end the process;
// whoever started it sees that it is not ready, and why.
func (n natsLog) Fatalf(format string, v ...any) {
	n.l.end(fmt.Errorf("%s", n.write(slog.LevelError, format, v...)))
}
