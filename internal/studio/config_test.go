package studio

import (
	"errors"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		field  string
		change func(*Config)
	}{
		{"Codec", func(c *Config) { c.Codec = "h265" }},
		{"Clip", func(c *Config) { c.Clip = "4k" }},
		{"Clip", func(c *Config) { c.Codec, c.Clip = "vp8", "1080p60" }},
		{"FPS", func(c *Config) { c.FPS = 121 }},
		{"FPS", func(c *Config) { c.FPS = -1 }},
		{"PacketSize", func(c *Config) { c.PacketSize = 199 }},
		{"PacketSize", func(c *Config) { c.PacketSize = 1461 }},
		{"CNAME", func(c *Config) { c.CNAME = "" }},
		{"Impair.Loss", func(c *Config) { c.Impair.Loss = 1.5 }},
		{"Impair.Duplicate", func(c *Config) { c.Impair.Duplicate = -1 }},
		{"Impair.Reorder", func(c *Config) { c.Impair.Reorder = 2 }},
		{"Video.To", func(c *Config) { c.Video.To = "" }},
		{"Video.To", func(c *Config) { c.Video.To = ":5004" }},
		{"Video.To", func(c *Config) { c.Video.To = "host:0" }},
		{"Video.To", func(c *Config) { c.Video.To = "host:65535" }},
		{"Video.Local", func(c *Config) { c.Video.Local = "host:port" }},
		{"Video.PayloadType", func(c *Config) { c.Video.PayloadType = 95 }},
		{"Audio.To", func(c *Config) { c.Audio.To = "nowhere" }},
		{"Audio.SSRC", func(c *Config) { c.Audio.SSRC = c.Video.SSRC }},
		{"Audio.PayloadType", func(c *Config) { c.Audio.PayloadType = 96 }},
	} {
		cfg := testConfig(newWire())
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		c.change(&cfg)
		var field *FieldError
		if err := cfg.Validate(); !errors.As(err, &field) || field.Field != c.field || field.Allowed == "" {
			t.Errorf("%s: %v", c.field, err)
		}
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: New took a bad value", c.field)
		}
	}
	mux := testConfig(newWire())
	mux.RTCPMux, mux.Video.To, mux.Audio.To = true, "host:65535", ""
	if err := mux.Validate(); err != nil {
		t.Errorf("the last port is free for RTP with RTCP on it: %v", err)
	}
}

func TestSDP(t *testing.T) {
	c := testConfig(newWire())
	c.Video.To, c.Audio.To = "192.0.2.1:5004", "[2001:db8::1]:5006"
	text, err := SDP(c)
	if err != nil {
		t.Fatal(err)
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(d.MediaDescriptions) != 2 || d.MediaDescriptions[0].MediaName.Port.Value != 5004 ||
		d.MediaDescriptions[1].ConnectionInformation.Address.Address != "2001:db8::1" {
		t.Errorf("not the destinations:\n%s", text)
	}
	got, err := d.GetCodecForPayloadType(96)
	if err != nil || got.Name != "H264" || got.ClockRate != 90000 ||
		!strings.Contains(got.Fmtp, "packetization-mode=1;profile-level-id=42e01e;sprop-parameter-sets=") {
		t.Errorf("video: %+v, %v", got, err)
	}
	if got, err = d.GetCodecForPayloadType(111); err != nil || got.Name != "opus" || got.ClockRate != 48000 || got.EncodingParameters != "2" {
		t.Errorf("audio: %+v, %v", got, err)
	}
	c.Codec, c.Audio.To, c.RTCPMux = "VP8", "", true
	if text, err = SDP(c); err != nil || strings.Contains(text, "audio") || strings.Contains(text, "fmtp") ||
		!strings.Contains(text, "a=rtpmap:96 VP8/90000\r\na=rtcp-mux\r\n") {
		t.Errorf("VP8 alone: %v\n%s", err, text)
	}
}
