package jsonpb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/primecloud/primecloud/gateway/internal/jsonpb"
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/audit/v1"
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/event/v1"
	_ "github.com/primecloud/primecloud/proto/gen/primecloud/identity/v1"
	operationv1 "github.com/primecloud/primecloud/proto/gen/primecloud/operation/v1"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
)

var reference = protojson.MarshalOptions{EmitUnpopulated: true}

// same fails the test unless both encoders say the same of a message, or both refuse it.
func same(t rapid.TB, encoders *jsonpb.Encoders, message proto.Message) {
	t.Helper()
	want, wantErr := reference.Marshal(message)
	got, err := encoders.Marshal(message)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%T: protojson says %v, we say %v", message, wantErr, err)
	}
	if err != nil {
		return
	}
	if !reflect.DeepEqual(parse(t, got), parse(t, want)) {
		t.Fatalf("%T:\nprotojson %s\nwe        %s", message, want, got)
	}
	if !message.ProtoReflect().IsValid() {
		return // nil comes back as an empty message
	}
	back := message.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(got, back); err != nil || !proto.Equal(back, message) {
		t.Fatalf("%T did not come back (%v): %s", message, err, got)
	}
}

func parse(t rapid.TB, raw []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		t.Fatalf("no JSON (%v): %s", err, raw)
	}
	return v
}

// contract returns every message type of the contract.
func contract() []protoreflect.MessageType {
	var types []protoreflect.MessageType
	protoregistry.GlobalTypes.RangeMessages(func(t protoreflect.MessageType) bool {
		if strings.HasPrefix(string(t.Descriptor().FullName()), "primecloud.") && !t.Descriptor().IsMapEntry() {
			types = append(types, t)
		}
		return true
	})
	return types
}

// fill gives a message random values, down to a depth.
func fill(t *rapid.T, m protoreflect.Message, depth int) {
	switch to := m.Interface().(type) {
	case *timestamppb.Timestamp:
		to.Seconds = rapid.OneOf(rapid.Int64Range(-62135596800, 253402300799), rapid.Int64Range(0, 2_000_000_000)).Draw(t, "seconds")
		to.Nanos = rapid.OneOf(rapid.Int32Range(0, 999_999_999), rapid.SampledFrom([]int32{0, 1, 1000, 1_000_000, 120_000_000, 999_999_000})).Draw(t, "nanos")
		return
	case *structpb.Struct:
		to.Fields = map[string]*structpb.Value{"a": structpb.NewStringValue(rapid.String().Draw(t, "value")), "n": structpb.NewNullValue()}
		return
	}
	if strings.HasPrefix(string(m.Descriptor().FullName()), "google.protobuf.") {
		return // as it is
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !rapid.Bool().Draw(t, "has "+string(fd.Name())) || depth == 0 && fd.Message() != nil {
			continue
		}
		n := rapid.IntRange(0, 3).Draw(t, "how many")
		switch {
		case fd.IsMap():
			for range n {
				m.Mutable(fd).Map().Set(protoreflect.ValueOfString(text(t)).MapKey(), value(t, fd.MapValue(), m.Mutable(fd).Map().NewValue, depth))
			}
		case fd.IsList():
			for range n {
				m.Mutable(fd).List().Append(value(t, fd, m.Mutable(fd).List().NewElement, depth))
			}
		default:
			m.Set(fd, value(t, fd, func() protoreflect.Value { return m.NewField(fd) }, depth))
		}
	}
}

func text(t *rapid.T) string {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", `"quoted" \ back`, "\x00\x01\x1f\x7f\b\f\n\r\t", "<script>&\u2028\u2029", "ü€😀\ufffd", "/",
	})).Draw(t, "text")
}

func value(t *rapid.T, fd protoreflect.FieldDescriptor, fresh func() protoreflect.Value, depth int) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text(t))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "int32"))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, "int64"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32Range(-1, 12).Draw(t, "enum")))
	case protoreflect.MessageKind:
		v := fresh()
		fill(t, v.Message(), depth-1)
		return v
	default:
		t.Fatalf("the contract has a new kind of field, %s; draw it here", fd.Kind())
		return protoreflect.Value{}
	}
}

func TestEvery_type_of_the_contract_is_written_as_protojson_writes_it(t *testing.T) {
	types := contract()
	if len(types) < 100 {
		t.Fatalf("only %d types of the contract are known here", len(types))
	}
	var encoders jsonpb.Encoders
	for _, mt := range types {
		t.Run(string(mt.Descriptor().FullName()), func(t *testing.T) {
			same(t, &encoders, mt.New().Interface())
			rapid.Check(t, func(t *rapid.T) {
				message := mt.New()
				fill(t, message, 3)
				same(t, &encoders, message.Interface())
			})
		})
	}
}

func TestWhat_protojson_refuses_is_refused(t *testing.T) {
	var encoders jsonpb.Encoders
	for name, message := range map[string]proto.Message{
		"a text that is no UTF-8":       &storagev1.Bucket{Name: "a\xffb"},
		"such a text in a map":          &storagev1.PresignUploadResponse{Headers: map[string]string{"a": "\xff"}},
		"a time too late":               &storagev1.Bucket{CreateTime: &timestamppb.Timestamp{Seconds: math.MaxInt64}},
		"a time of negative nanos":      &storagev1.Bucket{CreateTime: &timestamppb.Timestamp{Nanos: -1}},
		"a condition inside, too early": &storagev1.Bucket{Conditions: []*operationv1.Condition{{TransitionTime: &timestamppb.Timestamp{Seconds: math.MinInt64}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := encoders.Marshal(message); err == nil {
				t.Error("it was written")
			}
			same(t, &encoders, message)
		})
	}
}

func TestA_message_that_is_not_there_is_what_it_is_to_protojson(t *testing.T) {
	var encoders jsonpb.Encoders
	same(t, &encoders, (*storagev1.Bucket)(nil))
	same(t, &encoders, structpb.NewBoolValue(true))
	want, err := reference.Marshal(&storagev1.ListBucketsResponse{Buckets: []*storagev1.Bucket{nil}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := encoders.Marshal(&storagev1.ListBucketsResponse{Buckets: []*storagev1.Bucket{nil}}); err != nil || !reflect.DeepEqual(parse(t, got), parse(t, want)) {
		t.Errorf("a bucket that is nil became %s, %v", got, err)
	}
	same(t, &encoders, timestamppb.New(timestamppb.Now().AsTime()))
}

// listOf returns a page of buckets as tenants have them.
func listOf(n int) *storagev1.ListBucketsResponse {
	page := &storagev1.ListBucketsResponse{NextPageToken: strings.Repeat("t", 120)}
	for i := range n {
		now := timestamppb.Now()
		page.Buckets = append(page.Buckets, &storagev1.Bucket{
			Id: fmt.Sprintf("bkt_06h0gd4a1hcwernqxc8z53%04d", i), AccountId: "acc_06h0gd4a1hcwernqxc8z53zpaw", Name: fmt.Sprintf("acme-data-%04d", i),
			Backend: "local", CustomerReference: "4711", Versioning: storagev1.Versioning_VERSIONING_ENABLED, QuotaBytes: 10 << 30,
			LifecycleRules: []*storagev1.LifecycleRule{{Id: "expire", Prefix: "tmp/", ExpireAfterDays: 30}},
			State:          storagev1.BucketState_BUCKET_STATE_READY, Generation: 3, ObservedGeneration: 3,
			Conditions: []*operationv1.Condition{{Type: "Ready", Status: true, Reason: "AS_ASKED", Message: "the backend has it as asked", TransitionTime: now}},
			Etag:       "3-a1b2c3d4", CreateTime: now, UpdateTime: now,
		})
	}
	return page
}

func BenchmarkList_of_50(b *testing.B) {
	page := listOf(50)
	b.Run("protojson", func(b *testing.B) {
		for b.Loop() {
			if _, err := reference.Marshal(page); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
	})
	b.Run("jsonpb", func(b *testing.B) {
		var encoders jsonpb.Encoders
		for b.Loop() {
			if _, err := encoders.Marshal(page); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
	})
}
