package grpcapi

import (
	"context"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"

	"github.com/primecloud/primecloud/pkg/idempotency"
	"github.com/primecloud/primecloud/pkg/principal"
	auditv1 "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	"github.com/primecloud/primecloud/services/identity/internal/auditchain"
)

// ExportAuditEntries streams the file.
func (s *auditEntries) ExportAuditEntries(r *auditv1.ExportAuditEntriesRequest, to grpc.ServerStreamingServer[httpbody.HttpBody]) error {
	ctx := to.Context()
	// A stream has no idempotency key, and the entry about it names the method all the same.
	ctx = idempotency.NewContext(ctx, idempotency.Key{
		Principal: principal.FromContext(ctx).Subject(), Method: auditv1.AuditService_ExportAuditEntries_FullMethodName,
	})
	what := auditchain.Wanted{AccountID: r.GetAccountId(), After: r.GetAfterSequence(), Format: auditchain.JSONLines}
	body := &bodyWriter{to: to, contentType: "application/jsonl"}
	if r.GetFormat() == auditv1.ExportAuditEntriesRequest_FORMAT_CSV {
		what.Format, body.contentType = auditchain.CSV, "text/csv; charset=utf-8"
	}
	return s.export.Export(ctx, what, body)
}

// bodyWriter sends each piece that is written as a message.
type bodyWriter struct {
	to          grpc.ServerStreamingServer[httpbody.HttpBody]
	contentType string
}

// Write sends a copy: what is sent in process is shared with the receiver.
func (w *bodyWriter) Write(p []byte) (int, error) {
	err := w.to.Send(&httpbody.HttpBody{ContentType: w.contentType, Data: append([]byte(nil), p...)})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// GetAuditKeySet returns the public keys.
func (s *auditEntries) GetAuditKeySet(context.Context, *auditv1.GetAuditKeySetRequest) (*auditv1.GetAuditKeySetResponse, error) {
	response := &auditv1.GetAuditKeySetResponse{}
	for _, k := range s.keys.PublicKeys() {
		response.Keys = append(response.Keys, &auditv1.AuditKey{Kid: k.ID, Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", X: k.X()})
	}
	return response, nil
}
