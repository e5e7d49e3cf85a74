package demo

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
)

// part is one part of an upload, as REST has it.
type part struct {
	PartNumber int    `json:"partNumber"`
	ETag       string `json:"etag"`
}

// inParts uploads an object in two parts by presigned URLs, finds it in the list, and deletes it.
func (d *Demo) inParts(ctx context.Context) error {
	const key = "inbox/large.bin"
	buckets := "/v1/accounts/" + d.account + "/buckets/" + d.bucket
	var upload struct{ UploadID string }
	if _, err := d.web.Call(ctx, http.MethodPost, buckets+"/multipartUploads", map[string]any{"key": key}, &upload); err != nil {
		return err
	}
	at := buckets + "/multipartUploads/" + upload.UploadID
	var urls struct{ Parts []signed }
	_, err := d.web.Call(ctx, http.MethodPost, at+":signParts", map[string]any{"key": key, "partNumbers": []int{1, 2}, "lifetime": "300s"}, &urls)
	if err != nil {
		return err
	}
	for i, content := range [][]byte{bytes.Repeat([]byte("part"), 5<<18), []byte("and the rest")} {
		status, answer, err := send(ctx, urls.Parts[i], content)
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("part %d: HTTP %d %s %w", i+1, status, answer, err)
		}
		d.show("part %d, %d bytes, to %s: HTTP %d", i+1, len(content), host(urls.Parts[i].URL), status)
	}
	var list struct{ Parts []part }
	if _, err := d.web.Call(ctx, http.MethodGet, at+":listParts?key="+key, nil, &list); err != nil {
		return err
	}
	var object struct{ SizeBytes, ETag string }
	if _, err := d.web.Call(ctx, http.MethodPost, at+":complete", map[string]any{"key": key, "parts": list.Parts}, &object); err != nil {
		return err
	}
	d.show("completed: %s bytes, etag %s", object.SizeBytes, object.ETag)
	var found struct{ Objects []struct{ Key string } }
	if _, err := d.web.Call(ctx, http.MethodGet, buckets+"/objects?prefix=inbox/large", nil, &found); err != nil {
		return err
	}
	if len(found.Objects) != 1 || found.Objects[0].Key != key {
		return fmt.Errorf("the list shows %v", found.Objects)
	}
	_, err = d.web.Call(ctx, http.MethodPost, buckets+"/objects:delete", map[string]any{"key": key}, nil)
	return err
}
