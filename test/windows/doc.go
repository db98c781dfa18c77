// Package windows tests windows, actions and the journal on the real thing: relays
// with a disk, in this process or in one that can be killed, studios that send RTP,
// viewers with WebRTC sessions.
//
// The tests run only if the environment variable WINDOWS is set: to 1 for the short
// cases of `make test`, to full for the long ones of `make e2e`. What was accepted is
// what the export of the transcript says, and the receipts that people hold in their
// hands; the relay's own word is not asked for.
//
// Times are reported and not required: the machine may have other things to do.
//
// The viewers of bench/load need Linux, and so do the tests.
package windows
