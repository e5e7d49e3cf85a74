package audithook_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/audithook"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
)

// deliver sends a body and returns the status and what was heard.
func deliver(t *testing.T, token, body string) (int, []lastuse.Heard) {
	t.Helper()
	var heard []lastuse.Heard
	handler := audithook.Handler(audithook.Config{Token: "token", Hear: func(h lastuse.Heard) { heard = append(heard, h) }})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	request.Header.Set("Authorization", token)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer.Code, heard
}

const put = `{"time":"2026-11-28T03:00:00Z","api":{"name":"PutObject","statusCode":200},"remotehost":"192.0.2.1","accessKey":"K"}`

func TestADelivery_is_heard_entry_by_entry(t *testing.T) {
	for name, body := range map[string]string{"one": put, "a batch": put + "\n" + put} {
		status, heard := deliver(t, "token", body)
		if status != http.StatusOK || len(heard) != strings.Count(body, "PutObject") || heard[0].KeyID != "K" || heard[0].Operation != "PutObject" || heard[0].Address != "192.0.2.1" {
			t.Errorf("%s: %d %v", name, status, heard)
		}
	}
}

func TestWhat_is_no_use_is_let_go(t *testing.T) {
	for name, body := range map[string]string{
		"refused":     strings.Replace(put, "200", "403", 1),
		"nobody's":    strings.Replace(put, `"K"`, `""`, 1),
		"a location":  strings.Replace(put, "PutObject", "GetBucketLocation", 1),
		"our trial":   strings.Replace(put, `"api"`, `"requestQuery":{"prefix":"team/primecloud-nowhere/"},"api"`, 1),
		"without any": `{}`,
	} {
		if status, heard := deliver(t, "token", body); status != http.StatusOK || len(heard) != 0 {
			t.Errorf("%s: %d %v", name, status, heard)
		}
	}
}

func TestA_text_is_kept_as_what_a_database_takes(t *testing.T) {
	for sent, want := range map[string]string{
		strings.Repeat("a", 63) + "é": strings.Repeat("a", 63),
		`Put\u0000Object`:             "PutObject",
		strings.Repeat("b", 70):       strings.Repeat("b", 64),
		"PutObject":                   "PutObject",
	} {
		if _, heard := deliver(t, "token", strings.Replace(put, "PutObject", sent, 1)); len(heard) != 1 || heard[0].Operation != want {
			t.Errorf("%q is kept as %v", sent, heard)
		}
	}
}

func TestAStranger_and_rubbish_are_refused(t *testing.T) {
	if status, heard := deliver(t, "other", put); status != http.StatusForbidden || len(heard) != 0 {
		t.Errorf("%d %v", status, heard)
	}
	if status, _ := deliver(t, "token", "{"); status != http.StatusBadRequest {
		t.Errorf("%d", status)
	}
}
