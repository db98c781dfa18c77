package relay

import "testing"

// FuzzReadConfig: whatever a file holds, it is either refused or a configuration
// that can be judged, and the same text always gives the same answer.
func FuzzReadConfig(f *testing.F) {
	f.Add(ConfigTemplate())
	f.Add("streams: &s {w: {<<: *s}}")
	f.Add("auth: {tokens: [{file: a, scopes: [mark]}]}")
	f.Add("media: {playout_delay: {min: 10ms, max: 1s}, public_ips: ['::ffff:192.0.2.1']}")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		c, err := ReadConfig("relay.yaml", []byte(text), nil)
		again, errAgain := ReadConfig("relay.yaml", []byte(text), nil)
		if (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("first %v, then %v", err, errAgain)
		}
		if err == nil {
			if a, b := c.Validate(), again.Validate(); (a == nil) != (b == nil) {
				t.Fatalf("first %v, then %v", a, b)
			}
		}
	})
}
