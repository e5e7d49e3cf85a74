package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/primecloud/primecloud/pkg/servers"
)

// What goes through the door: many small objects at a time, and a few large ones.
const (
	doorBucket  = "bench"
	smallObject = 4 << 10
	largeObject = 32 << 20
	largeAtOnce = 4
)

// doorWork is one kind of work, done through the door and at MinIO's own port.
type doorWork struct {
	title  string
	size   int
	atOnce int
	put    bool
}

// doorOutcome is what a work came to: calls per second, or MB per second of large objects, and the
// time of one call in the median, in milliseconds.
type doorOutcome struct {
	doorWork
	// Through the door and bare, by round.
	rate, took [2]sample
	ratios     sample
	others     float64
}

// doorRun is MinIO with its door, and a client for each.
type doorRun struct {
	config Config
	out    io.Writer
	// ours goes through the door, theirs to the bare port.
	ours, theirs string
	transport    *http.Transport
	signer       *minio.Client
	content      []byte
}

// DoorCost measures what the door costs beside MinIO's bare port, with limits on rates switched
// off, since both ends are one address here, and returns the table. Signatures are made before,
// as links.
func DoorCost(ctx context.Context, c Config, out io.Writer) (table string, err error) {
	dir, err := os.MkdirTemp("", "primecloud-bench-door-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	const user, password = "bench-root", "bench-root-password"
	backend, err := servers.StartMinIO(ctx, servers.MinIOConfig{Dir: dir + "/minio", RootUser: user, RootPassword: password, Region: "local"})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, backend.Kill()) }()
	door, err := servers.StartDoor(ctx, servers.DoorConfig{
		Dir: dir + "/door", Upstream: backend.Address(), Env: []string{"PRIMECLOUD_DOOR_ADDRESS_RATE=0", "PRIMECLOUD_DOOR_KEY_RATE=0"},
	})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, door.Kill()) }()
	r := &doorRun{
		config: c, out: out, ours: door.Address(), theirs: backend.Address(), content: bytes.Repeat([]byte("0123456789abcdef"), largeObject/16),
		transport: &http.Transport{MaxIdleConnsPerHost: c.Callers, DisableCompression: true},
	}
	defer r.transport.CloseIdleConnections()
	r.signer, err = minio.New(backend.Address(), &minio.Options{Creds: credentials.NewStaticV4(user, password, ""), Region: "local"})
	if err != nil {
		return "", err
	}
	if err := r.signer.MakeBucket(ctx, doorBucket, minio.MakeBucketOptions{}); err != nil {
		return "", err
	}
	var outcomes []doorOutcome
	for _, w := range []doorWork{
		{fmt.Sprintf("PUT of 4 KiB, %d at a time", c.Callers), smallObject, c.Callers, true},
		{fmt.Sprintf("GET of 4 KiB, %d at a time", c.Callers), smallObject, c.Callers, false},
		{"GET of 4 KiB, one at a time", smallObject, 1, false},
		{"PUT of 32 MiB, 4 at a time", largeObject, largeAtOnce, true},
		{"GET of 32 MiB, 4 at a time", largeObject, largeAtOnce, false},
	} {
		o, err := r.compare(ctx, w)
		if err != nil {
			return "", fmt.Errorf("%s: %w", w.title, err)
		}
		outcomes = append(outcomes, o)
	}
	return doorTable(c, outcomes), nil
}

// compare measures both ways in every round, in alternating order.
func (r *doorRun) compare(ctx context.Context, w doorWork) (doorOutcome, error) {
	o := doorOutcome{doorWork: w}
	type pair [2]struct{ rate, took float64 }
	rounds, _, err := quietest(r.config.Rounds, func(i int) (p pair, err error) {
		order := []int{0, 1}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, side := range order {
			if p[side].rate, p[side].took, err = r.measure(ctx, w, []string{r.ours, r.theirs}[side]); err != nil {
				return p, err
			}
		}
		return p, nil
	})
	if err != nil {
		return o, err
	}
	for _, round := range rounds {
		for side := range 2 {
			o.rate[side], o.took[side] = append(o.rate[side], round.value[side].rate), append(o.took[side], round.value[side].took)
		}
		o.ratios = append(o.ratios, round.value[0].rate/round.value[1].rate)
	}
	o.others = others(rounds)
	fmt.Fprintf(r.out, "%s: %s through the door beside %s bare, %s\n", w.title, o.figure(0), o.figure(1), percent(o.ratios.median()))
	return o, nil
}

// measure does the work at an address for as long as the configuration says.
func (r *doorRun) measure(ctx context.Context, w doorWork, address string) (rate, took float64, err error) {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		all    sample
		failed error
	)
	var links []*url.URL
	method := http.MethodGet
	for caller := range w.atOnce {
		var link *url.URL
		if method, link, err = r.link(ctx, w, address, caller); err != nil {
			return 0, 0, err
		}
		links = append(links, link)
	}
	began := time.Now()
	for _, link := range links {
		group.Go(func() {
			var mine sample
			for time.Since(began) < r.config.For {
				at := time.Now()
				if err := r.call(ctx, w, method, link); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				mine = append(mine, time.Since(at).Seconds()*1000)
			}
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
		})
	}
	group.Wait()
	if failed != nil || len(all) == 0 {
		return 0, 0, errors.Join(failed, errors.New("no call came to its end"))
	}
	return float64(len(all)) / time.Since(began).Seconds(), all.median(), nil
}

// link signs the one request that a caller repeats. It is signed for the address, which is the Host.
func (r *doorRun) link(ctx context.Context, w doorWork, address string, caller int) (method string, link *url.URL, err error) {
	name := fmt.Sprintf("%d/%d", w.size, caller)
	if _, err := r.signer.PutObject(ctx, doorBucket, name, bytes.NewReader(r.content[:w.size]), int64(w.size), minio.PutObjectOptions{}); err != nil {
		return "", nil, err
	}
	creds, err := r.signer.GetCreds()
	if err != nil {
		return "", nil, err
	}
	client, err := minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(creds.AccessKeyID, creds.SecretAccessKey, ""), Region: "local"})
	if err != nil {
		return "", nil, err
	}
	if w.put {
		link, err = client.PresignedPutObject(ctx, doorBucket, name, time.Hour)
		return http.MethodPut, link, err
	}
	link, err = client.PresignedGetObject(ctx, doorBucket, name, time.Hour, nil)
	return http.MethodGet, link, err
}

// call sends one request and reads the whole answer.
func (r *doorRun) call(ctx context.Context, w doorWork, method string, link *url.URL) error {
	var body io.Reader = http.NoBody
	if w.put {
		body = bytes.NewReader(r.content[:w.size])
	}
	request, err := http.NewRequestWithContext(ctx, method, link.String(), body)
	if err != nil {
		return err
	}
	response, err := r.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || !w.put && n != int64(w.size)) {
		err = fmt.Errorf("HTTP %d with %d bytes", response.StatusCode, n)
	}
	return err
}

// figure is the rate of a side as it is read: of large objects, bytes.
func (o doorOutcome) figure(side int) string {
	if o.size >= 1<<20 {
		return fmt.Sprintf("%.0f MB/s", o.rate[side].median()*float64(o.size)/1e6)
	}
	return fmt.Sprintf("%.0f/s", o.rate[side].median())
}

// doorTable is the section of docs/benchmarks.md about the door.
func doorTable(c Config, outcomes []doorOutcome) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Measured on %s with `bin/bench door`, %s; %d rounds of %s a side, in alternating order.\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), machine(), c.Rounds, c.For)
	b.WriteString("| work | through the door | bare | ratio | spread | one call | bare | others |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, o := range outcomes {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s to %s | %.2f ms | %.2f ms | %s |\n", o.title, o.figure(0), o.figure(1), percent(o.ratios.median()),
			percent(o.ratios.min()), percent(o.ratios.max()), o.took[0].median(), o.took[1].median(), percent(o.others))
	}
	return b.String()
}
