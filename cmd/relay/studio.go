package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/framelock/relay/internal/studio"
)

// studioFlags are the flags that are not the studio's configuration itself.
type studioFlags struct {
	ssrc, seq, timestamp uint32
	tone                 bool
	logFile, sdpFile     string
	commands             bool
}

func newStudioCmd(g *globalFlags) *cobra.Command {
	cfg := studio.Default()
	var flags studioFlags
	cmd := &cobra.Command{
		Use:   "studio",
		Short: "Send a roulette wheel as RTP, as a studio's encoder would",
		Long: `Send a clip of a roulette wheel as RTP over UDP, with sender reports, in place of
a camera and an encoder. Every picture holds its frame number as a bar code, and
--log writes down what was sent, so that what viewers see can be checked.

Without flags it sends to where a relay listens that runs with the file of
relay config init.`,
		Example: `  relay studio --tone
  relay studio --codec vp8 --to 127.0.0.1:5004 --audio-to 127.0.0.1:5006 --log studio.log
  relay studio --sdp wheel.sdp --frames 3000     # writes the SDP, then sends
  relay studio --sdp -                           # prints the SDP and ends
  relay studio --timestamp 4294900000 --seq 65500 --loss 0.01`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			logger, err := g.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := flags.complete(cmd.Flags(), &cfg); err != nil {
				return err
			}
			if err := cfg.Validate(); err != nil {
				return studioUsage(err)
			}
			return flags.run(cmd, cfg, logger)
		},
	}
	flags.add(cmd.Flags(), &cfg)
	return cmd
}

func (s *studioFlags) add(f *pflag.FlagSet, cfg *studio.Config) {
	f.StringVar(&cfg.Codec, "codec", cfg.Codec, "h264 or vp8")
	f.StringVar(&cfg.Clip, "clip", cfg.Clip, "the picture: 360p30, or 1080p60 with h264")
	f.IntVar(&cfg.FPS, "fps", 0, "frames a second (default: the clip's own)")
	f.StringVar(&cfg.Video.To, "to", "127.0.0.1:5004", "where to send the video, HOST:PORT; its RTCP goes to the next port")
	f.StringVar(&cfg.Audio.To, "audio-to", "", "where to send a tone in Opus, HOST:PORT (default: no sound)")
	f.BoolVar(&s.tone, "tone", false, "send a tone, two ports above the video if there is no --audio-to")
	f.StringVar(&cfg.Video.Local, "from", "", "where to send the video from, HOST:PORT (default: any)")
	f.Uint8Var(&cfg.Video.PayloadType, "payload-type", cfg.Video.PayloadType, "RTP payload type of the video")
	f.Uint8Var(&cfg.Audio.PayloadType, "audio-payload-type", cfg.Audio.PayloadType, "RTP payload type of the tone")
	f.Uint32Var(&s.ssrc, "ssrc", 0, "SSRC of the video (default: random)")
	f.Uint32Var(&s.seq, "seq", 0, "first sequence number of the video, 0 to 65535 (default: random)")
	f.Uint32Var(&s.timestamp, "timestamp", 0, "first RTP timestamp of the video (default: random)")
	f.Uint32Var(&cfg.StartFrame, "start-frame", 0, "number of the first frame, rounded up to a keyframe")
	f.Uint64Var(&cfg.Frames, "frames", 0, "stop after this many frames (default: never; the clip repeats)")
	f.IntVar(&cfg.PacketSize, "packet-size", cfg.PacketSize, "largest RTP packet in bytes; up to 1150 leaves room for a marker on each")
	f.BoolVar(&cfg.RTCPMux, "rtcp-mux", false, "send RTCP to the RTP port")
	f.BoolVar(&cfg.SenderReports, "sender-reports", cfg.SenderReports, "send RTCP sender reports, which say when frames were captured")
	f.BoolVar(&cfg.ObeyPLI, "obey-pli", false, "answer a PLI with a keyframe, by skipping to the clip's next one")
	f.DurationVar(&cfg.EncoderDelay, "encoder-delay", 0, "how much too late the sender reports say that frames were captured, -2s to 2s")
	f.BoolVar(&cfg.SDPParameterSets, "sdp-parameter-sets", false, "leave H.264 parameter sets to the SDP")
	f.BoolVar(&cfg.SEITimes, "sei-times", false, "write each frame's timecode and capture time into the H.264 stream (SEI)")
	f.Float64Var(&cfg.Impair.Loss, "loss", 0, "part of the packets to lose, 0 to 1")
	f.Float64Var(&cfg.Impair.Duplicate, "duplicate", 0, "part of the packets to send twice, 0 to 1")
	f.Float64Var(&cfg.Impair.Reorder, "reorder", 0, "part of the packets to send after the next one, 0 to 1")
	f.Uint64Var(&cfg.Impair.Seed, "seed", 0, "the same seed damages the same packets")
	f.StringVar(&s.logFile, "log", "", "write one line of JSON for each frame to this file; - for standard output")
	f.StringVar(&s.sdpFile, "sdp", "", "write the SDP to this file before sending; - prints it and ends")
	f.BoolVar(&s.commands, "stdin-commands", false, `obey "pause", "resume" and "jump 10s" on standard input, and end with it`)
	if err := f.MarkHidden("stdin-commands"); err != nil {
		panic(err) // the flag was added on the line before
	}
}

// complete puts the flags into the configuration that are not part of it.
func (s *studioFlags) complete(f *pflag.FlagSet, cfg *studio.Config) error {
	if s.seq > 65535 {
		return usagef("--seq %d is out of range (allowed: 0 to 65535)", s.seq)
	}
	if f.Changed("ssrc") {
		cfg.Video.SSRC = s.ssrc
	}
	if f.Changed("seq") {
		cfg.Video.Seq = uint16(s.seq)
	}
	if f.Changed("timestamp") {
		cfg.Video.Timestamp = s.timestamp
	}
	if s.tone && cfg.Audio.To == "" {
		host, text, err := net.SplitHostPort(cfg.Video.To)
		port, portErr := strconv.ParseUint(text, 10, 16)
		if err != nil || portErr != nil || port > 65533 {
			return usagef("--to %q has no port two below another, for --tone; say where with --audio-to", cfg.Video.To)
		}
		cfg.Audio.To = net.JoinHostPort(host, strconv.FormatUint(port+2, 10))
	}
	return nil
}

// run writes the SDP and plays a valid configuration.
func (s *studioFlags) run(cmd *cobra.Command, cfg studio.Config, logger *slog.Logger) (err error) {
	if s.sdpFile != "" {
		description, err := studio.SDP(cfg)
		if err != nil {
			return err
		}
		if s.sdpFile == "-" {
			_, err := io.WriteString(cmd.OutOrStdout(), description)
			return err
		}
		if err := os.WriteFile(s.sdpFile, []byte(description), 0o644); err != nil {
			return err
		}
	}
	switch s.logFile {
	case "":
	case "-":
		cfg.Log = cmd.OutOrStdout()
	default:
		file, err := os.Create(s.logFile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		cfg.Log = file
	}
	player, err := studio.New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if s.commands {
		go func() {
			obey(cmd.InOrStdin(), player, logger)
			cancel()
		}()
	}
	if err = player.Run(ctx); errors.Is(err, context.Canceled) {
		err = nil // ended before it had begun
	}
	logger.Debug("the studio has ended", "sent", player.Stats())
	return err
}

// obey carries out commands, one a line, until there are no more.
func obey(in io.Reader, player *studio.Studio, logger *slog.Logger) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		command, argument, _ := strings.Cut(lines.Text(), " ")
		jump, err := time.ParseDuration(argument)
		switch {
		case command == "pause":
			player.SetPaused(true)
		case command == "resume":
			player.SetPaused(false)
		case command == "jump" && err == nil:
			player.Jump(jump)
		default:
			logger.Warn("unknown command on standard input", "command", lines.Text(), "allowed", "pause, resume, jump 10s")
		}
	}
}

// studioUsage names the flag of a setting that is not allowed.
func studioUsage(err error) error {
	var field *studio.FieldError
	if !errors.As(err, &field) {
		return err
	}
	flag, ok := map[string]string{
		"Video.To": "to", "Video.Local": "from", "Video.PayloadType": "payload-type", "Audio.To": "audio-to",
		"Audio.PayloadType": "audio-payload-type", "Audio.SSRC": "ssrc", "EncoderDelay": "encoder-delay", "PacketSize": "packet-size",
		"Impair.Loss": "loss", "Impair.Duplicate": "duplicate", "Impair.Reorder": "reorder",
		"SEITimes": "sei-times",
	}[field.Field]
	if !ok {
		flag = strings.ToLower(field.Field)
	}
	return usagef("--%s %q is not allowed (allowed: %s)", flag, fmt.Sprint(field.Value), field.Allowed)
}
