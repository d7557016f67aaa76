#!/usr/bin/env bash
# Keeps one server for whoever holds this script's standard input, and nothing longer: tests, benchmarks, a shell.
#
#   tests/lab/keep.sh FOLDER COMMAND [ARGUMENT...]
#
# Each line on standard input starts COMMAND again (a server that runs is left alone); FOLDER/pid then holds its
# process id and FOLDER/log what it prints. The end of standard input, which also comes when the holder is killed,
# ends the server's process group and removes FOLDER.
set -u

main() {
    local folder=$1 pid=
    shift
    # it ends by the end of its input and by nothing else; an empty trap would be inherited by the server
    trap : INT TERM HUP
    # each server leads a process group, so that what it has started itself can be ended with it
    set -m

    mkdir -p "$folder"
    while read -r _; do
        is_alive "$pid" && continue
        "$@" </dev/null >>"$folder/log" 2>&1 &
        pid=$!
        # seen by readers either whole or not at all
        echo "$pid" >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid"
    done

    # its data goes with it, so there is nothing to leave in order
    [ -n "$pid" ] && kill -KILL -- "-$pid" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$folder"
}

is_alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# A session of its own: a signal to the holder's process group, SIGKILL by `timeout` for instance, must not end the keeper.
if [ -z "${SECOR_LAB_KEEPER:-}" ]; then
    export SECOR_LAB_KEEPER=yes
    exec setsid --wait "$0" "$@"
fi
# One line, so that bash has read all of it before the first server starts: who edits this file does not disturb it.
main "$@"; exit
