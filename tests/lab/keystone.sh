#!/usr/bin/env bash
# One OpenStack Keystone in the foreground, on loopback.
#
#   tests/lab/keystone.sh FOLDER PORT STORAGE_URL
#
# Its catalog has an object store at STORAGE_URL in the region `here`. The user `archiver`, password `hush`, of the project
# `logs`; an application credential of hers, whose id and secret are in FOLDER/credential.json. Tokens live for four
# seconds. Prints `ready`, after ten seconds. Run it under keep.sh, or end it by its process id.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
bin=$lab/keystone/bin
[ -x "$bin/keystone-manage" ] || {
    echo "lab: no Keystone in $lab: run tests/lab/install.sh keystone" >&2
    exit 69
}
folder=$1 port=$2 storage=$3
mkdir -p "$folder/fernet"
chmod 700 "$folder/fernet"
cat >"$folder/keystone.conf" <<END
[DEFAULT]
log_file = $folder/keystone.log
[database]
connection = sqlite:///$folder/keystone.db
[fernet_tokens]
key_repository = $folder/fernet
[cache]
enabled = false
END
manage() { "$bin/keystone-manage" --config-file "$folder/keystone.conf" "$@" >>"$folder/manage.log" 2>&1; }
manage fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)" &
manage db_sync
wait $!
manage bootstrap --bootstrap-password lab-secret --bootstrap-public-url "http://127.0.0.1:$port/v3" --bootstrap-region-id here
export OS_KEYSTONE_CONFIG_FILES=$folder/keystone.conf
exec "$bin/python" -W ignore "$here/keystone_server.py" "$folder" "$port" "$storage"
