package token_test

import (
	"testing"
	"time"

	"github.com/primecloud/primecloud/pkg/principal"
	"github.com/primecloud/primecloud/pkg/token"
)

func TestSign_names_the_person_of_a_personal_key_and_of_nothing_else(t *testing.T) {
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	signer := token.NewSigner()
	if err := signer.Use(token.Ring{Current: key}); err != nil {
		t.Fatal(err)
	}
	issued := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	claims := token.Claims{
		Issuer: "i", Audience: "a", ID: "tok_1", Kind: principal.Machine, Subject: "apk_1", User: "usr_1", Account: "acc_1",
		IssuedAt: issued, Expires: issued.Add(time.Minute),
	}
	if _, err := signer.Sign(claims); err != nil {
		t.Errorf("a personal key: %v", err)
	}
	if p := claims.Principal(); p.ID != "apk_1" || p.UserID != "usr_1" {
		t.Errorf("the caller is %+v", p)
	}
	claims.Kind, claims.Subject, claims.Session = principal.Person, "usr_2", "ses_1"
	if _, err := signer.Sign(claims); err == nil {
		t.Error("a person says that they are somebody else's key")
	}
}
