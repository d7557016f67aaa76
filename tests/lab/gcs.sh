#!/usr/bin/env bash
# One server that speaks Google Cloud Storage's XML interface, in the foreground, on loopback.
#
#   tests/lab/gcs.sh FOLDER PORT JSON_PORT
#
# fake-gcs-server keeps the objects in memory and speaks JSON on JSON_PORT; gcs_xml.py stands before it on PORT. One
# bucket, `archive`. Tokens: see gcs_xml.py. Prints `ready` (0.3 s). Run it under keep.sh, which ends both.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
server=$lab/fake-gcs-server/1.56.1/fake-gcs-server
[ -x "$server" ] || {
    echo "lab: no fake-gcs-server in $lab: run tests/lab/install.sh gcs" >&2
    exit 69
}
mkdir -p "$1/seed/archive"
"$server" -scheme http -host 127.0.0.1 -port "$3" -backend memory -data "$1/seed" -log-level error &
until (exec 3<>"/dev/tcp/127.0.0.1/$3") 2>/dev/null; do
    kill -0 $! 2>/dev/null || exit 1
    sleep 0.05
done
exec python3 "$here/gcs_xml.py" "$2" "$3"
