package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/framelock/relay"
)

func newConfigCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Make and check configuration files",
	}
	group(cmd)
	cmd.AddCommand(newConfigInitCmd(), newConfigCheckCmd())
	return cmd
}

func newConfigInitCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Print a configuration file that explains every key",
		Long: `Print a configuration file to start from: every key with its default and what
it means, and one stream that takes RTP on this machine.`,
		Example: `  relay config init > relay.yaml
  relay config init --out relay.yaml     # does not overwrite`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				_, err := io.WriteString(cmd.OutOrStdout(), relay.ConfigTemplate())
				return err
			}
			return writeNew(file, relay.ConfigTemplate(), 0o644)
		},
	}
	cmd.Flags().StringVar(&file, "out", "", "write to this file, which must not be there yet")
	return cmd
}

func newConfigCheckCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Say what is wrong with a configuration file",
		Long: `Read a configuration file just as serve does, environment included, and print
everything that is wrong with it: file and line, key, value, and what is allowed.
No socket is opened. -c - reads standard input.`,
		Example: `  relay config check -c relay.yaml
  relay config init | relay config check -c -`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("which file? Name it with -c FILE")
			}
			cfg, err := readConfig(file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if _, err := relay.New(*cfg); err != nil {
				return err
			}
			noun := "streams"
			if len(cfg.Streams) == 1 {
				noun = "stream"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is fine: %d %s\n", file, len(cfg.Streams), noun)
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "the configuration file")
	return cmd
}

// readConfig reads the named file, or standard input if it is "-".
func readConfig(file string, stdin io.Reader) (*relay.Config, error) {
	if file != "-" {
		return relay.LoadConfig(file, os.Environ())
	}
	text, err := io.ReadAll(stdin)
	if err != nil {
		return nil, err
	}
	return relay.ReadConfig("stdin", text, os.Environ())
}

// writeNew writes a file that must not be there yet.
func writeNew(name, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; remove it first, or choose another name", name)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}
