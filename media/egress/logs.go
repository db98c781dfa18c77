package egress

import (
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// pionLogs hands pion's logs to slog, one level quieter: what pion warns of is
// seldom the relay's trouble.
type pionLogs struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (l pionLogs) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{l.log.With("pion", scope)}
}

type pionLog struct{ log *slog.Logger }

func (l pionLog) Trace(string)          {}
func (l pionLog) Tracef(string, ...any) {}
func (l pionLog) Debug(string)          {}
func (l pionLog) Debugf(string, ...any) {}
func (l pionLog) Info(string)           {}
func (l pionLog) Infof(string, ...any)  {}

func (l pionLog) Warn(m string)             { l.log.Debug(m) }
func (l pionLog) Warnf(f string, a ...any)  { l.log.Debug(fmt.Sprintf(f, a...)) }
func (l pionLog) Error(m string)            { l.log.Warn(m) }
func (l pionLog) Errorf(f string, a ...any) { l.log.Warn(fmt.Sprintf(f, a...)) }
