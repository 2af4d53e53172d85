# `just check` before every commit; `just fix` for what can be fixed by itself. `tests/setup` installs the tools.

set shell := ["bash", "-euo", "pipefail", "-c"]

# Lists the recipes.
default:
    @just --list --unsorted

# Checks all that CI checks, and changes nothing. The quick ones come first.
check: house lint test

# Formatting, spelling, licences, and who may import whom.
house:
    cargo fmt --all --check
    cargo fmt --check --manifest-path tests/interop/peers/rust/Cargo.toml
    cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
    taplo fmt --check
    typos
    tests/house
    cargo deny --locked check bans licenses sources

# Compiler and Clippy warnings, in the product and in the tests. Purity is checked here: see clippy.toml.
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo check --manifest-path tests/fuzz/Cargo.toml --lib --examples --locked

# Every test, among them those against Leshan and other stacks of DTLS. None is skipped where a peer is missing: it fails.
test:
    cargo test --workspace --locked

# The same tests with bigger numbers: 2,000 power cuts instead of 200, and whatever else reads CLAVIGER_LONG.
long:
    CLAVIGER_LONG=1 cargo test --workspace --locked

# Fuzzes each target of tests/fuzz for so many seconds; what it finds stays in tests/fuzz/artifacts. Needs a nightly
# compiler and `cargo install cargo-fuzz`.
fuzz seconds="60":
    #!/usr/bin/env bash
    set -euo pipefail
    cd tests/fuzz
    for target in $(cargo +nightly fuzz list --fuzz-dir .); do
        mkdir -p corpus/"$target"
        cargo +nightly fuzz run --fuzz-dir . "$target" corpus/"$target" seeds/"$target" -- \
            -max_total_time={{seconds}} -max_len=8192 -timeout=10
    done

# Fixes what can be fixed: lints, formatting, spelling. Look at the diff afterwards.
fix:
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    cargo fmt --all
    cargo fmt --manifest-path tests/interop/peers/rust/Cargo.toml
    taplo fmt
    typos --write-changes

# Writes the OpenAPI document anew, as the code says it. Look at the difference afterwards.
openapi:
    cargo run --locked --quiet -- openapi > node/api/openapi.json.new
    mv node/api/openapi.json.new node/api/openapi.json

# Claviger and a simulated device in one process, on free ports, with a data folder that is gone afterwards.
demo:
    cargo run --locked -- demo

# Three nodes of the ledger and two edges in network namespaces, behind a router that balances devices between the edges.
# Takes root; `just down` ends it. Devices come from `tests/lab in claviger devices ...`.
up:
    cargo build --locked
    tests/lab down claviger
    tests/lab up claviger 5
    tests/lab cluster claviger "$(realpath "${CARGO_TARGET_DIR:-target}/debug/claviger")"

# Ends what `just up` has started.
down:
    tests/lab down claviger

# Claviger and Leshan's bootstrap server under the same load, turn by turn; 10 minutes, or a minute with --quick.
bench-bootstrap *options:
    cargo build --release --locked -p claviger -p claviger-loadtest
    cargo run --release --locked -p claviger-loadtest -- compare bootstrap {{options}}

# How many sessions a server holds, and whether the old ones live; a minute or two.
bench-sessions *options:
    cargo build --release --locked -p claviger -p claviger-loadtest
    cargo run --release --locked -p claviger-loadtest -- sessions {{options}}

# A million devices: enrolment, memory awake and asleep, restart, and the tail of bootstraps beside 10,000.
bench-scale *options:
    cargo build --release --locked -p claviger -p claviger-loadtest
    cargo run --release --locked -p claviger-loadtest -- scale {{options}}

# Where a bootstrap's CPU time goes, as flamegraph.svg. Needs perf (Debian: linux-perf) and `cargo install inferno`.
flamegraph *options:
    cargo build --release --locked -p claviger -p claviger-loadtest
    cargo run --release --locked -p claviger-loadtest -- bootstrap --devices 30000 --perf perf.data {{options}}
    perf script --no-inline --input perf.data | inferno-collapse-perf | inferno-flamegraph >flamegraph.svg
    rm perf.data

# Known vulnerabilities in dependencies; needs the network, so it is no part of `check`.
advisories:
    cargo deny check advisories
