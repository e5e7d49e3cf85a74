module github.com/primecloud/primecloud/services/identity

go 1.26.0

require (
	github.com/primecloud/primecloud/pkg v0.0.0
	github.com/primecloud/primecloud/proto v0.0.0
)

require (
	github.com/coreos/go-oidc/v3 v3.21.0 // indirect
	github.com/go-jose/go-jose/v4 v4.1.8 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace github.com/primecloud/primecloud/proto => ../../proto

replace github.com/primecloud/primecloud/pkg => ../../pkg
