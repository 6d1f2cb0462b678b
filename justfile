# One line for each thing a developer does; each calls cargo or xtask, so that all of it works without just.
# Needs just 1.40 or newer.

# List the recipes.
[private]
default:
    @just --list --unsorted

# Serve on http://127.0.0.1:8000 with the embedded store.
[group('run')]
run *arguments:
    cargo run --release -- serve {{ arguments }}

# Serve from the throw-away PostgreSQL of `just db-up`.
[group('run')]
run-postgres *arguments:
    HEARTH__STORE__URL="$(cargo xtask db up)" cargo run --release -- serve {{ arguments }}

# Serve with each request exported as a span, to a collector on this machine unless HEARTH__LOG__OTLP_ENDPOINT names another.
[group('run')]
run-traced *arguments:
    HEARTH__LOG__OTLP_ENDPOINT="${HEARTH__LOG__OTLP_ENDPOINT:-http://127.0.0.1:4318}" cargo run --release --features otlp -- serve {{ arguments }}

# Bring the store's tables up to date.
[group('run')]
migrate *arguments:
    cargo run --release -- migrate {{ arguments }}

# Show every setting with its source.
[group('run')]
config *arguments:
    cargo run --release -- config print {{ arguments }}

# Take dialogues over from a file of JSON Lines; - reads standard input.
[group('run')]
import file *arguments:
    cargo run --release -- import {{ quote(file) }} {{ arguments }}

# Write every session as JSON Lines, to standard output or a file.
[group('run')]
export *arguments:
    @cargo run --quiet --release -- export {{ arguments }}

# Start a throw-away PostgreSQL, unless it runs, and print its URL.
[group('database')]
db-up:
    @cargo xtask db up

# Stop the throw-away PostgreSQL and remove its data.
[group('database')]
db-down:
    @cargo xtask db down

# Run every test, with a PostgreSQL of its own; arguments go to `cargo test`.
[group('check')]
test *arguments:
    cargo xtask test -- {{ arguments }}

# Run every check, or those that are named.
[group('check')]
ci *steps:
    cargo xtask ci {{ steps }}

# Soak the cache for some seconds: many lives, each of which its seed replays.
[group('check')]
soak seconds='60' *seed:
    cargo run --release -p hearth-cache --example soak -- {{ seconds }} {{ seed }}

# Send the server, and the client of the models, requests and streams of any kind, for so many minutes each.
[group('check')]
fuzz minutes='10':
    HEARTH_FUZZ_MINUTES={{ minutes }} cargo test --package hearth-api --test fuzz
    HEARTH_FUZZ_MINUTES={{ minutes }} cargo test --package hearth-chat --test openai anything

# Measure Hearth's figures, every row or those that are named, on a machine that does nothing else.
[group('bench')]
bench *arguments:
    cargo run --release --package hearth-bench -- {{ arguments }}

# Try the benchmark itself, every row or those that are named, in a few minutes: its figures mean nothing.
[group('bench')]
bench-try *arguments:
    cargo run --release --package hearth-bench -- --rounds 1 --seconds 1 --scale-down 100 --results target/bench-try {{ arguments }}

# Measure the cache's single operations, for daily work; arguments go to criterion.
[group('bench')]
bench-cache *arguments:
    cargo bench --package hearth-cache --bench history --bench append --bench evict -- {{ arguments }}

# Try the running server's contract with Schemathesis; needs Python.
[group('check')]
test-contract:
    cargo xtask ci contract

# Write docs/openapi.json anew, after the contract was changed.
[group('check')]
openapi:
    HEARTH_RENEW_OPENAPI=1 cargo test --package hearth-api --test openapi

# Format the code.
[group('check')]
fmt:
    cargo fmt --all

# Lint everything; a warning is an error.
[group('check')]
lint:
    cargo xtask ci clippy

# Build the documentation and open it.
[group('check')]
doc:
    cargo doc --workspace --no-deps --open
