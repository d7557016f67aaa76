#!/usr/bin/env bash
# Amazon's STS as moto plays it, in the foreground, on loopback.
#
#   tests/lab/aws.sh FOLDER PORT
#
# It takes any key and checks nothing: for the form of requests and answers, never for a refusal. Ready when it answers
# (0.8 s). Run it under keep.sh, or end it by its process id.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
[ -x "$lab/venv/bin/moto_server" ] || {
    echo "lab: no moto in $lab: run tests/lab/install.sh aws" >&2
    exit 69
}
cd "$1"
exec "$lab/venv/bin/moto_server" --host 127.0.0.1 --port "$2"
