// Package bucket is the concept of a tenant's bucket: what it is, how it is asked for,
// and how the backend is brought to have it.
package bucket
