//! `claviger version`

use super::exit::Failure;
use super::output::Format;
use clap::Args;
use serde::Serialize;

/// Which Claviger this is.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  claviger version -o json")]
pub struct Version {
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Serialize)]
struct Build {
    version: &'static str,
}

impl Version {
    /// Prints it.
    ///
    /// # Errors
    /// If standard output does not take it.
    pub fn run(self) -> Result<(), Failure> {
        let build = Build { version: env!("CARGO_PKG_VERSION") };
        self.output.print(&build, |build| format!("claviger {}", build.version))
    }
}
