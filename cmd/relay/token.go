package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/framelock/relay"
)

// tokenBytes is the randomness of a token.
const tokenBytes = 32

func newTokenCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make the tokens that game servers, viewers and operators show",
	}
	group(cmd)
	cmd.AddCommand(newTokenCreateCmd())
	return cmd
}

func newTokenCreateCmd() *cobra.Command {
	var name, file string
	var scopes, streams []string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a random token",
		Long: `Make a random token and print it, or write it to a file that only its owner can
read. The configuration entry that lets the relay accept it goes to standard
error: put that below auth.tokens. Give the token to whoever is to use it, never
on a command line: the relay's own commands take it with --token-file.

Scopes: view (play), mark (publish events), act (take part in windows), publish
(send media), read (the API's read calls), admin.`,
		Example: `  relay token create --name game-server --scopes mark --streams 'roulette-*' \
      --out game-server.token`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range scopes {
				if !slices.Contains(relay.Scopes(), s) {
					return usagef("--scopes %q is no scope (allowed: %s)", s, strings.Join(relay.Scopes(), ", "))
				}
			}
			secret := make([]byte, tokenBytes)
			rand.Read(secret) // never fails
			token := base64.RawURLEncoding.EncodeToString(secret)
			if file == "" {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), token); err != nil {
					return err
				}
			} else if err := writeNew(file, token+"\n", 0o600); err != nil {
				return err
			}
			return printTokenEntry(cmd.ErrOrStderr(), name, file, scopes, streams)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "who has it, as the log names publishers (default: the file's name)")
	cmd.Flags().StringSliceVar(&scopes, "scopes", []string{"mark"}, "what it may do, separated by commas")
	cmd.Flags().StringSliceVar(&streams, "streams", nil, "streams it may do it to, names or patterns (default: all)")
	cmd.Flags().StringVar(&file, "out", "", "write to this file, mode 0600, which must not be there yet")
	return cmd
}

// printTokenEntry prints the configuration's entry for a token.
func printTokenEntry(w io.Writer, name, file string, scopes, streams []string) error {
	path := "FILE"
	if file != "" {
		path = file
		if abs, err := filepath.Abs(file); err == nil {
			path = abs
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "auth:\n  tokens:\n    - file: %q\n", path)
	if name != "" {
		fmt.Fprintf(&b, "      name: %q\n", name)
	}
	fmt.Fprintf(&b, "      scopes: [%s]\n", strings.Join(scopes, ", "))
	if len(streams) > 0 {
		fmt.Fprintf(&b, "      streams: [%s]\n", quoted(streams))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func quoted(list []string) string {
	q := make([]string, len(list))
	for i, s := range list {
		q[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(q, ", ")
}
