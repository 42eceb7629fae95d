package cli

import "github.com/spf13/cobra"

func newStatus(streams IO) *cobra.Command { return &cobra.Command{Use: "status"} }
