package faults_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/primecloud/primecloud/pkg/testkit"
)

// trouble is one way in which a backend fails whoever calls it, from one request on.
type trouble struct {
	name string
	// means says it in a sentence, for the document.
	means string
	// order handles the request at which it begins, and all that follow.
	order func(s *siege, e *testkit.Exchange, first bool)
	// strike and heal do it to the server itself, while the request is held: before it is
	// passed on, or, with late, once it has had its effect.
	strike, heal func(*testkit.Storage) error
	late         bool
	// timed says that how the call is answered is a matter of time.
	timed bool
	// rare says that it is for `make faults` alone.
	rare bool
}

// troubles are all of them.
var troubles = []trouble{
	{
		name: "killed", means: "the server is killed with SIGKILL before the request reaches it, and started again after the call",
		order: struck, strike: killed, heal: started,
	},
	{
		name: "killed after", means: "the server is killed once the request has had its effect, before the answer",
		order: struck, strike: killed, heal: started, late: true,
	},
	{
		name: "stopped", means: "the server is stopped with SIGSTOP with the request on its way, and does late, after the call, what it was asked",
		order: struck, strike: stopped, heal: (*testkit.Storage).Resume,
	},
	{
		name: "away", means: "connections are reset, from this request on",
		order: func(_ *siege, e *testkit.Exchange, _ bool) { e.Cut() },
	},
	{
		name: "hangs", means: "requests are taken and never answered, and never have an effect, from this one on",
		order: func(s *siege, e *testkit.Exchange, _ bool) { <-s.lifted; e.Cut() },
	},
	{
		name: "late", means: "requests are taken, not answered, and have their effect after the call, from this one on",
		order: func(s *siege, e *testkit.Exchange, _ bool) {
			e.Read()
			<-s.lifted
			e.Deliver(func() bool { return false })
		},
	},
	{
		name: "503", means: "requests are answered 503 SlowDown, from this one on",
		order: func(_ *siege, e *testkit.Exchange, _ bool) {
			e.Answer(http.StatusServiceUnavailable, "<Error><Code>SlowDown</Code></Error>")
		},
	},
	{
		name: "cut", means: "the request has its effect, and the connection is cut before the answer; all others are well", timed: true,
		order: func(_ *siege, e *testkit.Exchange, first bool) {
			if first {
				e.Deliver(func() bool { return false })
			}
		},
	},
	{
		name: "cut, away", means: "the request has its effect, the connection is cut before the answer, and is reset from then on",
		order: func(_ *siege, e *testkit.Exchange, first bool) {
			if first {
				e.Deliver(func() bool { return false })
				return
			}
			e.Cut()
		},
	},
	slow(200*time.Millisecond, false), slow(time.Second, true), slow(5*time.Second, true), slow(30*time.Second, false),
}

// slow answers late, from one request on; the requests have their effect at once.
func slow(by time.Duration, rare bool) trouble {
	return trouble{
		name: "slow " + by.String(), means: fmt.Sprintf("answers come %s late, from this request on", by), timed: true, rare: rare,
		order: func(s *siege, e *testkit.Exchange, _ bool) {
			e.Deliver(func() bool {
				late := time.NewTimer(by)
				defer late.Stop()
				select {
				case <-late.C:
				case <-s.lifted:
				}
				return true
			})
		},
	}
}

func killed(s *testkit.Storage) error { return s.Kill() }

// stopped returns when the server answers nothing any more: its threads stop one after the other.
func stopped(s *testkit.Storage) error {
	if err := s.Pause(); err != nil {
		return err
	}
	client := http.Client{Timeout: 100 * time.Millisecond}
	for {
		response, err := client.Get(s.Endpoint() + "/minio/health/live")
		if err != nil {
			return nil //nolint:nilerr // that is what is wanted
		}
		_ = response.Body.Close()
	}
}

// struck holds the request at which it begins until the server was struck.
func struck(s *siege, e *testkit.Exchange, first bool) {
	hold := func() bool {
		s.arrive()
		<-s.struck
		return false
	}
	switch {
	case first && s.trouble.late:
		e.Deliver(hold)
	case first:
		hold()
		e.Deliver(func() bool { return true })
	default:
		e.Deliver(func() bool { return true })
	}
}

// siege is one proxy's trouble.
type siege struct {
	trouble trouble
	// step is the request at which it begins; none in a run that records.
	step string
	// bucket is what names of requests leave out.
	bucket string
	// arrived is closed when that request has come, struck when the server was struck, and
	// lifted when all is well again.
	arrived, struck, lifted chan struct{}
	arrive                  func()

	mu     sync.Mutex
	counts map[string]int
	steps  []string
	began  bool
}

func newSiege(t trouble, step, bucket string) *siege {
	s := &siege{
		trouble: t, step: step, bucket: bucket, counts: map[string]int{},
		arrived: make(chan struct{}), struck: make(chan struct{}), lifted: make(chan struct{}),
	}
	s.arrive = sync.OnceFunc(func() { close(s.arrived) })
	return s
}

// handle is the order for the proxy.
func (s *siege) handle(e *testkit.Exchange) {
	s.mu.Lock()
	name := stepOf(e.Request, s.bucket)
	s.counts[name]++
	name = fmt.Sprintf("%s#%d", name, s.counts[name])
	s.steps = append(s.steps, name)
	first := name == s.step
	s.began = s.began || first
	began := s.began
	s.mu.Unlock()
	select {
	case <-s.lifted:
	default:
		if began {
			s.trouble.order(s, e, first)
		}
	}
}

// reached says whether the request came at which the trouble begins.
func (s *siege) reached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.began
}

// seen are the requests until now.
func (s *siege) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.steps)
}

// stepOf names a request by what it does, whoever it is for.
func stepOf(r *http.Request, bucket string) string {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if rest, admin := strings.CutPrefix(path, "minio/admin/"); admin {
		_, verb, _ := strings.Cut(rest, "/")
		return verb
	}
	if path == "" {
		return "assume-role"
	}
	path = strings.TrimSuffix(strings.Replace(path, bucket, "bucket", 1), "/")
	about := ""
	for name, values := range r.URL.Query() {
		// Of several the last one: the others are parts of a list.
		if values[0] == "" {
			about = max(about, "?"+name)
		}
	}
	return r.Method + " " + path + about
}
