#!/usr/bin/env bash
# A schema registry of one schema behind TLS (registry_tls.py) in the foreground, on loopback.
#
#   tests/lab/registry_tls.sh FOLDER PORT
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
python=$lab/venv/bin/python
[ -x "$python" ] || {
    echo "lab: no Python in $lab: run tests/lab/install.sh aws" >&2
    exit 69
}
exec "$python" "$here/registry_tls.py" "$1" "$2"
