#!/usr/bin/env bash
# One OpenStack Swift (Debian's) in the foreground, on loopback: a proxy and an object, a container and an account server
# over plain folders, one replica, and the memcached that keeps tempauth's tokens.
#
#   tests/lab/swift.sh FOLDER PROXY_PORT OBJECT_PORT CONTAINER_PORT ACCOUNT_PORT CACHE_PORT
#
# The file system must have extended attributes. Tempauth at http://127.0.0.1:PROXY_PORT/auth/v1.0: `test:tester` with
# the key `testing` may do everything; `test:reader` with the key `reading`, and whoever has no token, may read the only
# container, `archive`.
# Prints `ready` (3 s). Run it under keep.sh, which ends all of them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1 proxy=$2 object=$3 container=$4 account=$5 cache=$6
command -v swift-proxy-server memcached swift-ring-builder >/dev/null || {
    echo "lab: no OpenStack Swift: run tests/lab/install.sh swift" >&2
    exit 69
}
mkdir -p "$folder/node/disk"
cd "$folder"

ring() {
    swift-ring-builder "$1.builder" create 4 1 0
    swift-ring-builder "$1.builder" add "r1z1-127.0.0.1:$2/disk" 1
    swift-ring-builder "$1.builder" rebalance
}

# common PORT: the beginning of every server's configuration
common() {
    cat <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $1
user = $(id -un)
workers = 0
swift_dir = $folder
devices = $folder/node
mount_check = false
fallocate_reserve = 0
# on a busy machine nothing may be put off: nobody here would make up for it
conn_timeout = 30
node_timeout = 60
container_update_timeout = 60
disable_fallocate = true
log_level = ERROR
log_address = $folder/no-log
eventlet_debug = false
END
}

# server NAME PORT: one of the three behind the proxy
server() {
    common "$2" >"$1.conf"
    printf '[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\n' "$1" "$1" "$1" >>"$1.conf"
}

ring object "$object" >/dev/null
ring container "$container" >/dev/null
ring account "$account" >/dev/null
server object "$object"
server container "$container"
server account "$account"
cat >proxy.conf <<END
$(common "$proxy")
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats tempauth slo dlo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$cache
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_reader = reading
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
END

printf '[swift-hash]\nswift_hash_path_suffix = lab\nswift_hash_path_prefix = lab\n' >swift.conf
memcached -u "$(id -un)" -l 127.0.0.1 -p "$cache" -U 0 -m 16 &
for name in account container object proxy; do
    /usr/bin/python3 "$here/swift_server.py" "$name" "$folder" &
done
/usr/bin/python3 "$here/swift_server.py" container-of-the-tests "http://127.0.0.1:$proxy"
echo ready
# one that ends, because its port was taken for instance, ends all
wait -n
