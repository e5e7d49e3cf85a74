// Package principal is the concept of an account's identity on a backend: its user, the
// one policy that says which buckets it reaches, and the hidden key that signs downloads.
package principal
