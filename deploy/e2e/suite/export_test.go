package suite_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
	"github.com/primecloud/primecloud/services/identity"
)

// file downloads something as a browser does.
func file(t *testing.T, client *webclient.Client, path string) (http.Header, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, client.Base()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.HTTP().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: HTTP %d %.300s, %v", path, response.StatusCode, body, err)
	}
	return response.Header, body
}

func TestAnExportOfTheAuditTrailVerifiesAndOneChangedByteOrAMissingTailMakesItFail(t *testing.T) {
	client := browser(t, anna)
	account := newAccount(t, client)
	newAPIKey(t, client, account, "ROLE_VIEWER", "storage.read")
	told(t, client, account, "account.create SUCCEEDED", "api_key.create SUCCEEDED")
	keys := filepath.Join(t.TempDir(), "keys.json")
	_, set := file(t, client, "/v1/auditKeySet")
	if err := os.WriteFile(keys, set, 0o600); err != nil {
		t.Fatal(err)
	}
	verify := func(export []byte) (string, error) {
		var out bytes.Buffer
		err := identity.VerifyExport(bytes.NewReader(export), identity.TrailCheck{Keys: keys}, &out)
		return out.String(), err
	}
	for format, media := range map[string]string{"FORMAT_JSON_LINES": "application/jsonl", "FORMAT_CSV": "text/csv; charset=utf-8"} {
		header, export := file(t, client, "/v1/accounts/"+account+"/auditEntries:export?format="+format)
		if got := header.Get("Content-Type"); got != media {
			t.Errorf("%s comes as %q", format, got)
		}
		if out, err := verify(export); err != nil || !strings.Contains(out, account) {
			t.Errorf("%s: %v, %s", format, err, out)
		}
		changed := bytes.Replace(export, []byte("api_key.create"), []byte("api_key.treate"), 1)
		if _, err := verify(changed); err == nil || bytes.Equal(changed, export) {
			t.Errorf("%s: one changed byte is not noticed", format)
		}
		tail := bytes.LastIndexByte(bytes.TrimSuffix(export, []byte("\n")), '\n') + 1
		if _, err := verify(export[:tail]); err == nil {
			t.Errorf("%s: a missing tail is not noticed", format)
		}
	}
	_, err := client.Call(t.Context(), http.MethodGet, "/v1/accounts/"+account+"/auditEntries:export?after_sequence=1000000", nil, nil)
	refused(t, err, http.StatusBadRequest, "SEQUENCE_INVALID")
}
