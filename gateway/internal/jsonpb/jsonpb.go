// Package jsonpb writes messages as JSON, in the form of protojson with EmitUnpopulated,
// several times as fast: what can be known of a message type is found out once, and its
// Go struct is read directly.
//
// Guarantees: the result means the same as protojson's, to the number and the character;
// its tests hold the two against each other on random messages of every type of the
// contract. What it does not know (oneofs, floats, most of google.protobuf) it leaves to
// protojson, so nothing is ever written differently.
package jsonpb

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// slow is how messages are written that this package does not know.
var slow = protojson.MarshalOptions{EmitUnpopulated: true}

// write appends a value to the buffer.
type write func(b []byte, v reflect.Value) ([]byte, error)

// encoder writes one message type.
type encoder struct {
	// fields is empty, and whole is set, for a type that is written as a whole.
	fields []field
	whole  func(b []byte, message proto.Message) ([]byte, error)
	// size is how large the last one was.
	size atomic.Int64
}

type field struct {
	// key is what stands before the value, comma included.
	key   string
	index int
	write write
}

// Encoders knows the types that were written before. The zero value knows none yet. It is
// safe for concurrent use.
type Encoders struct{ known sync.Map }

// Marshal returns the message as JSON.
func (e *Encoders) Marshal(message proto.Message) ([]byte, error) {
	v := reflect.ValueOf(message)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return slow.Marshal(message)
	}
	found, ok := e.known.Load(v.Type())
	if !ok {
		// Two may make it at once; the outcome is the same.
		found, _ = e.known.LoadOrStore(v.Type(), compile(map[reflect.Type]*encoder{}, v.Type(), message.ProtoReflect().Descriptor()))
	}
	top := found.(*encoder)
	b, err := top.append(make([]byte, 0, top.size.Load()+top.size.Load()/8+64), v)
	top.size.Store(int64(len(b)))
	return b, err
}

// append writes the message that v, a pointer that is not nil, points to.
func (e *encoder) append(b []byte, v reflect.Value) ([]byte, error) {
	if e.whole != nil {
		return e.whole(b, v.Interface().(proto.Message))
	}
	v = v.Elem()
	b = append(b, '{')
	for i := range e.fields {
		f := &e.fields[i]
		b = append(b, f.key...)
		var err error
		if b, err = f.write(b, v.Field(f.index)); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// compile makes the encoder of a type. made holds those that are being made, since types
// may contain themselves.
func compile(made map[reflect.Type]*encoder, t reflect.Type, d protoreflect.MessageDescriptor) *encoder {
	if e, ok := made[t]; ok {
		return e
	}
	e := &encoder{}
	made[t] = e
	switch {
	case d.FullName() == "google.protobuf.Timestamp":
		e.whole = timestamp
		return e
	case strings.HasPrefix(string(d.FullName()), "google.protobuf.") || d.Oneofs().Len() > 0 || d.ExtensionRanges().Len() > 0:
		e.whole = whole
		return e
	}
	places := placesOf(t.Elem())
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		place, ok := places[fd.Number()]
		var w write
		if ok {
			w = writer(made, t.Elem().Field(place).Type, fd)
		}
		if w == nil {
			e.fields, e.whole = nil, whole
			return e
		}
		key := strconv.Quote(fd.JSONName()) + ":"
		if i > 0 {
			key = "," + key
		}
		e.fields = append(e.fields, field{key: key, index: place, write: w})
	}
	return e
}

// placesOf returns where in the struct each field of the message is.
func placesOf(t reflect.Type) map[protoreflect.FieldNumber]int {
	places := map[protoreflect.FieldNumber]int{}
	for i := range t.NumField() {
		parts := strings.Split(t.Field(i).Tag.Get("protobuf"), ",")
		if len(parts) < 2 {
			continue
		}
		if number, err := strconv.Atoi(parts[1]); err == nil {
			places[protoreflect.FieldNumber(number)] = i
		}
	}
	return places
}

// writer returns what writes a field, or nil when this package does not know how.
func writer(made map[reflect.Type]*encoder, t reflect.Type, fd protoreflect.FieldDescriptor) write {
	switch {
	case fd.IsMap():
		if fd.MapKey().Kind() != protoreflect.StringKind {
			return nil
		}
		return table(element(t.Elem(), single(made, t.Elem(), fd.MapValue())))
	case fd.IsList():
		return list(element(t.Elem(), single(made, t.Elem(), fd)))
	default:
		return single(made, t, fd)
	}
}

// single returns what writes one value.
func single(made map[reflect.Type]*encoder, t reflect.Type, fd protoreflect.FieldDescriptor) write {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return text
	case protoreflect.BoolKind:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendBool(b, v.Bool()), nil }
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendInt(b, v.Int(), 10), nil }
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendUint(b, v.Uint(), 10), nil }
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return func(b []byte, v reflect.Value) ([]byte, error) {
			return append(strconv.AppendInt(append(b, '"'), v.Int(), 10), '"'), nil
		}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return func(b []byte, v reflect.Value) ([]byte, error) {
			return append(strconv.AppendUint(append(b, '"'), v.Uint(), 10), '"'), nil
		}
	case protoreflect.BytesKind:
		return func(b []byte, v reflect.Value) ([]byte, error) {
			return append(base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes()), '"'), nil
		}
	case protoreflect.EnumKind:
		if fd.Enum().FullName() == "google.protobuf.NullValue" {
			return nil
		}
		return enum(fd.Enum())
	case protoreflect.MessageKind:
		e := compile(made, t, fd.Message())
		return func(b []byte, v reflect.Value) ([]byte, error) {
			if v.IsNil() {
				return append(b, "null"...), nil
			}
			return e.append(b, v)
		}
	default:
		return nil
	}
}

// element returns what writes a value within a list or map, where a message that is nil is
// an empty one.
func element(t reflect.Type, w write) write {
	if w == nil || t.Kind() != reflect.Pointer {
		return w
	}
	return func(b []byte, v reflect.Value) ([]byte, error) {
		if v.IsNil() {
			v = reflect.New(t.Elem())
		}
		return w(b, v)
	}
}

func enum(d protoreflect.EnumDescriptor) write {
	names := map[int64]string{}
	for i := d.Values().Len() - 1; i >= 0; i-- { // of two names for a number the first counts
		names[int64(d.Values().Get(i).Number())] = strconv.Quote(string(d.Values().Get(i).Name()))
	}
	return func(b []byte, v reflect.Value) ([]byte, error) {
		if name, ok := names[v.Int()]; ok {
			return append(b, name...), nil
		}
		return strconv.AppendInt(b, v.Int(), 10), nil
	}
}

func list(item write) write {
	if item == nil {
		return nil
	}
	return func(b []byte, v reflect.Value) ([]byte, error) {
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = item(b, v.Index(i)); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	}
}

func table(item write) write {
	if item == nil {
		return nil
	}
	return func(b []byte, v reflect.Value) ([]byte, error) {
		b = append(b, '{')
		first := true
		for entries := v.MapRange(); entries.Next(); first = false {
			if !first {
				b = append(b, ',')
			}
			var err error
			if b, err = text(b, entries.Key()); err != nil {
				return b, err
			}
			if b, err = item(append(b, ':'), entries.Value()); err != nil {
				return b, err
			}
		}
		return append(b, '}'), nil
	}
}

// whole leaves a message to protojson.
func whole(b []byte, message proto.Message) ([]byte, error) {
	b, err := slow.MarshalAppend(b, message)
	if err != nil {
		return b, fmt.Errorf("jsonpb: %w", err)
	}
	return b, nil
}
