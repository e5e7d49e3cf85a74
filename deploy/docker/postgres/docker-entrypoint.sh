#!/bin/sh
# Makes the data at the first start, then becomes the server. The folder gets its name last, so that it is whole.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	rm -rf "$PGDATA" "$PGDATA.new"
	mkdir -p "$PGDATA.new"
	# shellcheck disable=SC2086 # a list of arguments
	initdb -D "$PGDATA.new" -U postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile="$POSTGRES_PASSWORD_FILE" ${POSTGRES_INITDB_ARGS:-}
	echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
	mv "$PGDATA.new" "$PGDATA"
fi
exec "$@" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
