package cli

import "github.com/spf13/cobra"

func newOpen(streams IO) *cobra.Command { return &cobra.Command{Use: "open"} }
