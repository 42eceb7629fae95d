package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/shipit-dev/shipit/internal/bench"
)

// figure is a command, and what it may take; 0 is no limit.
type figure struct {
	what   string
	args   []string
	wall   float64 // milliseconds, the median
	memory float64 // megabytes, the largest
}

// figures lists what is measured, and makes the projects for it below dir.
func (o options) figures(dir string) ([]figure, error) {
	hello, shop := filepath.Join(o.examples, "hello"), filepath.Join(o.examples, "shop")
	figures := []figure{
		{what: "version", args: []string{"version"}},
		{what: "validate hello", args: []string{"validate", "-C", hello}},
		{what: "validate the shop, both environments", args: []string{"validate", "-C", shop}},
	}
	for _, size := range []struct {
		services         int
		render, validate figure
	}{
		{50, figure{wall: 120, memory: 110}, figure{wall: 250}},
		{1000, figure{wall: 1500, memory: 400}, figure{}},
	} {
		folder := filepath.Join(dir, fmt.Sprint(size.services))
		if err := o.write(bench.New(size.services), folder); err != nil {
			return nil, err
		}
		last := bench.Environments[len(bench.Environments)-1]
		render, validate, all := size.render, size.validate, figure{}
		render.what = fmt.Sprintf("render %d services, one environment", size.services)
		render.args = []string{"render", "-e", last, "-C", folder}
		validate.what = fmt.Sprintf("validate %d services, one environment", size.services)
		validate.args = []string{"validate", "-e", last, "-C", folder}
		all.what = fmt.Sprintf("validate %d services, %d environments", size.services, len(bench.Environments))
		all.args = []string{"validate", "-C", folder}
		figures = append(figures, render, validate, all)
	}
	defined := filepath.Join(dir, "defined")
	if err := o.write(bench.New(50).Defined(), defined); err != nil {
		return nil, err
	}
	return append(figures, figure{what: "validate 50 services of a definition of their own, 3 environments", args: []string{"validate", "-C", defined}}), nil
}

// write writes a project into dir, with the program's schema.
func (o options) write(p bench.Project, dir string) error {
	if err := p.Write(dir); err != nil {
		return err
	}
	if out, err := exec.Command(o.program, "init", "--update", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%s init --update: %w\n%s", o.program, err, out)
	}
	return nil
}

// cost is what one process took.
type cost struct {
	wall, cpu time.Duration
	memory    int64 // bytes that were resident at most
}

type costs []cost

func (c costs) column(of func(cost) float64) []float64 {
	values := make([]float64, len(c))
	for i, one := range c {
		values[i] = of(one)
	}
	return values
}

// measure runs a command again and again, after once for the files to be in the
// system's cache. What it prints goes nowhere.
func (o options) measure(f figure) (costs, error) {
	var taken costs
	for i := range o.runs + 1 {
		var stderr bytes.Buffer
		cmd := exec.Command(o.program, f.args...)
		cmd.Stderr = &stderr
		cmd.Env = []string{} // none of shipit's variables, nor Go's
		start := time.Now()
		err := cmd.Run()
		wall := time.Since(start)
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", f.what, err, stderr.Bytes())
		}
		if i == 0 {
			continue
		}
		state := cmd.ProcessState
		taken = append(taken, cost{wall, state.UserTime() + state.SystemTime(), resident(state)})
	}
	return taken, nil
}
