//! `loadtest`: the command line of the load test.

mod cli;

use std::process::ExitCode;

/// That of Claviger's binary, whose ledger runs here too when it is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
