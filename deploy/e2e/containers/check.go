package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/primecloud/primecloud/deploy/stack/demo"
)

// start starts the project and waits for all of it.
func (r *run) start(ctx context.Context) error {
	if err := r.engine.compose(ctx, "up", "--detach", "--no-build"); err != nil {
		return err
	}
	if err := r.engine.await(ctx); err != nil {
		return err
	}
	containers, err := r.engine.containers(ctx)
	if err != nil {
		return err
	}
	for _, c := range containers {
		fmt.Fprintf(r.out, "    %-30s %s %s\n", c.Service, c.State, c.Health)
	}
	return nil
}

// target asks the project where it is.
func (r *run) target(ctx context.Context) (demo.Target, error) {
	raw, err := r.engine.docker(ctx, append(r.engine.files(), "run", "--rm", "--no-deps", "-T", "secrets", "target")...)
	if err != nil {
		return demo.Target{}, err
	}
	var target demo.Target
	return target, json.Unmarshal(raw, &target)
}

func (r *run) demo(ctx context.Context) error {
	return r.demoInto(ctx, r.out)
}

func (r *run) demoInto(ctx context.Context, out io.Writer) error {
	target, err := r.target(ctx)
	if err != nil {
		return err
	}
	return demo.Run(ctx, target, out)
}

// walls asks MinIO from each network: only on storage does it answer.
func (r *run) walls(ctx context.Context) error {
	services, err := r.engine.services(ctx)
	if err != nil {
		return err
	}
	for _, network := range []string{"edge", "services", "login", "data", "storage"} {
		_, err := r.engine.docker(ctx, "run", "--rm", "--network", project+"_"+network, "--entrypoint", "/probe",
			services["minio"].Image, "minio", "minio:9000", "local")
		if reached := err == nil; reached != (network == "storage") {
			return fmt.Errorf("on network %s MinIO reached is %v: %w", network, reached, err)
		}
		fmt.Fprintf(r.out, "    from %-9s MinIO answers: %v\n", network, err == nil)
	}
	target, err := r.target(ctx)
	if err != nil {
		return err
	}
	return r.hidden(ctx, target.S3+"/minio/admin/v3/info")
}

// hidden asks the door for what is MinIO's own.
func (r *run) hidden(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("the door answers HTTP %d to %s", response.StatusCode, request.URL.Path)
	}
	fmt.Fprintf(r.out, "    through the door %s: HTTP %d\n", request.URL.Path, response.StatusCode)
	return nil
}

// survive leaves an object behind, reads it while only MinIO and its door run, and finds it
// and its bucket again after every container was removed.
func (r *run) survive(ctx context.Context) error {
	target, err := r.target(ctx)
	if err != nil {
		return err
	}
	kept, err := leave(ctx, target)
	if err != nil {
		return err
	}
	if err := r.engine.compose(ctx, "stop", "gateway", "identity", "storage-provisioning", "postgres", "nats", "dex"); err != nil {
		return err
	}
	if err := kept.read(ctx, target); err != nil {
		return fmt.Errorf("with everything of ours stopped: %w", err)
	}
	fmt.Fprintln(r.out, "    gateway, identity, storage-provisioning, PostgreSQL, NATS and Dex are stopped; the object is read through the door")
	if err := r.engine.compose(ctx, "down"); err != nil {
		return err
	}
	if err := errors.Join(r.engine.compose(ctx, "up", "--detach", "--no-build"), r.engine.await(ctx)); err != nil {
		return err
	}
	if err := errors.Join(kept.find(ctx, target), kept.read(ctx, target)); err != nil {
		return fmt.Errorf("after new containers: %w", err)
	}
	fmt.Fprintf(r.out, "    every container is new; account %s, bucket %s, its key and its object are there\n", kept.account, kept.bucket)
	return nil
}

// restarts restarts each server by itself.
func (r *run) restarts(ctx context.Context) error {
	containers, err := r.engine.containers(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(containers, func(a, b container) int { return strings.Compare(a.Service, b.Service) })
	for _, c := range containers {
		if c.State != "running" || c.Service == "peephole" {
			continue
		}
		if err := errors.Join(r.engine.compose(ctx, "restart", c.Service), r.engine.await(ctx)); err != nil {
			return fmt.Errorf("restart %s: %w", c.Service, err)
		}
		var said strings.Builder
		if err := r.demoInto(ctx, &said); err != nil {
			return fmt.Errorf("after a restart of %s: %w\n%s", c.Service, err, said.String())
		}
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		fmt.Fprintf(r.out, "    %-30s restarted: %s\n", c.Service, lines[len(lines)-1])
	}
	return nil
}
