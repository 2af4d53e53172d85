//! `claviger config`

use super::begin::overridden;
use super::exit::{Exit, Failure};
use super::output::{Format, note};
use crate::config::Config as Tree;
use crate::http::Identity;
use crate::{admin_token, kek};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What can be done with a configuration.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger config show > claviger.toml
  claviger config check --config claviger.toml")]
pub enum Config {
    /// Print the whole configuration as it holds: every key with its meaning, default and value.
    #[command(after_help = "\
Without a file it prints the defaults: a template to begin with.

Examples:
  claviger config show > claviger.toml
  claviger config show --config /etc/claviger.toml")]
    Show(Show),
    /// Check a configuration and the files that it names.
    #[command(after_help = "Example:\n  claviger config check --config /etc/claviger.toml")]
    Check(Source),
}

/// Where a configuration comes from.
#[derive(Debug, Args)]
pub struct Source {
    /// The configuration, in TOML; the defaults where absent.
    #[arg(long, env = "CLAVIGER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A configuration to be shown.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    source: Source,
    /// How it is printed; table is TOML.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Config {
    /// Does it.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Show(Show { source, output }) => output.print(&source.load()?, Tree::show),
            Self::Check(source) => check(&source),
        }
    }
}

impl Source {
    /// The configuration as it holds, with what the environment says of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(&self) -> Result<Tree, Failure> {
        let tree = self.config.as_deref().map(Tree::load).transpose();
        let tree = tree.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let tree = tree.unwrap_or_default();
        Ok(Tree { log: overridden(tree.log)?, ..tree })
    }
}

/// Reads a configuration and the files that it names; makes none.
///
/// # Errors
/// What is wrong.
pub fn check(source: &Source) -> Result<(), Failure> {
    let tree = source.load()?;
    let wrong = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error.to_string());
    kek::check(&tree).map_err(|error| wrong(&error))?;
    admin_token::load(&tree.admin_token()).map_err(|error| wrong(&error))?;
    if let Some((certificate, key)) = tree.tls() {
        Identity::load(&certificate, &key).map_err(|error| wrong(&error))?;
    }
    note("The configuration is good.");
    Ok(())
}
