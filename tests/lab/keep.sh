#!/usr/bin/env bash
# Keeps one server for whoever holds this script's standard input, and nothing longer: tests, benchmarks, a shell.
#
#   tests/lab/keep.sh FOLDER COMMAND [ARGUMENT...]
#
# Each line on standard input starts COMMAND again (a server that runs is left alone); FOLDER/pid then holds its
# process id and FOLDER/log what it prints. The end of standard input, which also comes when the holder is killed,
# ends the server by that id and removes FOLDER.
set -u

main() {
    local folder=$1 pid=
    shift
    # Ctrl-C reaches the whole process group: the holder dies of it, and this script notices by the end of its input.
    # (An empty trap would be inherited, and Java leaves a TERM ignored that it finds ignored.)
    trap : INT TERM HUP

    mkdir -p "$folder"
    while read -r _; do
        is_alive "$pid" && continue
        "$@" </dev/null >>"$folder/log" 2>&1 &
        pid=$!
        # seen by readers either whole or not at all
        echo "$pid" >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid"
    done

    # its data goes with it, so there is nothing to leave in order
    is_alive "$pid" && kill -KILL "$pid"
    wait 2>/dev/null
    rm -rf "$folder"
}

is_alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# One line, so that bash has read all of it before the first server starts: who edits this file does not disturb it.
main "$@"; exit
