package cli

import "github.com/spf13/cobra"

func newLogs(streams IO) *cobra.Command { return &cobra.Command{Use: "logs"} }
