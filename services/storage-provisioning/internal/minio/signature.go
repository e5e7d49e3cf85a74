package minio

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// pen signs URLs of one object, by AWS Signature Version 4 in the query, with the same
// credentials at the same time. It is here although the client library has it, since a part's
// URL by the library costs a core some 45 µs, most of it for what all parts have in common; the
// tests hold every signature against the library's.
type pen struct {
	origin, path string
	// headers are what is signed of a request's, signed their names.
	headers, signed string
	at              time.Time
	scope, fixed    string
	key             []byte
}

// pen returns what signs for the public endpoint.
func (b *Backend) pen(with credentials.Value, at time.Time, req request) pen {
	at = at.UTC().Truncate(time.Second)
	day := at.Format("20060102")
	key := []byte("AWS4" + with.SecretAccessKey)
	for _, step := range []string{day, b.cfg.Region, "s3", "aws4_request"} {
		key = keyed(key, step)
	}
	scope := day + "/" + b.cfg.Region + "/s3/aws4_request"
	headers, signed := canonical(b.public.Host, req.headers)
	fixed := url.Values{
		"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {with.AccessKeyID + "/" + scope},
		"X-Amz-Date": {at.Format("20060102T150405Z")}, "X-Amz-Expires": {strconv.FormatInt(int64(req.lifetime/time.Second), 10)},
		"X-Amz-SignedHeaders": {signed},
	}
	if with.SessionToken != "" {
		fixed.Set("X-Amz-Security-Token", with.SessionToken)
	}
	return pen{
		origin: b.public.Scheme + "://" + b.public.Host, headers: headers, signed: signed, at: at, scope: scope, key: key,
		path: "/" + s3utils.EncodePath(req.bucket+"/"+req.key), fixed: fixed.Encode(),
	}
}

// sign returns a URL with further parameters. All of S3's own begin with a small letter, so
// they come behind ours in the order that the signature wants.
func (p pen) sign(method string, more url.Values) string {
	query := p.fixed
	if len(more) > 0 {
		// A signature spells a space so, and so may a URL.
		query += "&" + strings.ReplaceAll(more.Encode(), "+", "%20")
	}
	request := sha256.Sum256([]byte(method + "\n" + p.path + "\n" + query + "\n" + p.headers + "\n" + p.signed + "\nUNSIGNED-PAYLOAD"))
	text := "AWS4-HMAC-SHA256\n" + p.at.Format("20060102T150405Z") + "\n" + p.scope + "\n" + hex.EncodeToString(request[:])
	return p.origin + p.path + "?" + query + "&X-Amz-Signature=" + hex.EncodeToString(keyed(p.key, text))
}

// canonical returns the headers of a request as its signature spells them, and their names.
func canonical(host string, sent map[string]string) (headers, signed string) {
	all := map[string]string{"host": host}
	for name, value := range sent {
		all[strings.ToLower(name)] = value
	}
	names := slices.Sorted(maps.Keys(all))
	var lines strings.Builder
	for _, name := range names {
		lines.WriteString(name + ":" + all[name] + "\n")
	}
	return lines.String(), strings.Join(names, ";")
}

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
