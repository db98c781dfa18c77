package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// output is the -o flag.
type output struct{ format string }

func (o *output) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "table", "how to print the result: table, json or yaml")
}

// check reports an unknown format, before any work is done.
func (o *output) check() error {
	switch o.format {
	case "table", "json", "yaml":
		return nil
	}
	return usagef("-o %q is not a format (allowed: table, json, yaml)", o.format)
}

// print writes v as asked for; table writes it for people.
func (o *output) print(w io.Writer, v any, table func(w *tabwriter.Writer)) error {
	if o.format == "table" {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		table(t)
		return t.Flush()
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if o.format == "yaml" {
		if b, err = yaml.JSONToYAML(b); err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}
