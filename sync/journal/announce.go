package journal

import (
	"strconv"

	"github.com/nats-io/nats.go"
)

// PositionHeader is the NATS header with a line's position in the journal.
const PositionHeader = "Framelock-Position"

// Announce publishes a line that is durable to whoever listens in the cluster, on the
// subject framelock.out.<stream>.<kind>, dots in the stream's name as tildes. It does not
// wait, and nobody is told twice: who was away reads the journal from the position
// that it knows. An embedded server has no listeners.
func (j *Journal) Announce(kind string, pos uint64, line []byte) {
	j.s.mu.Lock()
	l := j.s.life
	j.s.mu.Unlock()
	if j.s.o.URL == "" || l == nil {
		return
	}
	m := nats.NewMsg("framelock.out." + j.name[len("framelock-"):] + "." + kind)
	m.Header.Set(PositionHeader, strconv.FormatUint(pos, 10))
	m.Data = line
	_ = l.conn.PublishMsg(m) // fails while the cluster cannot be reached
}
