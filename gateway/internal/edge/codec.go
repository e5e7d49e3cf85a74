package edge

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/primecloud/primecloud/gateway/internal/fault"
	"github.com/primecloud/primecloud/gateway/internal/jsonpb"
	"github.com/primecloud/primecloud/pkg/errs"
)

// codec is the JSON of requests and responses. Fields without a value are written, so
// that clients see every field; fields that are not known are refused, so that a typing
// error does not pass for a wish.
type codec struct{ encoders jsonpb.Encoders }

// ContentType returns that of JSON, or of a file what the service says.
func (*codec) ContentType(v any) string {
	if body, ok := v.(*httpbody.HttpBody); ok {
		return body.GetContentType()
	}
	return "application/json"
}

// Marshal encodes a message.
func (c *codec) Marshal(v any) ([]byte, error) {
	message, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("edge: %T is no message", v)
	}
	return c.encoders.Marshal(message)
}

// Unmarshal decodes a message.
func (*codec) Unmarshal(data []byte, v any) error {
	message, err := target(v)
	if err != nil {
		return err
	}
	return protojson.Unmarshal(data, message)
}

// NewEncoder returns an encoder onto w.
func (c *codec) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		data, err := c.Marshal(v)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
}

// bodyMark begins the text of decoding errors, which the generated code turns to text.
const bodyMark = "body: "

// NewDecoder returns a decoder that takes all of r for one value. An empty body is EOF,
// which stands for a message without fields.
func (c *codec) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(data)) == "" {
			return io.EOF
		}
		if err := c.Unmarshal(data, v); err != nil {
			return errors.New(bodyMark + err.Error())
		}
		return nil
	})
}

// target returns the message that v points to: v itself, or, for a rule whose body is one
// field, the message that v is the place for.
func target(v any) (proto.Message, error) {
	if message, ok := v.(proto.Message); ok {
		return message, nil
	}
	place := reflect.ValueOf(v)
	if place.Kind() == reflect.Pointer && !place.IsNil() && place.Elem().Kind() == reflect.Pointer {
		if place.Elem().IsNil() {
			place.Elem().Set(reflect.New(place.Type().Elem().Elem()))
		}
		if message, ok := place.Elem().Interface().(proto.Message); ok {
			return message, nil
		}
	}
	return nil, fmt.Errorf("edge: %T takes no message", v)
}

var (
	unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)
	invalidValue = regexp.MustCompile(`invalid value for \S+ field (\w+)`)
	badQuery     = regexp.MustCompile(`parsing (?:field|list) "([^"]*)"`)
)

// decoding returns the classified error of a request that the generated code could not read.
func decoding(err error) error {
	s, ok := status.FromError(err)
	if !ok || s.Code() != codes.InvalidArgument {
		return err
	}
	// The protobuf library varies its blanks, so that nobody depends on its texts.
	text := strings.ReplaceAll(s.Message(), "\u00a0", " ")
	body, ofBody := strings.CutPrefix(text, bodyMark)
	if !ofBody {
		e := fault.ErrRequestInvalid.WithMessage("the request is not valid: %s", text)
		if found := badQuery.FindStringSubmatch(text); found != nil {
			e = e.WithViolation(errs.Violation{Field: found[1], Rule: "INVALID_VALUE", Description: text})
		}
		return e
	}
	body = strings.TrimPrefix(body, "proto: ")
	e := fault.ErrBodyInvalid.WithMessage("the body is not the JSON that this method takes: %s", body)
	if found := unknownField.FindStringSubmatch(body); found != nil {
		return e.WithViolation(errs.Violation{Field: found[1], Rule: "UNKNOWN_FIELD", Description: body})
	}
	if found := invalidValue.FindStringSubmatch(body); found != nil {
		return e.WithViolation(errs.Violation{Field: found[1], Rule: "INVALID_VALUE", Description: body})
	}
	return e
}
