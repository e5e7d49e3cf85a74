module github.com/primecloud/primecloud/gateway

go 1.26

require (
	github.com/primecloud/primecloud/pkg v0.0.0
	github.com/primecloud/primecloud/proto v0.0.0
)

replace github.com/primecloud/primecloud/proto => ../proto

replace github.com/primecloud/primecloud/pkg => ../pkg
