#!/usr/bin/env bash
# One PostgreSQL server in the foreground, on loopback, with a data folder of its own.
#
#   tests/lab/postgres.sh FOLDER PORT [PRIMARY_PORT|-] [CERTIFICATE]
#
# User `postgres`, database `archive`, no password. With PRIMARY_PORT it is a streaming standby of the server there. With
# CERTIFICATE, a file with key and certificate, it speaks TLS too.
# Nothing is synced to disk but the order of writes, so that a killed server comes back as it was. Ready when it says
# "ready to accept connections". Run it under keep.sh, or end it by its process id. As root it runs as `nobody`, because
# PostgreSQL refuses root.
set -euo pipefail
bin=
for candidate in /usr/lib/postgresql/*/bin; do
    [ -x "$candidate/postgres" ] && bin=$candidate
done
[ -n "$bin" ] || {
    echo "lab: no PostgreSQL server: run tests/lab/install.sh sql" >&2
    exit 69
}
folder=$1 port=$2 primary=${3:--} certificate=${4:-}
as=()
if [ "$(id -u)" = 0 ]; then
    chmod 755 "$folder"
    mkdir -p "$folder/server"
    chown nobody "$folder/server"
    as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
mkdir -p "$folder/server"
data=$folder/server/data
cd "$folder/server"
if [ ! -f "$data/PG_VERSION" ] && [ "$primary" != - ]; then
    "${as[@]}" "$bin/pg_basebackup" --pgdata="$data" --host=127.0.0.1 --port="$primary" --username=postgres --write-recovery-conf --checkpoint=fast
elif [ ! -f "$data/PG_VERSION" ]; then
    "${as[@]}" "$bin/initdb" --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
    echo "CREATE DATABASE archive;" | "${as[@]}" "$bin/postgres" --single -D "$data" postgres >/dev/null
fi
tls=()
if [ -n "$certificate" ]; then
    "${as[@]}" install -m 600 /dev/null "$folder/server/tls.pem"
    cat "$certificate" >"$folder/server/tls.pem"
    tls=(-c ssl=on -c "ssl_cert_file=$folder/server/tls.pem" -c "ssl_key_file=$folder/server/tls.pem")
fi
exec "${as[@]}" "$bin/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=16MB \
    -c max_connections=60 "${tls[@]}"
