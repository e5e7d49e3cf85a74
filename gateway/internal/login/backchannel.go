package login

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"

	"github.com/primecloud/primecloud/gateway/internal/call"
	"github.com/primecloud/primecloud/gateway/internal/fault"
	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/rpc"
	identityv1 "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
)

// maxLogout is the largest form with a logout token, in bytes.
const maxLogout = 32 << 10

// Backchannel serves POST /auth/backchannel-logout: a provider says that somebody logged out
// there (OpenID Connect Back-Channel Logout 1.0), and identity ends their sessions. Tokens
// that are cached here end with them, since every service refuses those. Errors are in the
// form of that standard.
func (l *Login) Backchannel(ctx context.Context, w http.ResponseWriter, r *http.Request, k *call.Call) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, maxLogout)
	if err != nil || media != "application/x-www-form-urlencoded" || r.ParseForm() != nil || len(r.PostForm["logout_token"]) != 1 {
		l.refuse(w, k, fault.ErrRequestInvalid.WithMessage("send one logout_token as application/x-www-form-urlencoded"))
		return
	}
	_, err = l.sessions.BackchannelLogout(call.Outgoing(call.NewContext(ctx, k)), &identityv1.BackchannelLogoutRequest{
		LogoutToken: r.PostForm.Get("logout_token"),
	})
	if err != nil {
		l.refuse(w, k, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// refuse answers a provider.
func (l *Login) refuse(w http.ResponseWriter, k *call.Call, err error) {
	err = rpc.FromStatus(err)
	k.Failure = err
	s := rpc.ToStatus(err, fault.Domain, k.RequestID)
	status, code := fault.HTTPStatus(err, s.Code()), "server_error"
	if errs.KindOf(err) == errs.InvalidArgument {
		status, code = http.StatusBadRequest, "invalid_request"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that went away is not told.
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": s.Message()})
}
