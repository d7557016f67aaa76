#!/usr/bin/env bash
# One Azure Blob Storage server (Azurite) in the foreground, on loopback.
#
#   tests/lab/azure.sh FOLDER PORT
#
# Account `devstoreaccount1` with the published development key, container `archive`, everything in memory. Prints two
# shared access signatures, `writer ...` and `reader ...`, and `ready` (1.5 s). Run it under keep.sh, which ends it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
program=$lab/azurite/3.35.0/node_modules/azurite/dist/src/blob/main.js
[ -f "$program" ] || {
    echo "lab: no Azurite in $lab: run tests/lab/install.sh azure" >&2
    exit 69
}
cd "$1"
node "$program" --blobHost 127.0.0.1 --blobPort "$2" --silent --disableTelemetry --blobKeepAliveTimeout 300 \
    --skipApiVersionCheck --inMemoryPersistence &
until (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; do
    kill -0 $! 2>/dev/null || exit 1
    sleep 0.05
done
python3 "$here/azure_container.py" "$2" archive
echo ready
wait
