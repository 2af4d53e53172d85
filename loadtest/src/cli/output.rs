//! What is printed.

use clap::ValueEnum;
use claviger_loadtest::Failure;
use core::fmt;
use serde::Serialize;
use std::io::{self, Write};

/// How figures are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

impl Format {
    /// Prints `value`, for people as `table` writes it.
    pub(super) fn print<T: Serialize>(
        self,
        value: &T,
        table: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self {
            Self::Table => table(value),
            Self::Json => serde_json::to_string_pretty(value)
                .map_err(Failure::because("the figures have no JSON"))?,
        };
        let mut out = io::stdout().lock();
        let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
        written.map_err(Failure::because("standard output does not take more"))
    }
}

/// Says something that is no figure.
pub(super) fn note(text: impl fmt::Display) {
    // Whoever closed standard error does not want to hear of it.
    let _ = writeln!(io::stderr(), "{text}");
}
