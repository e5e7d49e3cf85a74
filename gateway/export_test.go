package gateway_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// archive serves exports as its request asks: "whole", "torn", "refused", "empty", "slow".
type archive struct {
	auditv1.UnimplementedAuditServiceServer
	// more lets the slow one go on.
	more chan struct{}
	// asked is the token of whoever asked last.
	asked atomic.Value
}

func (a *archive) ExportAuditEntries(r *auditv1.ExportAuditEntriesRequest, to grpc.ServerStreamingServer[httpbody.HttpBody]) error {
	a.asked.Store(principal.FromContext(to.Context()).TokenID)
	media := map[auditv1.ExportAuditEntriesRequest_Format]string{auditv1.ExportAuditEntriesRequest_FORMAT_CSV: "text/csv"}[r.GetFormat()]
	send := func(text string) error { return to.Send(&httpbody.HttpBody{ContentType: media, Data: []byte(text)}) }
	if r.GetAfterSequence() == 404 {
		return errs.New(errs.FailedPrecondition, "ENTRIES_EXPIRED", "they are kept no longer")
	}
	if r.GetAfterSequence() == 204 {
		return nil
	}
	if err := send("one\n"); err != nil {
		return err
	}
	if r.GetAfterSequence() == 1 {
		<-a.more
	}
	if err := send("two\n"); err != nil || r.GetAfterSequence() != 500 {
		return err
	}
	return errs.New(errs.Unavailable, "DATABASE_UNAVAILABLE", "it is away")
}

// newArchive returns a world with exports.
func newArchive(t *testing.T) (*world, *archive) {
	t.Helper()
	w := emptyWorld(t, listen(t))
	a := &archive{more: make(chan struct{})}
	identity := w.server("identity", func(r grpc.ServiceRegistrar) {
		identityv1.RegisterSessionServiceServer(r, w.identity)
		identityv1.RegisterTokenServiceServer(r, w.identity)
		identityv1.RegisterUserServiceServer(r, w.identity)
		identityv1.RegisterMembershipServiceServer(r, w.identity)
		auditv1.RegisterAuditServiceServer(r, a)
	})
	storage := w.server("storage", func(grpc.ServiceRegistrar) {})
	w.start(identity.Channel("gateway"), storage.Channel("gateway"))
	return w, a
}

// download asks for an export of acc_1.
func (w *world) download(query, bearer string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.base+"/v1/accounts/acc_1/auditEntries:export?"+query, nil)
	must(w.t, err)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := http.DefaultClient.Do(r)
	must(w.t, err)
	w.t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestAFileIsStreamedAsTheServiceSendsIt(t *testing.T) {
	w, _ := newArchive(t)
	response := w.download("format=FORMAT_CSV", w.bearer("usr_1", "acc_1"))
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || string(body) != "one\ntwo\n" || response.Header.Get("Content-Type") != "text/csv" {
		t.Errorf("HTTP %d %q %q, %v", response.StatusCode, response.Header.Get("Content-Type"), body, err)
	}
	empty := w.download("after_sequence=204", w.bearer("usr_1", "acc_1"))
	if body, err := io.ReadAll(empty.Body); err != nil || empty.StatusCode != http.StatusOK || len(body) != 0 {
		t.Errorf("HTTP %d %q, %v", empty.StatusCode, body, err)
	}
}

func TestAPartOfAFileArrivesBeforeTheNextOneIsThere(t *testing.T) {
	w, a := newArchive(t)
	response := w.download("after_sequence=1", w.bearer("usr_1", "acc_1"))
	in := bufio.NewReader(response.Body)
	line := make(chan string, 1)
	go func() {
		text, _ := in.ReadString('\n')
		line <- text
	}()
	select {
	case text := <-line:
		if text != "one\n" {
			t.Errorf("got %q", text)
		}
	case <-time.After(10 * time.Second):
		t.Error("the first part does not arrive")
	}
	close(a.more)
	if rest, err := io.ReadAll(in); err != nil || string(rest) != "two\n" {
		t.Errorf("then %q, %v", rest, err)
	}
}

func TestAFileThatIsRefusedIsAnErrorLikeAnyOther(t *testing.T) {
	w, _ := newArchive(t)
	for query, want := range map[string]struct {
		bearer, reason string
		status         int
	}{
		"after_sequence=404": {w.bearer("usr_1", "acc_1"), "ENTRIES_EXPIRED", http.StatusBadRequest},
		"after_sequence=-1":  {w.bearer("usr_1", "acc_1"), "REQUEST_INVALID", http.StatusBadRequest},
		"after=1":            {w.bearer("usr_1", "acc_1"), "REQUEST_INVALID", http.StatusBadRequest},
		"after_sequence=2":   {"", "LOGIN_REQUIRED", http.StatusUnauthorized},
		"after_sequence=3":   {w.bearer("usr_1", "acc_2"), "NOT_FOUND", http.StatusNotFound},
	} {
		response := w.download(query, want.bearer)
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != want.status || !strings.Contains(string(body), want.reason) || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: HTTP %d %s, %v", query, response.StatusCode, body, err)
		}
	}
}

func TestAFileThatFailsOnTheWayEndsWithItsConnection(t *testing.T) {
	w, _ := newArchive(t)
	response := w.download("after_sequence=500", w.bearer("usr_1", "acc_1"))
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("%q passes for a whole file", body)
	}
}

func TestARevokedTokenOfTheCacheIsReplacedForAFileToo(t *testing.T) {
	w, a := newArchive(t)
	c := w.inBrowser("usr_1")
	const path = "/v1/accounts/acc_1/auditEntries:export"
	c.get(path).ok(t)
	w.identity.revoke(a.asked.Load().(string))
	if got := c.get(path); got.status != http.StatusOK || got.body != "one\ntwo\n" {
		t.Errorf("HTTP %d %s", got.status, got.body)
	}
	if n := w.identity.count("ExchangeSession"); n != 2 {
		t.Errorf("%d exchanges", n)
	}
}
