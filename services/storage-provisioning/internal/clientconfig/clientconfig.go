// Package clientconfig writes S3 credentials as the configuration files of well-known
// clients. It is pure: credentials in, texts out.
//
// It guarantees: what it writes is read back by those clients as what was given, and goes
// to the public endpoint. The texts hold the secret; nothing here keeps them.
package clientconfig

import (
	"fmt"
	"net/url"
	"strings"
)

// Format is a kind of configuration file.
type Format string

// The formats.
const (
	// Env is environment variables, one a line, as the AWS tools know them.
	Env Format = "ENV"
	// AWS is `~/.aws/credentials`.
	AWS Format = "AWS_CREDENTIALS"
	// Rclone is `rclone.conf`.
	Rclone Format = "RCLONE"
	// S3cmd is `~/.s3cfg`.
	S3cmd Format = "S3CMD"
)

// Credentials are what the files are for.
type Credentials struct {
	// ID and Secret are the key.
	ID, Secret string
	// Endpoint is the public one, http(s)://host[:port]; Region is what to sign for.
	Endpoint, Region string
}

// File is one file.
type File struct {
	Format Format
	// Name is what to save it as.
	Name string
	// Content is the text.
	Content string
}

// profile is how the credentials are called in the files.
const profile = "primecloud"

// Render returns the files, always all of them and in the same order.
func Render(c Credentials) []File {
	return []File{
		{Env, ".env", env(c)},
		{AWS, "credentials", aws(c)},
		{Rclone, "rclone.conf", rclone(c)},
		{S3cmd, ".s3cfg", s3cmd(c)},
	}
}

func env(c Credentials) string {
	return lines(
		"AWS_ACCESS_KEY_ID="+c.ID,
		"AWS_SECRET_ACCESS_KEY="+c.Secret,
		"AWS_REGION="+c.Region,
		"AWS_DEFAULT_REGION="+c.Region,
		"AWS_ENDPOINT_URL_S3="+c.Endpoint,
		// The default of newer clients is refused by the door: it is a mode that the backend
		// takes without a signature over the content.
		"AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
		"AWS_RESPONSE_CHECKSUM_VALIDATION=when_required",
	)
}

func aws(c Credentials) string {
	return lines(
		"["+profile+"]",
		"aws_access_key_id = "+c.ID,
		"aws_secret_access_key = "+c.Secret,
		"region = "+c.Region,
		"endpoint_url = "+c.Endpoint,
		"request_checksum_calculation = when_required",
		"response_checksum_validation = when_required",
	)
}

func rclone(c Credentials) string {
	return lines(
		"["+profile+"]",
		"type = s3",
		"provider = Minio",
		"access_key_id = "+c.ID,
		"secret_access_key = "+c.Secret,
		"region = "+c.Region,
		"endpoint = "+c.Endpoint,
		"force_path_style = true",
		"acl =",
		// A key makes no buckets, and one of a prefix may not even ask whether one is there.
		"no_check_bucket = true",
	)
}

func s3cmd(c Credentials) string {
	host, secure := c.Endpoint, "False"
	if u, err := url.Parse(c.Endpoint); err == nil {
		host = u.Host
		if u.Scheme == "https" {
			secure = "True"
		}
	}
	return lines(
		"[default]",
		"access_key = "+c.ID,
		"secret_key = "+c.Secret,
		"bucket_location = "+c.Region,
		"host_base = "+host,
		// Without a bucket in it: path style.
		"host_bucket = "+host,
		"use_https = "+secure,
		"signature_v2 = False",
	)
}

func lines(list ...string) string { return fmt.Sprintln(strings.Join(list, "\n")) }
