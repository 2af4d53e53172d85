//! `loadtest`: the command line of the load test.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
