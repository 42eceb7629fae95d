// Command processes measures shipit as whole processes, each started cold: how long
// they take, how much of the processors and of memory, on projects made for it
// and on the examples. It prints a table of medians and maxima, with the limits
// there are.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
)

func main() {
	var o options
	flag.StringVar(&o.program, "shipit", "bin/shipit", "the program")
	flag.StringVar(&o.examples, "examples", "examples", "the folder of the examples")
	flag.StringVar(&o.keep, "keep", "", "write the projects into this folder, and keep them")
	flag.IntVar(&o.runs, "runs", 11, "how often each command runs")
	limits := flag.Bool("limits", false, "exit with 1 when a figure is over its limit")
	flag.Parse()
	over, err := run(os.Stdout, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "processes:", err)
		os.Exit(1)
	}
	if over > 0 && *limits {
		fmt.Fprintf(os.Stderr, "processes: %d over their limit\n", over)
		os.Exit(1)
	}
}

type options struct {
	program, examples, keep string
	runs                    int
}

// run measures everything, and gives how many figures are over their limit.
func run(out io.Writer, o options) (over int, err error) {
	if o.runs < 1 {
		return 0, errors.New("-runs must be 1 or more")
	}
	dir := o.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "shipit-bench"); err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
	}
	figures, err := o.figures(dir)
	if err != nil {
		return 0, err
	}
	_, _ = fmt.Fprintf(out, "%s/%s, %d processors; %d runs of each: median (largest)\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.runs)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "wall ms\tcpu ms\tmemory MB\tlimit\t ")
	for _, f := range figures {
		taken, err := o.measure(f)
		if err != nil {
			return 0, err
		}
		wall := taken.column(func(c cost) float64 { return float64(c.wall.Microseconds()) / 1e3 })
		cpu := taken.column(func(c cost) float64 { return float64(c.cpu.Microseconds()) / 1e3 })
		memory := taken.column(func(c cost) float64 { return float64(c.memory) / 1e6 })
		limit := ""
		if f.wall > 0 {
			limit = fmt.Sprintf("%.0f ms", f.wall)
			if f.memory > 0 {
				limit += fmt.Sprintf(", %.0f MB", f.memory)
			}
			if median(wall) > f.wall || f.memory > 0 && slices.Max(memory) > f.memory {
				limit += " OVER"
				over++
			}
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t  %s\n", cell(wall), cell(cpu), cell(memory), limit, f.what)
	}
	return over, table.Flush()
}

func cell(values []float64) string {
	return fmt.Sprintf("%.0f (%.0f)", median(values), slices.Max(values))
}

// median gives the middle one of values, or the larger of two.
func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
