#!/usr/bin/env bash
# The negative control: an S3 server (s3s-fs over a plain folder) whose create-if-absent is not atomic, in the
# foreground, on loopback.
#
#   tests/lab/s3s.sh FOLDER PORT
#
# Bucket `archive`, key `lab`, secret `lab-secret`. Ready when it answers (0.1 s). Run it under keep.sh, or end it by its
# process id.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
server=$lab/s3s-fs/0.14.1/bin/s3s-fs
[ -x "$server" ] || {
    echo "lab: no s3s-fs in $lab: run tests/lab/install.sh s3s" >&2
    exit 69
}
mkdir -p "$1/data/archive"
exec "$server" --host 127.0.0.1 --port "$2" --access-key lab --secret-key lab-secret "$1/data"
