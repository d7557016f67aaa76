#!/usr/bin/env bash
# Keeps one server for whoever holds this script's standard input, and nothing longer: tests, benchmarks, a shell.
#
#   tests/lab/keep.sh FOLDER COMMAND [ARGUMENT...]
#
# Each line on standard input starts COMMAND again (a server that runs is left alone); FOLDER/pid then holds its
# process id and FOLDER/log what it prints. The end of standard input, which also comes when the holder is killed,
# ends the server by that id and removes FOLDER.
set -u
folder=$1
shift
# Ctrl-C reaches the whole process group: the holder dies of it, and this script notices by the end of its input.
trap '' INT TERM HUP

pid=
alive() { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }

mkdir -p "$folder"
while read -r _; do
    alive && continue
    "$@" </dev/null >>"$folder/log" 2>&1 &
    pid=$!
    # seen by readers either whole or not at all
    echo "$pid" >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid"
done

if alive; then
    kill -TERM "$pid"
    kill -CONT "$pid"
    # ten seconds to leave in peace
    for _ in $(seq 100); do
        alive || break
        sleep 0.1
    done
    alive && kill -KILL "$pid"
    wait "$pid" 2>/dev/null
fi
rm -rf "$folder"
