//! What is printed.

use super::exit::Failure;
use clap::ValueEnum;
use core::fmt;
use serde::Serialize;
use std::io::{self, ErrorKind, Write};

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs; stable.
    Json,
}

impl Format {
    /// Prints `value`, for people as `table` writes it.
    ///
    /// # Errors
    /// If standard output does not take it.
    pub fn print<T: Serialize>(
        self,
        value: &T,
        table: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self {
            Self::Table => table(value),
            Self::Json => serde_json::to_string_pretty(value)
                .map_err(|error| Failure::failed(format!("the answer has no JSON: {error}")))?,
        };
        line(text.trim_end())
    }
}

/// Prints a line of data. A reader that has gone away is no failure.
///
/// # Errors
/// If standard output does not take it.
pub fn line(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).or_else(ended)
}

/// What comes of a standard output that took no more. A reader that has gone away is no failure.
///
/// # Errors
/// If it is anything else.
pub fn ended(error: io::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::failed(format!("standard output does not take more: {error}"))),
    }
}

/// Says something that is no data.
pub fn note(text: impl fmt::Display) {
    // Whoever closed standard error does not want to hear of it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Columns under their headings, two spaces apart.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(headings[column].len())
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let write = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let mut text = write(&mut headings.iter().copied());
    for row in &rows {
        text += &write(&mut row.iter().map(String::as_str));
    }
    text
}

/// Names and values, one a line.
pub fn facts(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:<width$}  {}\n", plain(value));
    pairs.iter().map(line).collect()
}

/// A text from outside without what could move a terminal's cursor.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings() {
        let rows = [vec!["a".into(), "long value".into()], vec!["ünïcode".into(), "x".into()]];

        let text = table(&["ID", "NAME"], &rows);

        assert_eq!(text, "ID       NAME\na        long value\nünïcode  x\n");
    }

    #[test]
    fn what_a_device_says_cannot_move_the_cursor() {
        let rows = [vec!["\u{1b}[2Jx\ny".into()]];
        assert_eq!(table(&["WORDS"], &rows), "WORDS\n\u{fffd}[2Jx\u{fffd}y\n");
        assert_eq!(facts(&[("a", "\r".into())]), "a  \u{fffd}\n");
    }
}
