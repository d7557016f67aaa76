#!/usr/bin/env bash
# One MariaDB server in the foreground, on loopback, with a data folder of its own.
#
#   tests/lab/mariadb.sh FOLDER PORT [CERTIFICATE]
#
# User `secor` with password `lab-secret`, who may do everything in the database `archive`; `root` without a password.
# With CERTIFICATE, a file with key and certificate, it speaks TLS too.
# Ready when it says "ready for connections". Run it under keep.sh, or end it by its process id.
set -euo pipefail
command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null || {
    echo "lab: no MariaDB server: run tests/lab/install.sh sql" >&2
    exit 69
}
folder=$1 port=$2 certificate=${3:-}
data=$folder/server/data
as=()
mkdir -p "$folder/server"
if [ "$(id -u)" = 0 ]; then
    chmod 755 "$folder"
    chown nobody "$folder/server"
    as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
cd "$folder/server"
if [ ! -d "$data/mysql" ]; then
    "${as[@]}" mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal --skip-test-db >/dev/null
    "${as[@]}" mariadbd --no-defaults --datadir="$data" --bootstrap >/dev/null 2>&1 <<'SQL'
FLUSH PRIVILEGES;
CREATE DATABASE archive;
CREATE USER secor@'127.0.0.1' IDENTIFIED BY 'lab-secret';
GRANT ALL ON archive.* TO secor@'127.0.0.1';
SQL
fi
tls=()
if [ -n "$certificate" ]; then
    "${as[@]}" install -m 600 /dev/null "$folder/server/tls.pem"
    cat "$certificate" >"$folder/server/tls.pem"
    tls=("--ssl-cert=$folder/server/tls.pem" "--ssl-key=$folder/server/tls.pem")
fi
exec "${as[@]}" mariadbd --no-defaults --datadir="$data" --port="$port" --bind-address=127.0.0.1 --socket="$folder/server/socket" \
    --skip-name-resolve --innodb-buffer-pool-size=16M --innodb-log-file-size=8M --performance-schema=off "${tls[@]}"
