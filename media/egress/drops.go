package egress

// Drops counts what is not sent, by reason. Dropped must be safe for use from
// several goroutines.
type Drops interface {
	Dropped(reason string, n int)
}

// Reasons for drops.
const (
	DropShardBehind  = "shard_behind"     // packets: a shard could not keep up
	DropShardStalled = "shard_stalled"    // whole batches, and then the shard's viewers
	DropSend         = "send_error"       // packets that the socket refused
	DropNack         = "nack_over_budget" // packets asked for too often or too many
	DropFast         = "fast_channel_full"
	DropCongested    = "congested"        // packets of video that the viewer's path does not carry
	DropFeedback     = "feedback_rate"    // packets of RTCP: a viewer sends too many
	DropFeedbackBusy = "feedback_no_room" // what viewers say, to a shard that is far behind
)

// Reasons for drops of what viewers, or others, send to the endpoint.
const (
	DropStranger   = "stranger"      // datagrams from an address that has not proven itself
	DropCheck      = "check_refused" // connectivity checks that belong to no session
	DropFlood      = "flood"         // more than a viewer may send; nothing was decrypted
	DropGuest      = "guest_behind"  // datagrams for a guest of the port that does not keep up
	DropUnreadable = "unreadable"    // datagrams that do not decrypt, or are none of the protocol
)
