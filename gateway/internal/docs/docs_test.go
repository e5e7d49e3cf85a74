package docs_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/gateway/internal/docs"
	"github.com/primecloud/primecloud/proto/openapi"
)

func get(t *testing.T, d *docs.Docs, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if len(header) == 2 {
		r.Header.Set(header[0], header[1])
	}
	if !d.Has(path) {
		t.Fatalf("there is no page %s", path)
	}
	d.ServeHTTP(w, r)
	return w
}

func TestThe_page_shows_the_contract_and_needs_nothing_from_elsewhere(t *testing.T) {
	d, err := docs.New(openapi.JSON)
	if err != nil {
		t.Fatal(err)
	}
	page := get(t, d, "/docs")
	body := page.Body.String()
	for _, want := range []string{
		"/v1/accounts/{account_id}/buckets/{bucket}", "CreateBucket", "Idempotency-Key", "If-Match", "BUCKET_NOT_EMPTY", "/auth/login", "int64, as a string",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if found := regexp.MustCompile(`(?i)<script|(src|href)="(https?:)?//|\son\w+=|style="`).FindString(body); found != "" {
		t.Errorf("the page holds %q", found)
	}
	if policy := page.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'; style-src 'self'") {
		t.Errorf("the policy is %q", policy)
	}
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(`id="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if ids[id[1]] {
			t.Errorf("%s is there twice", id[1])
		}
		ids[id[1]] = true
	}
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if !ids[link[1]] {
			t.Errorf("a link leads to %s, which is not there", link[1])
		}
	}
}

func TestA_page_that_did_not_change_is_not_sent_again(t *testing.T) {
	d, err := docs.New(openapi.JSON)
	if err != nil {
		t.Fatal(err)
	}
	first := get(t, d, "/openapi.json")
	if first.Code != http.StatusOK || first.Body.String() != string(openapi.JSON) {
		t.Fatalf("got HTTP %d", first.Code)
	}
	if again := get(t, d, "/openapi.json", "If-None-Match", first.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("got HTTP %d with %d bytes", again.Code, again.Body.Len())
	}
}

func TestText_of_the_document_is_no_markup(t *testing.T) {
	d, err := docs.New([]byte(`{"info": {"title": "<b>", "description": "a <script>alert(1)</script> **x<i>** ` + "`<u>`" + `"},
		"tags": [{"name": "T", "description": "<s>"}],
		"paths": {"/<p>": {"get": {"operationId": "\"><img>", "tags": ["T"], "parameters": [{"name": "<n>", "schema": {"$ref": "#/x/<r>"}}], "responses": {}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	body := get(t, d, "/docs").Body.String()
	if found := regexp.MustCompile(`<(b|script|i|u|s|p>"|img|n|r)>`).FindString(body); found != "" {
		t.Errorf("the page holds %s", found)
	}
}
