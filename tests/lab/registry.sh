#!/usr/bin/env bash
# One schema registry (Apicurio, which speaks Confluent's interface) in the foreground, on loopback.
#
#   tests/lab/registry.sh FOLDER PORT
#
# Schemas are under FOLDER and survive a restart, also after a kill. The interface is at
# http://127.0.0.1:PORT/apis/ccompat/v7. Ready when it prints `Listening on` (5 to 10 seconds). Run it under keep.sh, or
# end it by its process id.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
registry=$lab/apicurio/3.3.3
[ -d "$registry" ] || {
    echo "lab: no Apicurio in $lab: run tests/lab/install.sh registry" >&2
    exit 69
}
java=$("$here/java21.sh")
mkdir -p "$1/tmp"
cd "$1"
# a schema that it has answered for is on the disk
exec "$java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir="$1/tmp" \
    -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$2" \
    -Dquarkus.management.host=127.0.0.1 -Dquarkus.management.port=0 \
    -Dapicurio.storage.sql.kind=h2 -Dapicurio.datasource.url="jdbc:h2:file:$1/schemas;WRITE_DELAY=0" \
    -jar "$registry/quarkus-run.jar"
