package egress

import (
	"errors"
	"io"

	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
)

// streams are the SCTP streams of a session's data channels, by Channel (RFC 8832,
// section 6: they are negotiated by the protocol, and nothing is said to open them).
type streams [Fast + 1]*sctp.Stream

const (
	maxMessage    = 4 << 10  // bytes of a message that is taken from a viewer
	receiveWindow = 64 << 10 // bytes that a viewer can have on its way, of all channels
	maxPieces     = 64       // of messages that are not whole yet
	// maxSent is the largest message to a viewer: what a browser takes that does not
	// say more (RFC 8841, section 6.1).
	maxSent = 64 << 10
	// retransmission is how many milliseconds what was lost takes to be sent again. It
	// does not grow: a viewer that was away for a while gets its events soon after.
	retransmission = 1000
	// leastWindow is how many bytes may be under way to a viewer whatever was lost: without
	// it events wait for seconds on a path that loses every twentieth packet, because each
	// time-out leaves room for one packet (RFC 9260, section 7.2.3). It is what a few
	// hundred milliseconds of events take, and little beside the media.
	leastWindow = 32 << 10
)

// converse opens the data channels and reads what the viewer says, until the
// session ends.
func (t *Transport) converse(conn *dtls.Conn) error {
	a, err := sctp.ClientWithOptions(sctp.WithNetConn(conn), sctp.WithLoggerFactory(t.endpoint.logs),
		sctp.WithMaxReceiveBufferSize(receiveWindow), sctp.WithMaxReassemblyQueueEntries(maxPieces), sctp.WithMaxMessageSize(maxSent), sctp.WithRTOMax(retransmission),
		sctp.WithMinCwnd(leastWindow))
	if err != nil {
		if errors.Is(err, sctp.ErrAssociationClosedBeforeConn) {
			return nil // the viewer left
		}
		return err
	}
	defer a.Close()
	open := &streams{}
	for _, c := range []Channel{Events, Actions, Fast} {
		// A stream that the viewer was first to use is the same one.
		if open[c], err = a.OpenStream(uint16(c), sctp.PayloadTypeWebRTCString); err != nil {
			return nil // the viewer left
		}
	}
	open[Fast].SetReliabilityParams(true, sctp.ReliabilityTypeRexmit, 0)
	open[Events].SetBufferedAmountLowThreshold(channelLow)
	open[Events].OnBufferedAmountLow(t.feedback.ChannelLow)
	t.channels.Store(open)
	t.feedback.ChannelOpen()
	t.running.Go(func() { t.refuseOthers(a) })
	return t.listen(open[Actions])
}

// refuseOthers ends the session if the viewer opens a channel of its own.
func (t *Transport) refuseOthers(a *sctp.Association) {
	for {
		s, err := a.AcceptStream()
		if err != nil {
			return
		}
		switch Channel(s.StreamIdentifier()) {
		case Events, Actions, Fast:
		default:
			t.end("channel_not_of_the_protocol")
		}
	}
}

// listen hands on the messages of the actions channel.
func (t *Transport) listen(s *sctp.Stream) error {
	b := make([]byte, maxMessage)
	for {
		n, kind, err := s.ReadSCTP(b)
		switch {
		case errors.Is(err, io.ErrShortBuffer):
			return &endError{"message_too_large", err}
		case errors.Is(err, io.EOF) && s.State() != sctp.StreamStateClosed:
			return &endError{"channel_closed", err}
		case err != nil:
			return nil
		}
		if kind == sctp.PayloadTypeWebRTCString || kind == sctp.PayloadTypeWebRTCBinary {
			t.feedback.Message(b[:n])
		}
	}
}
