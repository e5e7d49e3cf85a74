// Package audithook is where MinIO's audit webhook delivers: one JSON entry for each request
// that the server has answered. It takes from them who used which access key and lets the
// rest go.
//
// It guarantees: only a sender that knows the token is heard; nothing of an entry reaches a
// log or an error. It serves plain HTTP for the inside of a network, like the port for
// metrics. MinIO delivers to several places: whoever else wants the entries (metering) sets
// up a webhook of their own.
package audithook

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/primecloud/primecloud/pkg/lifecycle"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/accesskey"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/lastuse"
)

const (
	// maxDelivery is the longest delivery, in bytes: one entry, or a batch of them.
	maxDelivery = 4 << 20
	// headerWithin and bodyWithin bound how long a sender may take.
	headerWithin = 5 * time.Second
	bodyWithin   = 30 * time.Second
	// maxText is the longest operation or address that is kept, in bytes.
	maxText = 64
)

// Config says where to listen.
type Config struct {
	// Listen is the address; empty means no server.
	Listen string
	// Token is what senders must know.
	Token string
	// Hear takes each use.
	Hear func(lastuse.Heard)
}

// Component returns the server as a part of a process.
func Component(c Config) lifecycle.Component {
	if c.Listen == "" {
		return lifecycle.Component{Name: "audit webhook"}
	}
	server := &http.Server{Handler: Handler(c), ReadHeaderTimeout: headerWithin, ReadTimeout: bodyWithin}
	var listener net.Listener
	return lifecycle.Component{
		Name: "audit webhook",
		Start: func(ctx context.Context) (err error) {
			listener, err = new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
			return err
		},
		Run: func(ctx context.Context) error {
			err := server.Serve(listener)
			if errors.Is(err, http.ErrServerClosed) {
				<-ctx.Done()
				return nil
			}
			return err
		},
		Stop: server.Shutdown,
	}
}

// Handler takes deliveries.
func Handler(c Config) http.Handler {
	want := sha256.Sum256([]byte(c.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// MinIO sends its auth_token as it is.
		got := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
		switch {
		case c.Token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1:
			w.WriteHeader(http.StatusForbidden)
		case r.Method != http.MethodPost:
			// MinIO asks so whether there is anybody.
			w.WriteHeader(http.StatusOK)
		default:
			w.WriteHeader(take(http.MaxBytesReader(w, r.Body, maxDelivery), c.Hear))
		}
	})
}

// entry is what is read of an audit entry.
type entry struct {
	Time time.Time `json:"time"`
	API  struct {
		Name       string `json:"name"`
		StatusCode int    `json:"statusCode"`
	} `json:"api"`
	RemoteHost string            `json:"remotehost"`
	Query      map[string]string `json:"requestQuery"`
	AccessKey  string            `json:"accessKey"`
}

// isUse says whether a key was used. A refused request is no use: whoever knows an id could
// make it look like one. Nor is a question for a bucket's location, with which clients begin
// and keys are tried before they are handed over.
func (e entry) isUse() bool {
	switch {
	case e.AccessKey == "" || e.Time.IsZero():
		return false
	case e.API.StatusCode == http.StatusForbidden || e.API.StatusCode == http.StatusUnauthorized:
		return false
	case e.API.Name == "GetBucketLocation" || strings.HasSuffix(e.Query["prefix"], accesskey.Nowhere+"/"):
		return false
	default:
		return true
	}
}

// take reads the entries of a delivery, one after the other.
func take(body io.Reader, hear func(lastuse.Heard)) int {
	for decoder := json.NewDecoder(body); ; {
		var e entry
		switch err := decoder.Decode(&e); {
		case errors.Is(err, io.EOF):
			return http.StatusOK
		case err != nil:
			return http.StatusBadRequest
		}
		if !e.isUse() {
			continue
		}
		hear(lastuse.Heard{KeyID: e.AccessKey, Use: accesskey.Use{
			Time: e.Time.UTC(), Operation: short(e.API.Name), Address: short(e.RemoteHost),
		}})
	}
}

// short returns as much of a text as is kept, as a text that every database takes: whole
// characters, and no zero among them. Whoever asks the backend something decides on it.
func short(text string) string {
	text = strings.ReplaceAll(text[:min(len(text), maxText)], "\x00", "")
	return strings.ToValidUTF8(text, "")
}
