package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// share makes a public link with a password and opens it like somebody who was sent it.
func (d *Demo) share(ctx context.Context) error {
	const password = "correct horse"
	var made struct {
		Token string
		Share struct{ ID string }
	}
	_, err := d.web.Call(ctx, http.MethodPost, "/v1/accounts/"+d.account+"/buckets/"+d.bucket+"/shares", map[string]any{
		"displayName": "a note", "scope": "SHARE_SCOPE_OBJECT", "path": "inbox/note.txt", "password": password, "useLimit": "2",
	}, &made, webclient.Key("demo-share-"+d.suffix))
	if err != nil {
		return err
	}
	visitor := webclient.New(d.target.Gateway)
	link := visitor.Base() + "/s/" + made.Token
	for _, step := range []struct {
		what     string
		password string
		want     int
		says     string
	}{
		{"without the password", "", http.StatusForbidden, "asks for a password"},
		{"with a wrong one", "battery staple", http.StatusForbidden, "was not the password"},
		{"with the right one", password, http.StatusOK, "note.txt"},
		{"once more, by the browser that gave it", "", http.StatusOK, "uploaded by URL"},
		{"a third time, where two are allowed", "", http.StatusNotFound, "leads nowhere"},
	} {
		status, body, err := open(ctx, visitor, link, step.password)
		if err != nil {
			return err
		}
		if status != step.want || !strings.Contains(body, step.says) {
			return fmt.Errorf("the link %s: HTTP %d %s", step.what, status, body)
		}
		d.show("the link %s: HTTP %d", step.what, status)
	}
	return d.unshare(ctx, made.Token, made.Share.ID)
}

// open opens a link as a browser does, and sends the password when there is one.
func open(ctx context.Context, visitor *webclient.Client, link, password string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if password != "" {
		form := url.Values{"password": {password}}.Encode()
		request, err = http.NewRequestWithContext(ctx, http.MethodPost, link, strings.NewReader(form))
	}
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := visitor.HTTP().Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// unshare revokes the link, and shows what its owner sees of it.
func (d *Demo) unshare(ctx context.Context, token, id string) error {
	at := "/v1/accounts/" + d.account + "/shares/" + id
	if _, err := d.web.Call(ctx, http.MethodPost, at+":revoke", map[string]any{}, nil); err != nil {
		return err
	}
	_, err := webclient.New(d.target.Gateway).Call(ctx, http.MethodPost, "/v1/shares:resolve", map[string]string{"token": token}, nil)
	var status *webclient.Status
	if !errors.As(err, &status) || status.Reason() != "SHARE_NOT_FOUND" {
		return fmt.Errorf("a revoked link: %w", err)
	}
	var log struct{ ShareAccesses []struct{ Outcome string } }
	if _, err := d.web.Call(ctx, http.MethodGet, at+"/accesses", nil, &log); err != nil {
		return err
	}
	var outcomes []string
	for _, entry := range log.ShareAccesses {
		outcomes = append(outcomes, strings.TrimPrefix(entry.Outcome, "OUTCOME_"))
	}
	d.show("revoked: %s; its access log, newest first: %s", status.Reason(), strings.Join(outcomes, ", "))
	return nil
}
