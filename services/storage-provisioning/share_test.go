package storage_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/testkit"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

const (
	ofObject  = storagev1.ShareScope_SHARE_SCOPE_OBJECT
	ofPrefix  = storagev1.ShareScope_SHARE_SCOPE_PREFIX
	forUpload = storagev1.ShareScope_SHARE_SCOPE_UPLOAD
)

var tokenForm = regexp.MustCompile(`^psh_[A-Z2-7]{59}$`)

func TestALinkLeadsToOneObjectAndNoFurther(t *testing.T) {
	l := newLinks(t)
	l.put(l.bucket, "a/photo 1.jpg")
	l.put(l.bucket, "a/secret.txt")
	made := l.share(ofObject, "a/photo 1.jpg")
	if !tokenForm.MatchString(made.GetToken()) || made.GetShare().GetState() != storagev1.ShareState_SHARE_STATE_ACTIVE || made.GetShare().GetPasswordProtected() {
		t.Fatalf("made %v", made.GetShare())
	}
	got, err := l.open(made.GetToken())
	if err != nil {
		t.Fatal(err)
	}
	down := got.GetDownload()
	if left := time.Until(down.GetExpireTime().AsTime()); left > time.Minute || left < 50*time.Second || down.GetName() != "photo 1.jpg" || got.GetScope() != ofObject {
		t.Errorf("for %s it is %v", left, got)
	}
	if status, body := l.get(down.GetUrl()); status != 200 || body != "content" {
		t.Errorf("the URL: %d %s", status, body)
	}
	for what, url := range map[string]string{
		"another object": strings.Replace(down.GetUrl(), "photo%201.jpg", "secret.txt", 1), "no signature": strings.Split(down.GetUrl(), "?")[0],
	} {
		if status, _ := l.get(url); status != 403 {
			t.Errorf("%s: %d", what, status)
		}
	}
	if status, answer, _ := send(t, "PUT", down.GetUrl(), "x", nil); status != 403 {
		t.Errorf("it writes: %d %s", status, answer)
	}
	t.Run("a token is kept as a hash and found in nothing else", func(t *testing.T) {
		if n := l.row(`select count(*)::text from storage.object_share where object_share::text like '%' || $1 || '%'`, made.GetToken()); n != "0" {
			t.Error("the token stands in the table")
		}
		read, err := l.shares.GetShare(l.as(l.acc), &storagev1.GetShareRequest{AccountId: l.acc, ShareId: made.GetShare().GetId()})
		if err != nil || strings.Contains(read.String(), made.GetToken()) || read.GetShare().GetUseCount() != 1 {
			t.Errorf("read %v, %v", read, err)
		}
	})
	t.Run("a repetition shows the share without the token", func(t *testing.T) {
		r := &storagev1.CreateShareRequest{AccountId: l.acc, Bucket: l.bucket, Scope: ofObject, Path: "a/photo 1.jpg", Password: "open sesame"}
		ctx := withKey(l.as(l.acc), "once")
		first, err := l.shares.CreateShare(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		second, err := l.shares.CreateShare(ctx, r)
		if err != nil || second.GetShare().GetId() != first.GetShare().GetId() || second.GetToken() != "" || first.GetToken() == "" {
			t.Errorf("second %v, %v", second, err)
		}
		r.Path = "a/secret.txt"
		_, err = l.shares.CreateShare(ctx, r)
		refused(t, err, errs.InvalidArgument, "IDEMPOTENCY_KEY_REUSED")
	})
	t.Run("unknown tokens are refused", func(t *testing.T) {
		for _, token := range []string{"x", made.GetToken()[:62], made.GetToken()[:62] + "A", strings.ToLower(made.GetToken()), "psh_" + strings.Repeat("A", 59)} {
			if token == made.GetToken() {
				continue
			}
			_, err := l.open(token)
			refused(t, err, errs.NotFound, "SHARE_NOT_FOUND")
		}
	})
	t.Run("an object that is not there costs no use", func(t *testing.T) {
		gone := l.share(ofObject, "a/never.jpg")
		_, err := l.open(gone.GetToken())
		refused(t, err, errs.NotFound, "SHARE_OBJECT_NOT_FOUND")
		if want := []string{"OBJECT_NOT_FOUND " + office + " a/never.jpg"}; !slices.Equal(l.log(gone.GetShare().GetId()), want) {
			t.Errorf("the log says %v", l.log(gone.GetShare().GetId()))
		}
	})
}

func TestALinkToAPrefixListsAndOpensWhatStandsBelowItAlone(t *testing.T) {
	l := newLinks(t)
	for _, key := range []string{"in/1.txt", "in/2.txt", "in/deep/3.txt", "in2/4.txt", "out.txt"} {
		l.put(l.bucket, key)
	}
	made := l.share(ofPrefix, "in/", func(r *storagev1.CreateShareRequest) { r.UseLimit = 1 })
	var keys []string
	page := ""
	for range 5 {
		got, err := l.open(made.GetToken(), func(r *storagev1.ResolveShareRequest) { r.PageSize, r.PageToken = 2, page })
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range got.GetObjects() {
			keys = append(keys, fmt.Sprintf("%s %d", o.GetKey(), o.GetSizeBytes()))
		}
		if page = got.GetNextPageToken(); page == "" {
			break
		}
	}
	if want := []string{"1.txt 7", "2.txt 7", "deep/3.txt 7"}; !slices.Equal(keys, want) {
		t.Errorf("it lists %v", keys)
	}
	for _, key := range []string{"../out.txt", "/out.txt", "x/../../out.txt", "4.txt", "..", "deep/", strings.Repeat("x", 1000)} {
		_, err := l.open(made.GetToken(), ofKey(key))
		refused(t, err, errs.NotFound, "SHARE_OBJECT_NOT_FOUND")
	}
	got, err := l.open(made.GetToken(), ofKey("deep/3.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := l.get(got.GetDownload().GetUrl()); status != 200 || body != "content" {
		t.Errorf("the URL: %d %s", status, body)
	}
	_, err = l.open(made.GetToken())
	refused(t, err, errs.NotFound, "SHARE_NOT_FOUND") // one download was all
	for path, scope := range map[string]storagev1.ShareScope{"in": ofPrefix, "/in/": ofPrefix, "": ofObject, "up*/": forUpload, "a/../": ofPrefix} {
		_, err := l.shares.CreateShare(l.as(l.acc), &storagev1.CreateShareRequest{AccountId: l.acc, Bucket: l.bucket, Scope: scope, Path: path})
		refused(t, err, errs.InvalidArgument, "SHARE_INVALID")
	}
}

func TestAPasswordIsAskedForAndGuessingEndsSoon(t *testing.T) {
	t.Parallel() // it waits most of its time
	l := newLinks(t)
	l.put(l.bucket, "k")
	made := l.share(ofObject, "k", func(r *storagev1.CreateShareRequest) { r.Password = "open sesame" })
	token, id := made.GetToken(), made.GetShare().GetId()
	if !made.GetShare().GetPasswordProtected() || strings.Contains(made.String(), "sesame") {
		t.Errorf("made %v", made)
	}
	if stored := l.row(`select password_hash from storage.object_share where id = $1`, id); !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the password is kept as %s", stored)
	}
	_, err := l.open(token)
	refused(t, err, errs.PermissionDenied, "SHARE_PASSWORD_MISSING")
	if _, err := l.open(token, withPassword("open sesame")); err != nil {
		t.Fatal(err)
	}
	// Many at once are no more than allowed: of eight, five are compared.
	var mu sync.Mutex
	reasons := map[string]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := l.open(token, withPassword("open simsim"))
			mu.Lock()
			defer mu.Unlock()
			reasons[errs.ReasonOf(err)]++
		})
	}
	all.Wait()
	if reasons["SHARE_PASSWORD_WRONG"] != 5 || reasons["SHARE_PASSWORD_LIMITED"] != 3 {
		t.Errorf("refused with %v", reasons)
	}
	_, err = l.open(token, withPassword("open sesame"))
	if e := refused(t, err, errs.ResourceExhausted, "SHARE_PASSWORD_LIMITED"); e.RetryAfter() <= 0 || e.RetryAfter() > 15*time.Minute {
		t.Errorf("to wait for %s", e.RetryAfter())
	}
	if _, err := l.openAt("198.51.100.1", token, withPassword("open sesame")); err != nil {
		t.Errorf("somebody else with the password: %v", err)
	}
	log := l.log(id)
	if n := len(log); n != 12 || log[0] != "PASSWORD_MISSING "+office || log[1] != "DOWNLOAD "+office+" k" || log[11] != "DOWNLOAD 198.51.100.1 k" {
		t.Errorf("the log says %v", log)
	}
	t.Run("and of all addresses together", func(t *testing.T) {
		refusals := map[string]int{}
		for i := range 60 {
			_, err := l.openAt(fmt.Sprintf("2001:db8:%x::1", i), token, withPassword("guess"))
			refusals[errs.ReasonOf(err)]++
		}
		if refusals["SHARE_PASSWORD_WRONG"] != 45 || refusals["SHARE_PASSWORD_LIMITED"] != 15 {
			t.Errorf("refused with %v", refusals)
		}
	})
	t.Run("another password works at once, and none too", func(t *testing.T) {
		fresh := l.share(ofObject, "k", func(r *storagev1.CreateShareRequest) { r.Password = "first password" })
		update := func(password string) {
			t.Helper()
			_, err := l.shares.UpdateShare(withKey(l.as(l.acc), "p-"+random()), &storagev1.UpdateShareRequest{
				AccountId: l.acc, ShareId: fresh.GetShare().GetId(), Share: &storagev1.Share{Password: password},
				UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"password"}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		update("second password")
		_, err := l.open(fresh.GetToken(), withPassword("first password"))
		refused(t, err, errs.PermissionDenied, "SHARE_PASSWORD_WRONG")
		if _, err := l.open(fresh.GetToken(), withPassword("second password")); err != nil {
			t.Error(err)
		}
		update("")
		if _, err := l.open(fresh.GetToken()); err != nil {
			t.Error(err)
		}
	})
}

func TestAUseLimitIsExact(t *testing.T) {
	l := newLinks(t)
	l.put(l.bucket, "k")
	made := l.share(ofObject, "k", func(r *storagev1.CreateShareRequest) { r.UseLimit = 7 })
	var mu sync.Mutex
	urls, reasons := map[string]bool{}, map[string]int{}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			got, err := l.open(made.GetToken())
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				reasons[errs.ReasonOf(err)]++
				return
			}
			urls[got.GetDownload().GetUrl()+fmt.Sprint(len(urls))] = true
		})
	}
	all.Wait()
	if len(urls) != 7 || reasons["SHARE_NOT_FOUND"] != 13 {
		t.Errorf("%d were let through, the others got %v", len(urls), reasons)
	}
	counts := map[string]int{}
	for _, line := range l.log(made.GetShare().GetId()) {
		counts[strings.Fields(line)[0]]++
	}
	if counts["DOWNLOAD"] != 7 || counts["USED_UP"] != 13 {
		t.Errorf("the log counts %v", counts)
	}
	read, err := l.shares.GetShare(l.as(l.acc), &storagev1.GetShareRequest{AccountId: l.acc, ShareId: made.GetShare().GetId()})
	if err != nil || read.GetShare().GetState() != storagev1.ShareState_SHARE_STATE_USED_UP || read.GetShare().GetUseCount() != 7 {
		t.Errorf("read %v, %v", read, err)
	}
	_, err = l.shares.UpdateShare(l.as(l.acc), &storagev1.UpdateShareRequest{
		AccountId: l.acc, ShareId: made.GetShare().GetId(), Share: &storagev1.Share{UseLimit: 8}, Etag: read.GetShare().GetEtag(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.open(made.GetToken()); err != nil {
		t.Errorf("with one more: %v", err)
	}
	if n := l.row(`select count(*)::text from storage.outbox where type = 'primecloud.storage.audit.recorded.v1' and position('share.download'::bytea in payload) > 0`); n != "8" {
		t.Errorf("%s downloads stand in the trail", n)
	}
}

func TestALinkEnds(t *testing.T) {
	t.Parallel() // it waits most of its time
	l := newLinks(t)
	l.put(l.bucket, "k")
	ends := func(token, outcome, id string) {
		t.Helper()
		_, err := l.open(token)
		refused(t, err, errs.NotFound, "SHARE_NOT_FOUND")
		if log := l.log(id); log[len(log)-1] != outcome+" "+office {
			t.Errorf("the log says %v", log)
		}
	}
	t.Run("at its time", func(t *testing.T) {
		made := l.share(ofObject, "k", func(r *storagev1.CreateShareRequest) {
			r.ExpireTime = timestamppb.New(time.Now().Add(1500 * time.Millisecond))
		})
		if _, err := l.open(made.GetToken()); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, 10*time.Second, func() error {
			if _, err := l.open(made.GetToken()); errs.ReasonOf(err) != "SHARE_NOT_FOUND" {
				return fmt.Errorf("it works on: %v", err)
			}
			return nil
		})
		ends(made.GetToken(), "EXPIRED", made.GetShare().GetId())
		_, err := l.shares.UpdateShare(l.as(l.acc), &storagev1.UpdateShareRequest{
			AccountId: l.acc, ShareId: made.GetShare().GetId(), Share: &storagev1.Share{}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"expire_time"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.open(made.GetToken()); err != nil {
			t.Errorf("for ever: %v", err)
		}
	})
	t.Run("at once when it is revoked, for good", func(t *testing.T) {
		made := l.share(ofObject, "k")
		id := made.GetShare().GetId()
		for range 2 {
			got, err := l.shares.RevokeShare(l.as(l.acc), &storagev1.RevokeShareRequest{AccountId: l.acc, ShareId: id})
			if err != nil || got.GetShare().GetState() != storagev1.ShareState_SHARE_STATE_REVOKED || got.GetShare().GetEtag() != "2" {
				t.Errorf("%v, %v", got, err)
			}
		}
		ends(made.GetToken(), "REVOKED", id)
		_, err := l.shares.UpdateShare(l.as(l.acc), &storagev1.UpdateShareRequest{AccountId: l.acc, ShareId: id, Share: &storagev1.Share{UseLimit: 5}})
		refused(t, err, errs.FailedPrecondition, "SHARE_REVOKED")
	})
	t.Run("outside of its networks, as the gateway asserts the address", func(t *testing.T) {
		made := l.share(ofObject, "k", func(r *storagev1.CreateShareRequest) {
			r.AllowedNetworks = []string{"198.51.100.0/24", "2001:db8::/32"}
		})
		ends(made.GetToken(), "NETWORK", made.GetShare().GetId())
		for _, inside := range []string{"198.51.100.77", "2001:db8::5", "::ffff:198.51.100.77"} {
			if _, err := l.openAt(inside, made.GetToken()); err != nil {
				t.Errorf("from %s: %v", inside, err)
			}
		}
		// Whoever is not the gateway is where they are, whatever they say.
		_, err := l.shares.ResolveShare(l.visitor("198.51.100.77"), &storagev1.ResolveShareRequest{Token: made.GetToken()})
		refused(t, err, errs.NotFound, "SHARE_NOT_FOUND")
		for _, wrong := range []string{"198.51.100.1/24", "everywhere", "::ffff:10.0.0.0/104"} {
			_, err := l.shares.CreateShare(l.as(l.acc), &storagev1.CreateShareRequest{AccountId: l.acc, Bucket: l.bucket, Scope: ofObject, Path: "k", AllowedNetworks: []string{wrong}})
			refused(t, err, errs.InvalidArgument, "SHARE_INVALID")
		}
	})
	t.Run("with its account, and comes back with it; URLs in hand too", func(t *testing.T) {
		made := l.share(ofObject, "k")
		got, err := l.open(made.GetToken())
		if err != nil {
			t.Fatal(err)
		}
		l.says(stands(l.acc, "suspended", suspended, 5))
		testkit.Eventually(t, 20*time.Second, func() error {
			_, err := l.open(made.GetToken())
			if status, _ := l.get(got.GetDownload().GetUrl()); status != 403 || errs.ReasonOf(err) != "SHARE_NOT_FOUND" {
				return fmt.Errorf("the URL gets %d, the link %v", status, err)
			}
			return nil
		})
		ends(made.GetToken(), "ACCOUNT_STOPPED", made.GetShare().GetId())
		l.says(stands(l.acc, "restored", active, 6))
		testkit.Eventually(t, 20*time.Second, func() error {
			got, err := l.open(made.GetToken())
			if err != nil {
				return err
			}
			if status, _ := l.get(got.GetDownload().GetUrl()); status != 200 {
				return fmt.Errorf("the URL gets %d", status)
			}
			return nil
		})
	})
	t.Run("with its bucket, also when another one takes the name", func(t *testing.T) {
		short := name()
		l.create(l.acc, short)
		made := l.share(ofPrefix, "", func(r *storagev1.CreateShareRequest) { r.Bucket = short })
		if _, err := l.open(made.GetToken()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.buckets.DeleteBucket(l.as(l.acc), &storagev1.DeleteBucketRequest{AccountId: l.acc, Bucket: short}); err != nil {
			t.Fatal(err)
		}
		_, err := l.open(made.GetToken())
		refused(t, err, errs.NotFound, "SHARE_NOT_FOUND")
		l.gone(short)
		l.create(l.acc, short)
		_, err = l.open(made.GetToken())
		refused(t, err, errs.NotFound, "SHARE_NOT_FOUND")
		if n := l.row(`select count(*)::text from storage.outbox where type = 'primecloud.storage.share.revoked.v1'`); n != "2" {
			t.Errorf("%s ends were told", n)
		}
	})
}

func TestAnUploadLinkPutsNewObjectsBelowItsPrefixAndCanDoNothingElse(t *testing.T) {
	l := newLinks(t)
	l.put(l.bucket, "drop/there.txt")
	made := l.share(forUpload, "drop/", func(r *storagev1.CreateShareRequest) { r.MaxUploadBytes = 100 })
	seen, err := l.open(made.GetToken())
	if err != nil || len(seen.GetObjects()) != 0 || seen.GetDownload() != nil || seen.GetMaxUploadBytes() != 100 {
		t.Errorf("it shows %v, %v", seen, err)
	}
	_, err = l.open(made.GetToken(), asUpload("there.txt", 101))
	refused(t, err, errs.InvalidArgument, "SHARE_INVALID")
	got, err := l.open(made.GetToken(), asUpload("there.txt", 4))
	if err != nil {
		t.Fatal(err)
	}
	up := got.GetUpload()
	if left := time.Until(up.GetExpireTime().AsTime()); left > 5*time.Minute || left < 4*time.Minute || !strings.HasSuffix(up.GetKey(), "-there.txt") || len(up.GetKey()) != 23 {
		t.Errorf("for %s: %s", left, up.GetKey())
	}
	if !strings.HasPrefix(up.GetUrl(), seen.GetUploadEndpoint()+"/") || seen.GetUploadEndpoint() == "" {
		t.Errorf("it goes to another place than %s", seen.GetUploadEndpoint())
	}
	for what, url := range map[string]string{
		"another key":      strings.Replace(up.GetUrl(), up.GetKey(), "there.txt", 1),
		"above the prefix": strings.Replace(up.GetUrl(), "drop/"+up.GetKey(), "out.txt", 1),
		"dots":             strings.Replace(up.GetUrl(), "drop/"+up.GetKey(), "drop/../out.txt", 1),
	} {
		if status, answer, _ := send(t, "PUT", url, "evil", up.GetHeaders()); status < 400 {
			t.Errorf("%s: %d %s", what, status, answer)
		}
	}
	if status, answer := l.putTo(up, "mine and more"); status < 400 {
		t.Errorf("another size: %d %s", status, answer)
	}
	if status, answer, _ := send(t, "PUT", up.GetUrl(), "mine", nil); status < 400 {
		t.Errorf("without its headers: %d %s", status, answer)
	}
	if status, answer := l.putTo(up, "mine"); status != 200 {
		t.Fatalf("the URL: %d %s", status, answer)
	}
	if status, answer := l.putTo(up, "evil"); status != 412 {
		t.Errorf("once more it is overwritten: %d %s", status, answer)
	}
	if l.content("drop/"+up.GetKey()) != "mine" || l.content("drop/there.txt") != "content" {
		t.Errorf("it wrote %q, and there stands %q", l.content("drop/"+up.GetKey()), l.content("drop/there.txt"))
	}
	for _, url := range []string{up.GetUrl(), strings.Replace(up.GetUrl(), up.GetKey(), "there.txt", 1)} {
		if status, _ := l.get(url); status < 400 {
			t.Errorf("it reads what stands there: %d", status)
		}
	}
	_, err = l.open(made.GetToken(), ofKey("there.txt"))
	if err != nil {
		t.Errorf("a key means nothing to an upload: %v", err)
	}
	for _, bad := range []string{"a/b", `a\b`, "..", "a*", strings.Repeat("x", 151), "a\x01"} {
		_, err := l.open(made.GetToken(), asUpload(bad, 1))
		refused(t, err, errs.InvalidArgument, "SHARE_INVALID")
	}
	again, err := l.open(made.GetToken(), asUpload("there.txt", 0))
	if err != nil || again.GetUpload().GetKey() == up.GetKey() {
		t.Errorf("the same name again: %v, %v", again.GetUpload().GetKey(), err)
	}
	want := []string{"SHOWN " + office, "UPLOAD " + office + " drop/" + up.GetKey(), "SHOWN " + office, "UPLOAD " + office + " drop/" + again.GetUpload().GetKey()}
	if log := l.log(made.GetShare().GetId()); !slices.Equal(log, want) {
		t.Errorf("the log says %v", log)
	}
}
