# For who has just cloned this: `make demo`, `make test`, `make build`. Developers: `just` lists the rest.
# Assumed: a Rust toolchain (rustup), a C compiler, git. Everything else is installed by name, or asked for.

.PHONY: help demo test build lab
.DEFAULT_GOAL := help

help:
	@echo "make demo    build, archive half a million records from a broker in the process, kill, restart, verify"
	@echo "make test    install the lab (Kafka, an S3 server, readers) into .lab, run all tests that CI runs"
	@echo "make build   the release binary with TLS, SCRAM and Kerberos for Kafka: target/release/secor"
	@echo "make lab     only install the lab; .lab/bin/just is in it, and lists the developers' commands"

demo:
	@tests/lab/install.sh build
	cargo run --locked --package secor -- demo

test: lab
	cargo test --locked --workspace

build:
	@tests/lab/install.sh full
	cargo build --locked --release --package secor --features full

lab:
	@tests/lab/install.sh all
