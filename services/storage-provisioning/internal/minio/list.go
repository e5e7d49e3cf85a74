package minio

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/primecloud/primecloud/services/storage-provisioning/internal/object"
)

// maxAnswer bounds the answer to a question, in bytes: 1000 keys of 1 KiB, each byte of which
// is written as three, with room for tags.
const maxAnswer = 16 << 20

// question is one request without a body. The client's own lists have no way to begin a page
// behind a version, take "/" as the only delimiter, and say no more of a removal than that it
// was done.
type question struct {
	method, bucket, key string
	query               url.Values
}

var nothing = func() string { sum := sha256.Sum256(nil); return hex.EncodeToString(sum[:]) }()

// ask sends a question within a call, and reads the XML of its answer unless into is nil.
func (b *Backend) ask(ctx context.Context, login object.Login, q question, into any) (http.Header, error) {
	address := *b.s3.EndpointURL()
	address.Path = "/" + q.bucket + "/" + q.key
	address.RawPath = "/" + q.bucket + "/" + s3utils.EncodePath(q.key)
	address.RawQuery = s3utils.QueryEncode(q.query)
	req, err := http.NewRequestWithContext(ctx, q.method, address.String(), nil)
	if err != nil {
		return nil, errRejected.WithMessage("the request cannot be made").Wrap(scrub(err))
	}
	req.Header.Set("X-Amz-Content-Sha256", nothing)
	res, err := b.http.Do(signer.SignV4(*req, login.User, login.Secret, "", b.cfg.Region))
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if into == nil || res.StatusCode >= http.StatusMultipleChoices {
		_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
		return res.Header, err
	}
	return res.Header, xml.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into)
}

// answer is a page of either list, in the order of the document.
type answer struct {
	IsTruncated         bool
	NextKeyMarker       string
	NextVersionIDMarker string  `xml:"NextVersionIdMarker"`
	Entries             []entry `xml:",any"`
}

// entry is an object, a version, a delete marker or a shared prefix; or else something about
// the page.
type entry struct {
	XMLName      xml.Name
	Key, Prefix  string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified time.Time
	ETag         string
	Size         int64
	StorageClass string
	UserTags     string
}

// List returns a page of the current objects.
func (b *Backend) List(ctx context.Context, login object.Login, in object.Listing) (object.Page, error) {
	query := url.Values{"list-type": {"2"}}
	if in.After != "" {
		query.Set("start-after", in.After)
	}
	if in.Tags {
		// The server's own addition to S3.
		query.Set("metadata", "true")
	}
	return b.page(ctx, "List", login, in, query)
}

// ListVersions returns a page of versions and delete markers.
func (b *Backend) ListVersions(ctx context.Context, login object.Login, in object.Listing) (object.Page, error) {
	query := url.Values{"versions": {""}}
	if in.After != "" {
		query.Set("key-marker", in.After)
	}
	if in.AfterVersion != "" {
		query.Set("version-id-marker", in.AfterVersion)
	}
	return b.page(ctx, "ListVersions", login, in, query)
}

func (b *Backend) page(ctx context.Context, method string, login object.Login, in object.Listing, query url.Values) (object.Page, error) {
	query.Set("prefix", in.Prefix)
	query.Set("delimiter", in.Delimiter)
	query.Set("max-keys", strconv.Itoa(in.Limit))
	// Or a key that XML cannot carry would break the whole page.
	query.Set("encoding-type", "url")
	page, err := value(ctx, b, method, func(ctx context.Context) (object.Page, error) {
		var said answer
		if _, err := b.ask(ctx, login, question{method: http.MethodGet, bucket: in.Bucket, query: query}, &said); err != nil {
			return object.Page{}, err
		}
		return said.page()
	})
	return page, aboutObject(err)
}

func (a answer) page() (object.Page, error) {
	page := object.Page{More: a.IsTruncated}
	for _, e := range a.Entries {
		switch e.XMLName.Local {
		case "CommonPrefixes":
			prefix, err := url.QueryUnescape(e.Prefix)
			if err != nil {
				return object.Page{}, errRejected.WithMessage("the backend's list cannot be read").Wrap(err)
			}
			page.Prefixes = append(page.Prefixes, prefix)
			page.NextKey = max(page.NextKey, prefix)
		case "Contents", "Version", "DeleteMarker":
			o, err := e.object()
			if err != nil {
				return object.Page{}, errRejected.WithMessage("the backend's list cannot be read").Wrap(err)
			}
			page.Objects = append(page.Objects, o)
			page.NextKey = max(page.NextKey, o.Key)
		}
	}
	if a.NextKeyMarker != "" {
		next, err := url.QueryUnescape(a.NextKeyMarker)
		if err != nil {
			return object.Page{}, errRejected.WithMessage("the backend's list cannot be read").Wrap(err)
		}
		page.NextKey, page.NextVersion = next, a.NextVersionIDMarker
	}
	// A page without anything behind which there is more would go round for ever.
	page.More = page.More && page.NextKey != ""
	return page, nil
}

func (e entry) object() (object.Object, error) {
	key, err := url.QueryUnescape(e.Key)
	if err != nil {
		return object.Object{}, err
	}
	o := object.Object{
		Ref: object.Ref{Key: key, VersionID: e.VersionID}, Size: e.Size, ETag: strings.Trim(e.ETag, `"`),
		StorageClass: cmp.Or(e.StorageClass, "STANDARD"), ModifiedAt: e.LastModified.UTC(),
		Latest: e.IsLatest || e.XMLName.Local == "Contents", DeleteMarker: e.XMLName.Local == "DeleteMarker",
	}
	if o.DeleteMarker {
		o.StorageClass = ""
	}
	if e.UserTags == "" {
		return o, nil
	}
	tags, err := url.ParseQuery(e.UserTags)
	if err != nil {
		return object.Object{}, err
	}
	o.Tags = map[string]string{}
	for name, values := range tags {
		o.Tags[name] = values[0]
	}
	return o, nil
}
