package minio_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// localVerbs are methods of the administration client that send nothing.
var localVerbs = map[string]bool{
	"CredContext": true, "GetAccessAndSecretKey": true, "GetEndpointURL": true,
	"SetAppInfo": true, "SetCustomTransport": true, "TraceOff": true, "TraceOn": true,
	// These answer from the client's own code.
	"GenerateBatchJob": true, "GetSupportedBatchJobTypes": true,
}

// arguments are what a verb is called with where made-up values would not get past the
// client itself.
func arguments(one tenant) map[string][]any {
	pool := madmin.PolicyAssociationReq{Policies: []string{"consoleAdmin"}, User: one.user}
	tier := &madmin.TierConfig{Version: "v1", Type: madmin.MinIO, Name: "COLD", MinIO: &madmin.TierMinIO{
		Endpoint: "http://127.0.0.1:1", AccessKey: "a", SecretKey: "b", Bucket: "c",
	}}
	target := &madmin.BucketTarget{SourceBucket: one.bucket, TargetBucket: "other", Endpoint: "127.0.0.1:1", Type: madmin.ReplicationService, Credentials: &madmin.Credentials{AccessKey: "a", SecretKey: "b"}}
	job := "replicate:\n  apiVersion: v1\n"
	return map[string][]any{
		"AddServiceAccount":     {madmin.AddServiceAccountReq{}},
		"AddServiceAccountLDAP": {madmin.AddServiceAccountReq{}},
		"AddOrUpdateIDPConfig":  {madmin.OpenidIDPCfg, "x", "client_id=x", false},
		"AddTier":               {tier},
		"AddTierIgnoreInUse":    {tier},
		"AddUser":               {"made-by-a-tenant", "made-by-a-tenant"},
		"SetUser":               {"made-by-a-tenant", "made-by-a-tenant", madmin.AccountEnabled},
		"AttachPolicy":          {pool},
		"DetachPolicy":          {pool},
		"AttachPolicyLDAP":      {pool},
		"DetachPolicyLDAP":      {pool},
		"AddCannedPolicy":       {"mine", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}`)},
		"SetPolicy":             {"consoleAdmin", one.user, false},
		"DeleteServiceAccount":  {one.key},
		"InfoServiceAccount":    {one.key},
		"UpdateServiceAccount":  {one.key, madmin.UpdateServiceAccountReq{NewPolicy: []byte(`{}`)}},
		"InfoAccessKey":         {one.key},
		"TemporaryAccountInfo":  {one.key},
		"GetUserInfo":           {one.user},
		"RemoveUser":            {one.user},
		"SetUserStatus":         {one.user, madmin.AccountEnabled},
		"ListServiceAccounts":   {one.user},
		"ListAccessKeysBulk":    {[]string{one.user}, madmin.ListAccessKeysOpts{ListType: madmin.AccessKeyListAll}},
		"InfoCannedPolicy":      {one.policy},
		"InfoCannedPolicyV2":    {one.policy},
		"RemoveCannedPolicy":    {one.policy},
		"DeleteIDPConfig":       {madmin.OpenidIDPCfg, "x"},
		"GetIDPConfig":          {madmin.OpenidIDPCfg, "x"},
		"ListIDPConfig":         {madmin.OpenidIDPCfg},
		"EditTier":              {"COLD", madmin.TierCreds{AccessKey: "a", SecretKey: "b"}},
		"ExecuteMethod":         {http.MethodGet, madmin.RequestData{RelPath: "/v3/info"}},
		"ForceUnlock":           {one.bucket + "/k"},
		"GetBucketQuota":        {one.bucket},
		"SetBucketQuota":        {one.bucket, &madmin.BucketQuota{Quota: 1 << 50, Size: 1 << 50, Type: madmin.HardQuota}},
		"BucketScanInfo":        {one.bucket},
		"BucketReplicationDiff": {one.bucket, madmin.ReplDiffOpts{}},
		"BucketReplicationMRF":  {one.bucket, ""},
		"ExportBucketMetadata":  {one.bucket},
		"Heal":                  {one.bucket, "", madmin.HealOpts{}, "", false, false},
		"ImportBucketMetadata":  {one.bucket, io.NopCloser(strings.NewReader("x"))},
		"ImportIAM":             {io.NopCloser(strings.NewReader("x"))},
		"ImportIAMV2":           {io.NopCloser(strings.NewReader("x"))},
		"Inspect":               {madmin.InspectOptions{Volume: one.bucket, File: "k/xl.meta"}},
		"ListRemoteTargets":     {one.bucket, string(madmin.ReplicationService)},
		"SetRemoteTarget":       {one.bucket, target},
		"UpdateRemoteTarget":    {&madmin.BucketTarget{SourceBucket: one.bucket, TargetBucket: "other", Arn: "arn:minio:replication::x:other", Endpoint: "127.0.0.1:1", Type: madmin.ReplicationService, Credentials: &madmin.Credentials{AccessKey: "a", SecretKey: "b"}}, madmin.CredentialsUpdateType},
		"RemoveRemoteTarget":    {one.bucket, "arn:minio:replication::x:other"},
		"ObjectSummary":         {madmin.ObjectSummaryOptions{Bucket: one.bucket, Object: "k"}},
		"Profile":               {madmin.ProfilerCPU, time.Second},
		"StartProfiling":        {madmin.ProfilerCPU},
		"RevokeTokens":          {madmin.RevokeTokensReq{User: one.user, FullRevoke: true}},
		"RevokeTokensLDAP":      {madmin.RevokeTokensReq{User: one.user, FullRevoke: true}},
		"SetConfig":             {strings.NewReader("x")},
		"SetConfigKV":           {"scanner speed=fast"},
		"SetGroupStatus":        {"g", madmin.GroupEnabled},
		"UpdateGroupMembers":    {madmin.GroupAddRemove{Group: "g", Members: []string{one.user}}},
		"StartBatchJob":         {job},
		"GenerateBatchJobV2":    {madmin.GenerateBatchJobOpts{Type: madmin.BatchJobReplicate}},
		"SiteReplicationAdd":    {[]madmin.PeerSite{{Name: "a", Endpoint: "http://127.0.0.1:1"}}, madmin.SRAddOptions{}},
		"Speedtest":             {madmin.SpeedtestOpts{Size: 1, Concurrency: 1, Duration: 2 * time.Second}},
		"ServiceAction":         {madmin.ServiceActionOpts{Action: madmin.ServiceActionRestart}},
		"ServerHealthInfo":      {[]madmin.HealthDataType{madmin.HealthDataTypeSysCPU}, time.Second, ""},
		"SRPeerBucketOps":       {one.bucket, madmin.MakeWithVersioningBktOp, map[string]string{}},
		"HelpConfigKV":          {"scanner", "", false},
		"ListConfigHistoryKV":   {1},
	}
}

// madeUp returns the arguments of a verb: those given, else values made up from their types.
func madeUp(t testing.TB, ctx context.Context, method reflect.Method, given []any) []reflect.Value {
	t.Helper()
	var in []reflect.Value
	kind := method.Type
	for i := 1; i < kind.NumIn(); i++ { // 0 is the receiver
		of := kind.In(i)
		if of == reflect.TypeFor[context.Context]() {
			in = append(in, reflect.ValueOf(ctx))
			continue
		}
		if len(given) > 0 {
			in, given = append(in, reflect.ValueOf(given[0])), given[1:]
			continue
		}
		if kind.IsVariadic() && i == kind.NumIn()-1 {
			break
		}
		in = append(in, value(t, of))
	}
	return in
}

// value makes up a value of a type.
func value(t testing.TB, of reflect.Type) reflect.Value {
	t.Helper()
	switch of {
	case reflect.TypeFor[io.ReadCloser](), reflect.TypeFor[io.Reader]():
		return reflect.ValueOf(io.NopCloser(strings.NewReader("x")))
	case reflect.TypeFor[time.Duration]():
		return reflect.ValueOf(time.Second)
	case reflect.TypeFor[*rsa.PrivateKey]():
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return reflect.ValueOf(key)
	}
	switch of.Kind() {
	case reflect.String:
		return reflect.ValueOf("x").Convert(of)
	case reflect.Slice:
		if of.Elem().Kind() != reflect.Uint8 {
			return reflect.MakeSlice(of, 1, 1)
		}
		return reflect.ValueOf([]byte("x")).Convert(of)
	case reflect.Pointer:
		return reflect.New(of.Elem())
	case reflect.Chan:
		return reflect.MakeChan(reflect.ChanOf(reflect.BothDir, of.Elem()), 16).Convert(of)
	case reflect.Func:
		return reflect.MakeFunc(of, func([]reflect.Value) []reflect.Value { return nil })
	default:
		return reflect.Zero(of)
	}
}

// listener is a transport that notes the answer to the first request and ends the call.
type listener struct {
	cancel context.CancelFunc

	mu           sync.Mutex
	method, path string
	answer       string
}

func (l *listener) RoundTrip(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answer != "" {
		return nil, errors.New("one request is enough")
	}
	defer l.cancel()
	l.method, l.path = req.Method, req.URL.Path
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		l.answer = "no answer: " + err.Error()
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	if res.StatusCode < 300 {
		l.answer = allowed
	} else if l.answer = fmt.Sprintf("%d %s", res.StatusCode, codeIn(body)); absent[l.answer] {
		l.answer = "absent"
	}
	return res, err
}

// absent are the server's answers to a path that it does not have.
var absent = map[string]bool{"426 XMinioAdminVersionMismatch": true, "400 BadRequest": true}

// allowed is the answer to a request that was done.
const allowed = "allowed"

// codeIn returns the code in an error's body.
func codeIn(body []byte) string {
	for _, mark := range [][2]string{{`"Code":"`, `"`}, {"<Code>", "</Code>"}} {
		if _, rest, ok := bytes.Cut(body, []byte(mark[0])); ok {
			code, _, _ := bytes.Cut(rest, []byte(mark[1]))
			return string(code)
		}
	}
	return "without a code"
}

// verb is a method of the administration client with arguments.
type verb struct {
	reflect.Method
	given []any
}

// answer is what was asked of the server, and what came back.
type answer struct{ request, said string }

// ask calls a verb with a key.
func (v verb) ask(t testing.TB, host, id, secret string) answer {
	t.Helper()
	return v.askAs(t, host, credentials.NewStaticV4(id, secret, ""))
}

// askAs calls a verb with credentials of any kind.
func (v verb) askAs(t testing.TB, host string, creds *credentials.Credentials) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	l := &listener{cancel: cancel}
	adm, err := madmin.NewWithOptions(host, &madmin.Options{Creds: creds, Transport: l})
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				t.Errorf("%s panics; give it arguments: %v", v.Name, r)
			}
		}()
		v.call(t, ctx, adm)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		// Some verbs send their error to a channel that nobody can have yet: they never return.
		select {
		case <-done:
		case <-time.After(300 * time.Millisecond):
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answer == "" {
		t.Errorf("%s asks nothing of the server: give it arguments, or say that it is local", v.Name)
	}
	return answer{request: l.method + " " + l.path, said: l.answer}
}

func (v verb) call(t testing.TB, ctx context.Context, adm *madmin.AdminClient) {
	if path, ok := endless[v.Name]; ok {
		_, _ = adm.ExecuteMethod(ctx, http.MethodPost, madmin.RequestData{RelPath: path})
		return
	}
	in := append([]reflect.Value{reflect.ValueOf(adm)}, madeUp(t, ctx, v.Method, v.given)...)
	for _, out := range v.Func.Call(in) {
		if out.Kind() != reflect.Chan || out.IsNil() {
			continue
		}
		for {
			if _, ok := out.Recv(); !ok {
				break
			}
		}
	}
}

// endless are verbs that read a body without an end before they send anything; their
// paths are asked directly.
var endless = map[string]string{"ClientPerf": "/v3/speedtest/client/devnull"}
