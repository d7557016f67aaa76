#!/usr/bin/env bash
# One SeaweedFS with an S3 interface that really encrypts, in the foreground, on loopback.
#
#   tests/lab/seaweed.sh FOLDER PORT
#
# Login `lab`, `lab-secret`; a bucket is there when something is put into it. SSE-S3 has a key of zeros; the keys of
# SSE-KMS are in the server's memory, each made when its id is used first; SSE-C works without TLS too. What is stored lies in FOLDER/data. Ready when it says "Start Seaweed S3 API Server". Its other ports are any that
# are free; its telemetry is off. Run it under keep.sh, or end it by its process id.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
weed=$lab/venv/bin/weed
[ -x "$weed" ] || {
    echo "lab: no SeaweedFS in $lab: run tests/lab/install.sh seaweed" >&2
    exit 69
}
folder=$1 port=$2
mkdir -p "$folder/data"
cat >"$folder/s3.json" <<'JSON'
{
    "identities": [
        {
            "name": "lab",
            "credentials": [{ "accessKey": "lab", "secretKey": "lab-secret" }],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"]
        }
    ],
    "kms": { "default_provider": "local", "providers": { "local": { "type": "local", "enableOnDemandCreate": true } } }
}
JSON
read -r -a free < <("$lab/venv/bin/python" -c '
import socket
sockets = [socket.socket() for _ in range(7)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))')
WEED_S3_SSE_KEK=$(printf '0%.0s' {1..64})
export WEED_S3_SSE_KEK
exec "$weed" server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$folder/data" -master.telemetry=false -volume.max=8 \
    -master.port="${free[0]}" -master.port.grpc="${free[1]}" -volume.port="${free[2]}" -volume.port.grpc="${free[3]}" \
    -filer -filer.port="${free[4]}" -filer.port.grpc="${free[5]}" \
    -s3 -s3.port="$port" -s3.port.grpc="${free[6]}" -s3.port.iceberg=0 -s3.port.lance=0 -s3.config="$folder/s3.json"
