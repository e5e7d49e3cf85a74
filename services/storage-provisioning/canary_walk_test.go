package storage_test

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/primecloud/primecloud/pkg/errs"
	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/rpc"
	"github.com/primecloud/primecloud/pkg/token"
	optionsv1 "github.com/primecloud/primecloud/proto/gen/primecloud/options/v1"
)

// walk calls every method of storage's contract, those that are added to it too: for each it
// makes up a request whose fields mean something. One that it cannot make up fails the test,
// and is to be taught.
func (a *aviary) walk(acc, bucket string, key pair) {
	a.t.Helper()
	words := map[protoreflect.Name]string{
		"account_id": acc, "bucket": bucket, "bucket_name": bucket, "key_id": key.GetId(), "access_key": key.GetId(), "name": name(),
		"access_key_id": key.GetAccessKeyId(), "secret_access_key": key.secret, "secret": key.secret, "key": "k",
		"user_id": "usr_" + acc, "backend": "local", "display_name": "a name", "reason": "a reason", "note": "a note",
		"download_name": "k.txt", "content_type": "text/plain", "prefix": "p/", "object_key": "k", "destination_bucket": bucket,
		"destination_key": "k2", "source_bucket": bucket, "source_key": "k", "password": "a password", "id": "an-id", "rule_id": "an-id",
		"networks": "192.0.2.0/24", "allowed_networks": "192.0.2.0/24", "confirm_bucket": bucket, "prefixes": "p/",
		"etag": "d41d8cd98f00b204e9800998ecf8427e",
	}
	with := &filler{words: words, number: 1 << 20}
	count := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("primecloud.storage.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			for j := range file.Services().Get(i).Methods().Len() {
				count++
				a.tread(file.Services().Get(i).Methods().Get(j), acc, with)
			}
		}
		return true
	})
	a.t.Logf("%d methods were called", count)
	if count < 10 {
		a.t.Error("the contract was not found")
	}
}

// tread calls one method.
func (a *aviary) tread(method protoreflect.MethodDescriptor, acc string, with *filler) {
	a.t.Helper()
	request, response := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	with.fill(request, deepest)
	ctx := a.as(acc)
	if access, _ := proto.GetExtension(method.Options(), optionsv1.E_Access).(*optionsv1.Access); access.GetLevel() == optionsv1.Level_LEVEL_PLATFORM {
		ctx = a.asClaims(token.Claims{Subject: "usr_operator", Kind: principal.Operator, Role: "platform_admin", Session: "ses_1"})
	}
	path := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
	if method.IsStreamingServer() || method.IsStreamingClient() {
		a.t.Errorf("%s streams, and nobody has taught this test how", path)
		return
	}
	err := a.conn.Invoke(withKey(ctx, "walk-"+string(method.Name())), path, request, response)
	if err != nil {
		err = rpc.FromStatus(err)
	}
	a.hear(path, err)
	a.t.Logf("%s: %s", path, errs.ReasonOf(err))
	if errs.KindOf(err) == errs.InvalidArgument {
		a.t.Errorf("%s was called with what can never be: %s; teach this test the words that it needs", path, errText(err))
	}
	a.learn(acc)
	a.find(path, response)
}

// find watches the secrets in an answer: they are for the caller alone.
func (a *aviary) find(path string, m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				a.find(path, v.List().Get(i).Message())
			}
		case f.IsList():
		case f.Message() != nil:
			a.find(path, v.Message())
		case f.Kind() == protoreflect.StringKind && strings.HasSuffix(string(f.Name()), "url"):
			a.handedOut(v.String())
		case f.Kind() == protoreflect.StringKind && (f.Name() == "access_key_id" || strings.Contains(string(f.Name()), "secret") || f.Name() == "session_token"):
			a.watch("the "+string(f.Name())+" that "+path+" answered", v.String())
		}
		return true
	})
}

// unsaid are the fields that say more by being absent.
var unsaid = []protoreflect.Name{
	"page_token", "update_mask", "filter", "lifecycle_rules", "object_lock", "size_greater_than", "size_less_than",
	"abort_incomplete_upload_after_days", "key_prefix", "max_upload_bytes",
}

// deepest is how far messages are filled within messages.
const deepest = 4

// filler makes requests up.
type filler struct {
	words map[protoreflect.Name]string
	// number grows, so that who asks for more asks for more.
	number int64
}

// fill gives every field of a message a value that means something.
func (with *filler) fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if slices.Contains(unsaid, f.Name()) || f.Name() == "etag" && depth == deepest ||
			f.ContainingOneof() != nil && m.WhichOneof(f.ContainingOneof()) != nil || f.IsMap() {
			continue
		}
		value, ok := with.made(m, f, depth)
		if !ok {
			continue
		}
		if f.IsList() {
			m.Mutable(f).List().Append(value)
		} else {
			m.Set(f, value)
		}
	}
}

// made is a value for a field.
func (with *filler) made(m protoreflect.Message, f protoreflect.FieldDescriptor, depth int) (protoreflect.Value, bool) {
	switch f.Kind() {
	case protoreflect.StringKind:
		text, known := with.words[f.Name()]
		if !known {
			text = "a-word"
		}
		return protoreflect.ValueOfString(text), true
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1), true
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(false), false
	case protoreflect.Int32Kind:
		if f.Name() == "minutes" {
			return protoreflect.ValueOfInt32(15), true
		}
		return protoreflect.ValueOfInt32(3), true
	case protoreflect.Int64Kind:
		with.number++
		return protoreflect.ValueOfInt64(with.number), true
	case protoreflect.MessageKind:
		if depth == 0 {
			return protoreflect.Value{}, false
		}
		switch f.Message().FullName() {
		case "google.protobuf.Duration":
			return ofSeconds(m, f, 900), true
		case "google.protobuf.Timestamp":
			return protoreflect.Value{}, false
		}
		inner := elementOf(m, f)
		with.fill(inner, depth-1)
		return protoreflect.ValueOfMessage(inner), true
	default:
		return protoreflect.Value{}, false
	}
}

// elementOf is a new message for a field, or for an element of it.
func elementOf(m protoreflect.Message, f protoreflect.FieldDescriptor) protoreflect.Message {
	if f.IsList() {
		return m.NewField(f).List().NewElement().Message()
	}
	return m.NewField(f).Message()
}

func ofSeconds(m protoreflect.Message, f protoreflect.FieldDescriptor, n int64) protoreflect.Value {
	d := elementOf(m, f)
	d.Set(d.Descriptor().Fields().ByName("seconds"), protoreflect.ValueOfInt64(n))
	return protoreflect.ValueOfMessage(d)
}

// errText is an error with its violations.
func errText(err error) string {
	text := ""
	if e, ok := errs.As(err); ok {
		text = e.Error()
		for _, v := range e.Violations() {
			text += "; " + v.Field + " " + v.Description
		}
	}
	return text
}
