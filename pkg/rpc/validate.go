package rpc

import (
	"errors"
	"fmt"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/primecloud/primecloud/pkg/errs"
)

var errRequestInvalid = errs.New(errs.InvalidArgument, reasonInvalid,
	"fields of the request break rules; see the violations")

// validate holds a request against the rules of shape in the contract.
func (m *methods) validate(request any) error {
	message, ok := request.(proto.Message)
	if !ok {
		return fmt.Errorf("rpc: the request is no protobuf message but %T", request)
	}
	err := m.validator.Validate(message)
	if err == nil {
		return nil
	}
	var broken *protovalidate.ValidationError
	if !errors.As(err, &broken) {
		return fmt.Errorf("rpc: validation: %w", err)
	}
	invalid := errRequestInvalid
	for _, v := range broken.Violations {
		invalid = invalid.WithViolation(violation(v))
	}
	return invalid
}

func violation(v *protovalidate.Violation) errs.Violation {
	return errs.Violation{
		Field:       protovalidate.FieldPathString(v.Proto.GetField()),
		Rule:        ruleName(v.Proto.GetRuleId()),
		Description: describe(v),
	}
}

// ruleName makes a rule id ("string.min_len") the UPPER_SNAKE of a reason.
func ruleName(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		default:
			return '_'
		}
	}, id)
}

// describe says in words what the rule wants.
func describe(v *protovalidate.Violation) string {
	text := v.Proto.GetMessage()
	if text == "" {
		text = "must satisfy the rule " + v.Proto.GetRuleId()
	}
	return strings.TrimPrefix(text, "value ")
}

// emptyOf returns an empty message of a descriptor.
func emptyOf(d protoreflect.MessageDescriptor) proto.Message { return dynamicpb.NewMessage(d) }
