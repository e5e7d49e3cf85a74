module github.com/primecloud/primecloud/deploy/e2e

go 1.26

require (
	github.com/primecloud/primecloud/deploy/stack v0.0.0
	github.com/primecloud/primecloud/gateway v0.0.0
	github.com/primecloud/primecloud/pkg v0.0.0
	github.com/primecloud/primecloud/proto v0.0.0
	github.com/primecloud/primecloud/services/identity v0.0.0
	github.com/primecloud/primecloud/services/storage-provisioning v0.0.0
)

replace github.com/primecloud/primecloud/proto => ../../proto

replace github.com/primecloud/primecloud/pkg => ../../pkg

replace github.com/primecloud/primecloud/gateway => ../../gateway

replace github.com/primecloud/primecloud/services/identity => ../../services/identity

replace github.com/primecloud/primecloud/services/storage-provisioning => ../../services/storage-provisioning

replace github.com/primecloud/primecloud/deploy/stack => ../stack
