package cli

import "github.com/spf13/cobra"

func newList(streams IO) *cobra.Command { return &cobra.Command{Use: "list"} }
