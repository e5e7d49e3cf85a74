// Package demo does the main job of the suite through its public doors only and prints
// each step with its evidence. On MinIO itself it only looks whether the backend really has what
// the suite said, and once it removes a bucket there, to show that this is found.
package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/primecloud/primecloud/deploy/stack/webclient"
)

// Target says where a running suite is and who logs in.
type Target struct {
	// Gateway is the address of the gateway.
	Gateway string `json:"gateway"`
	// S3 is the public S3 endpoint.
	S3 string `json:"s3"`
	// Region is the region to sign for.
	Region string `json:"region"`
	// MinIO is the internal endpoint of MinIO, with the credentials to look inside.
	MinIO string `json:"minio"`
	// MinIOUser is MinIO's administrator.
	MinIOUser string `json:"minioUser"`
	// MinIOPassword is that administrator's password.
	MinIOPassword string `json:"minioPassword"`
	// Login is the e-mail address of the demo person.
	Login string `json:"login"`
	// Password is the demo person's password.
	Password string `json:"password"`
	// Guest is the e-mail address of a person from elsewhere.
	Guest string `json:"guest"`
	// GuestPassword is that person's password.
	GuestPassword string `json:"guestPassword"`
	// Operator is the e-mail address of the platform's administrator.
	Operator string `json:"operator"`
	// OperatorPassword is that person's password.
	OperatorPassword string `json:"operatorPassword"`
}

// Demo is one run.
type Demo struct {
	target Target
	out    io.Writer
	web    *webclient.Client
	suffix string
	step   int

	account string
	other   tenant
	bucket  string
	key     credentials
	// guest is the person from elsewhere, hidden a bucket that they are not shown.
	guest  *webclient.Client
	hidden string
}

type tenant struct{ account, bucket string }

type credentials struct{ id, accessKeyID, secret string }

// Run does every step against the target and stops at the first that fails.
func Run(ctx context.Context, target Target, out io.Writer) error {
	d := &Demo{
		target: target, out: out, web: webclient.New(target.Gateway),
		suffix: fmt.Sprintf("%x", time.Now().UnixNano()/1000),
	}
	steps := []struct {
		title string
		do    func(context.Context) error
	}{
		{"Log in through the provider (authorization code with PKCE)", d.logIn},
		{"Create an account", d.createAccount},
		{"Create a bucket with a quota and a lifecycle rule, in the same second", d.createBucket},
		{"Read the quota and the rule back from MinIO", d.readBack},
		{"Create an access key for that bucket alone", d.createKey},
		{"Put and get an object directly on MinIO with that key", d.putAndGet},
		{"Upload and download by presigned URLs", d.presigned},
		{"Upload an object in parts by presigned URLs, list it and delete it", d.inParts},
		{"See the key refused on another tenant's bucket", d.refused},
		{"Let a person from elsewhere see one bucket", d.external},
		{"Hold the account to a quota of bytes", d.quota},
		{"Preview a lifecycle rule, and open a prefix to everybody for a moment", d.settings},
		{"Share an object by a link with a password", d.share},
		{"Remove a bucket behind the suite's back, and see it repaired", d.drift},
		{"Suspend the account and restore it", d.suspension},
		{"Read the audit trail of all that", d.audit},
		{"Export the trail and verify it offline", d.export},
		{"Delete the objects, the key and the buckets", d.cleanUp},
	}
	for _, step := range steps {
		d.step++
		fmt.Fprintf(out, "\n%2d. %s\n", d.step, step.title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("step %d (%s): %w", d.step, step.title, err)
		}
	}
	fmt.Fprintf(out, "\nAll %d steps done.\n", d.step)
	return nil
}

// show prints one line of evidence.
func (d *Demo) show(format string, args ...any) {
	fmt.Fprintf(d.out, "    "+format+"\n", args...)
}
