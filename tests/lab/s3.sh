#!/usr/bin/env bash
# One S3 server (versitygw over a plain folder) in the foreground, on loopback.
#
#   tests/lab/s3.sh FOLDER PORT
#
# Buckets are the folders below FOLDER/buckets, objects the files in them; the file system must have extended
# attributes. Credentials: ROOT_ACCESS_KEY and ROOT_SECRET_KEY, by default `lab` and `lab-secret`. Ready when it
# answers (0.1 s). Run it under keep.sh, or end it by its process id.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
gateway=$lab/versitygw/1.8.0/versitygw
[ -x "$gateway" ] || {
    echo "lab: no versitygw in $lab: run tests/lab/install.sh s3" >&2
    exit 69
}
mkdir -p "$1/buckets" "$1/versions"
export ROOT_ACCESS_KEY=${ROOT_ACCESS_KEY:-lab} ROOT_SECRET_KEY=${ROOT_SECRET_KEY:-lab-secret}
exec "$gateway" --port "127.0.0.1:$2" --keep-alive --quiet posix --versioning-dir "$1/versions" "$1/buckets"
