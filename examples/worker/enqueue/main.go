// Enqueue puts its argument into the queue.
package main

import (
	"context"
	"log"
	"os"
	"strings"

	"example.com/worker/internal/kit"
)

func main() {
	kit.Main(func(ctx context.Context) error {
		var job kit.Job
		if _, err := kit.Call(ctx, "POST", os.Getenv("QUEUE_URL")+"/jobs", strings.Join(os.Args[1:], " "), &job); err != nil {
			return err
		}
		log.Printf("job %d is %q", job.ID, job.What)
		return nil
	})
}
