//! What is printed.

use clap::ValueEnum;
use claviger_loadtest::{Failure, Report};
use core::fmt;
use core::time::Duration;
use serde::Serialize;
use std::io::{self, Write};
use std::time::Instant;

/// How long there is no word of how far a run is.
const SILENCE: Duration = Duration::from_secs(5);

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
        print(&text)
    }
}

/// Prints figures.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    written.map_err(Failure::because("standard output does not take more"))
}

/// Says something that is no figure.
pub(super) fn note(text: impl fmt::Display) {
    // Whoever closed standard error does not want to hear of it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says what makes figures doubtful.
pub(super) fn warn(report: &Report) {
    for doubt in report.doubts() {
        note(format_args!("warning: {doubt}"));
    }
}

/// How far a run is, now and then.
pub(super) struct Progress {
    what: String,
    of: u32,
    said: Instant,
}

impl Progress {
    /// Of so many.
    pub(super) fn new(what: impl fmt::Display, of: u32) -> Self {
        Self { what: what.to_string(), of, said: Instant::now() }
    }

    /// So many are done.
    pub(super) fn done(&mut self, done: usize) {
        if self.said.elapsed() >= SILENCE {
            self.said = Instant::now();
            note(format_args!("{}: {done} of {}", self.what, self.of));
        }
    }
}
