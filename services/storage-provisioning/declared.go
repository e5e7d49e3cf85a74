package storage

import (
	"fmt"

	"github.com/primecloud/primecloud/pkg/access"
	"github.com/primecloud/primecloud/pkg/principal"
	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/grant"
)

// actMethods are the methods whose rules decide about an act, besides the gate.
var actMethods = map[grant.Act]string{
	grant.See:      storagev1.BucketService_GetBucket_FullMethodName,
	grant.Download: storagev1.ObjectService_PresignDownload_FullMethodName,
	grant.Upload:   storagev1.ObjectService_PresignUpload_FullMethodName,
}

// declared returns what the contract decides of a call for an act, by the same rules and the
// same code as the interceptor.
func declared() (func(grant.Act, principal.Principal, string) error, error) {
	services, err := access.Find(storagev1.BucketService_ServiceDesc.ServiceName, storagev1.ObjectService_ServiceDesc.ServiceName)
	if err != nil {
		return nil, err
	}
	table, err := access.NewTable(services...)
	if err != nil {
		return nil, err
	}
	rules := map[grant.Act]*access.Rule{}
	for _, act := range grant.Acts {
		rule, ok := table.Rule(actMethods[act])
		if !ok {
			return nil, fmt.Errorf("no method of the contract is for the act %s", act)
		}
		rules[act] = rule
	}
	return func(act grant.Act, p principal.Principal, accountID string) error {
		return access.Decide(rules[act], &p, accountID)
	}, nil
}
