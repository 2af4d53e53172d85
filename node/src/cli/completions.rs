//! `claviger completions`

use super::exit::Failure;
use super::output;
use clap::Args;
use clap_complete::{Shell, generate};

/// A script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger completions bash > ~/.local/share/bash-completion/completions/claviger
  claviger completions zsh > ~/.zfunc/_claviger
  claviger completions fish > ~/.config/fish/completions/claviger.fish")]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Prints the script that completes `command`.
    ///
    /// # Errors
    /// If standard output does not take it.
    pub fn run(self, mut command: clap::Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut command, "claviger", &mut script);
        output::line(String::from_utf8_lossy(&script).trim_end())
    }
}
