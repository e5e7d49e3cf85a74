// Package servers starts the pinned third-party servers as child processes: PostgreSQL,
// NATS with JetStream, MinIO, the door before MinIO (Caddy) and Dex. The local stack and
// the tests use it; nothing that runs in production does.
//
// It owns where the executables come from (deploy/tools/install.sh, which builds what is
// missing), the configuration each server gets, its process group and its log.
//
// It guarantees: a Start function returns when the server answers its own protocol, or
// with an error that carries the end of its log; a taken port is an error that names the
// port and the setting; the children end when this process ends, however it ends (on
// Linux; elsewhere a killed parent leaves them behind); data in Dir survives Stop, Kill
// and a new start.
//
// It does not supervise: a server that dies closes Done and stays dead until Start.
package servers
