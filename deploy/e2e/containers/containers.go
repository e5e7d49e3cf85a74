// Package containers runs docker-compose.yml for real and holds it against what it
// promises: the demo passes through public doors, MinIO is reached by nobody who need not,
// S3 goes on while everything of ours is stopped, data outlives the containers, and any one
// of them may be restarted.
//
// It owns the compose project it starts, under a name of its own, and removes it with its
// volumes. It needs a container engine and `docker compose`; the images are built from the
// repository, or put together from what is already on this machine where no registry can
// be reached. It is called by deploy/e2e/cmd/containers and is no part of `make test`.
package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/settings"
	"github.com/primecloud/primecloud/pkg/servers"
)

// Options say how to run.
type Options struct {
	// Prebuilt makes images from binaries of this machine, without a registry.
	Prebuilt bool
	// Keep leaves the project running.
	Keep bool
	// Out is told each step with its evidence.
	Out io.Writer
}

// project is the compose project's name, and the tag of its images.
const project = "primecloud-test"

// run is one run.
type run struct {
	engine engine
	out    io.Writer
}

// Run does everything and returns at the first thing that is not as promised.
func Run(ctx context.Context, o Options) (err error) {
	root, err := servers.Root()
	if err != nil {
		return err
	}
	ports, err := freePorts(ctx, "GATEWAY_PORT", "S3_PORT", "LOGIN_PORT", "MINIO_PORT")
	if err != nil {
		return err
	}
	r := &run{out: o.Out, engine: engine{root: root, environment: append(ports, "TAG="+project), log: o.Out}}
	if o.Prebuilt {
		r.engine.environment = append(r.engine.environment, "POSTGRES_IMAGE=primecloud/postgres:"+project)
	}
	defer func() {
		if err != nil {
			r.engine.logs(context.WithoutCancel(ctx))
		}
		if !o.Keep {
			cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
			defer cancel()
			err = errors.Join(err, r.engine.compose(cleaning, "down", "--volumes", "--remove-orphans"))
		}
	}()
	steps := []struct {
		title string
		do    func(context.Context) error
	}{
		{"Make the images", func(ctx context.Context) error { return r.images(ctx, o.Prebuilt) }},
		{"Start everything and wait until it is healthy", r.start},
		{"Do the demo through the public doors", r.demo},
		{"See who reaches MinIO", r.walls},
		{"Stop all but storage and its door: S3 goes on; remove every container: the data is found again", r.survive},
		{"Restart each container by itself and do the demo after it", r.restarts},
	}
	for i, step := range steps {
		began := time.Now()
		fmt.Fprintf(o.Out, "\n==> %d. %s\n", i+1, step.title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.title, err)
		}
		fmt.Fprintf(o.Out, "    done after %s\n", time.Since(began).Round(100*time.Millisecond))
	}
	fmt.Fprintln(o.Out, "\nThe containers do what they promise.")
	return nil
}

// freePorts returns settings that name ports which nobody uses now.
func freePorts(ctx context.Context, names ...string) ([]string, error) {
	ports, err := settings.ChoosePorts(ctx, len(names))
	if err != nil {
		return nil, err
	}
	var chosen []string
	for i, name := range names {
		chosen = append(chosen, name+"="+strconv.Itoa(ports[i]))
	}
	return chosen, nil
}
