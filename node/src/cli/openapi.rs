//! `claviger openapi`

use super::exit::Failure;
use super::output;
use clap::Args;

/// Print the OpenAPI document of the HTTP API.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  claviger openapi > openapi.json")]
pub struct OpenApi {}

impl OpenApi {
    /// Prints it.
    ///
    /// # Errors
    /// If standard output does not take it.
    pub fn run(self) -> Result<(), Failure> {
        output::line(crate::http::document())
    }
}
