// Worker does what is in the queue, one job after the other. Told to stop, it
// ends the job that it has.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"example.com/worker/internal/kit"
)

// sign is renewed while the worker works; /tmp is the pod's own.
const sign = "/tmp/alive"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "alive" {
		kit.Main(func(context.Context) error { return alive(time.Now()) })
		return
	}
	kit.Main(work)
}

func work(ctx context.Context) error {
	takes, err := time.ParseDuration(os.Getenv("JOB_TIME"))
	if err != nil {
		return err
	}
	jobs := os.Getenv("QUEUE_URL") + "/jobs"
	for ctx.Err() == nil {
		if err := os.WriteFile(sign, nil, 0o600); err != nil {
			return err
		}
		var job kit.Job
		got, err := kit.Call(ctx, "POST", jobs+"/next", "", &job)
		if err != nil {
			log.Print("the queue: ", err)
			pause(ctx, time.Second)
			continue
		}
		if !got {
			continue
		}
		log.Printf("job %d: %s", job.ID, job.What)
		time.Sleep(takes) // whatever the work is
		if _, err := kit.Call(context.WithoutCancel(ctx), "DELETE", fmt.Sprintf("%s/%d", jobs, job.ID), "", nil); err != nil {
			log.Printf("job %d will be done again: %v", job.ID, err)
		}
	}
	log.Print("stopped with no job left half-done")
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// alive is what the probe asks, in a process of its own.
func alive(now time.Time) error {
	info, err := os.Stat(sign)
	if err == nil && now.Sub(info.ModTime()) > time.Minute {
		err = fmt.Errorf("nothing was done since %s", info.ModTime().Format(time.TimeOnly))
	}
	return err
}
