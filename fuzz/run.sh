#!/usr/bin/env bash
# Runs every fuzz target for a while, one after another, and prints what came of it: `just fuzz`.
#
#   fuzz/run.sh [--seconds N] [TARGET...]        30 seconds for each of all targets
#
# Inputs that reached new code are kept in fuzz/found/ for the next run; an input that broke a promise is in
# fuzz/artifacts/. To mend one: `cargo fuzz tmin`, a test beside the code, and the input into fuzz/corpus/TARGET/.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
lab=${SECOR_LAB:-$PWD/.lab}
# cargo-fuzz wants flags that the stable compiler only takes with this
export RUSTC_BOOTSTRAP=1

seconds=30
targets=()
while [ $# -gt 0 ]; do
    case $1 in
    --seconds)
        seconds=${2:?how many seconds}
        shift 2
        ;;
    --*)
        echo "fuzz: no option $1: --seconds N [TARGET...]" >&2
        exit 64
        ;;
    *)
        targets+=("$1")
        shift
        ;;
    esac
done
if [ ${#targets[@]} = 0 ]; then
    mapfile -t targets < <(cd fuzz/fuzz_targets && printf '%s\n' *.rs | sed 's/\.rs$//')
fi

# last NAME: the number behind NAME in the last line that has one
last() {
    sed -n "s/.*$1: *\([0-9][0-9]*\).*/\1/p" "$log" | tail -n 1
}

"$lab/bin/cargo-fuzz" build
log=$(mktemp)
trap 'rm -f "$log"' EXIT
findings=0
printf '%-18s %12s %9s %9s %9s  %s\n' target executions per_sec edges inputs verdict
for target in "${targets[@]}"; do
    mkdir -p "fuzz/found/$target"
    verdict=passed
    options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1)
    [ -f "fuzz/dictionaries/$target" ] && options+=(-dict="fuzz/dictionaries/$target")
    if ! "$lab/bin/cargo-fuzz" run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- "${options[@]}" >"$log" 2>&1; then
        verdict="failed: $(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)"
        findings=$((findings + 1))
        grep -aA 3 -m 1 -E 'panicked at|ERROR: ' "$log" >&2 || tail -n 20 "$log" >&2
    fi
    printf '%-18s %12s %9s %9s %9s  %s\n' "$target" "$(last number_of_executed_units)" \
        "$(last average_exec_per_sec)" "$(last 'cov')" "$(last 'corp')" "$verdict"
done
[ $findings = 0 ] || exit 1
