//! A whole list, turned line by line; and an export, whose devices are one.

use super::turn::Turn;
use crate::cli::bulk::{COLUMNS, FileFormat, is_head};
use crate::cli::exit::{Exit, Failure};
use crate::cli::input;
use crate::cli::output::{self, ended};
use crate::cli::progress::Progress;
use claviger_api::{ExportLine, ExportedDevice, KeyInput, NewPsk, Secret};
use claviger_factory::{Binding, Purpose};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// A line of a list in NDJSON. Who enrols it needs the profile, who makes the list may not know it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    psk: NewPsk,
}

/// Turns the list in `path` and writes it to standard output; `done` says what was done.
///
/// # Errors
/// If it cannot be read or written, or a line of it was wrong.
pub(super) fn turn(
    turn: &Turn,
    path: &Path,
    format: FileFormat,
    done: impl FnOnce(u64) -> String,
) -> Result<(), Failure> {
    let text = input::open(path)?;
    let out = BufWriter::new(io::stdout().lock());
    let mut work = Work { turn, keys: 0, wrong: 0, progress: Progress::new() };
    match format {
        FileFormat::Csv => work.csv(text, out)?,
        FileFormat::Ndjson => work.ndjson(BufReader::new(text), out)?,
    }
    work.end(done)
}

struct Work<'a> {
    turn: &'a Turn,
    /// How many keys were turned.
    keys: u64,
    /// How many lines were wrong.
    wrong: u64,
    progress: Progress,
}

impl Work<'_> {
    fn csv(&mut self, text: impl Read, out: impl Write) -> Result<(), Failure> {
        let mut rows =
            csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text);
        let header = rows
            .headers()
            .map_err(|_| usage("the line that names the columns cannot be read"))?
            .clone();
        let places = Places::of(&header, self.turn)?;
        let mut out = csv::Writer::from_writer(out);
        let [from, to] = self.turn.columns();
        let names = header.iter().map(|name| if name == from { to } else { name });
        out.write_record(names).map_err(unwritten)?;
        let mut row = csv::StringRecord::new();
        while let Some(number) = self.row(&mut rows, &mut row)? {
            if row.len() != header.len() {
                let (has, names) = (row.len(), header.len());
                self.told(
                    number,
                    &format!("it has {has} values where the first line names {names}"),
                );
                continue;
            }
            match places.turned(&row, self.turn) {
                Ok(key) => {
                    let value = |(place, value)| {
                        if place == places.key { key.value.expose() } else { value }
                    };
                    out.write_record(row.iter().enumerate().map(value)).map_err(unwritten)?;
                    self.done();
                }
                Err(words) => self.told(number, &words),
            }
        }
        out.flush().or_else(ended)
    }

    /// Reads the next row that can be read, and gives its line.
    fn row(
        &mut self,
        rows: &mut csv::Reader<impl Read>,
        row: &mut csv::StringRecord,
    ) -> Result<Option<u64>, Failure> {
        loop {
            match rows.read_record(row) {
                Ok(false) => return Ok(None),
                Ok(true) => return Ok(Some(row.position().map_or(0, csv::Position::line))),
                Err(error) => match error.kind() {
                    csv::ErrorKind::Utf8 { pos, .. } => {
                        self.told(pos.as_ref().map_or(0, csv::Position::line), "it is not UTF-8");
                    }
                    _ => return Err(Failure::failed("the list cannot be read further")),
                },
            }
        }
    }

    fn ndjson(&mut self, mut text: impl BufRead, mut out: impl Write) -> Result<(), Failure> {
        let (mut number, mut export) = (0, None);
        loop {
            let mut line = Zeroizing::new(Vec::new());
            let read = text.read_until(b'\n', &mut line);
            if read.map_err(|_| Failure::failed("the list cannot be read further"))? == 0 {
                return out.flush().or_else(ended);
            }
            number += 1;
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let turned = match *export.get_or_insert_with(|| is_head(line)) {
                true => self.of_export(line),
                false => self.entry(line),
            };
            match turned {
                Ok(mut json) => {
                    json.push('\n');
                    out.write_all(json.as_bytes()).or_else(ended)?;
                }
                Err(words) => self.told(number, &words),
            }
        }
    }

    fn entry(&mut self, line: &[u8]) -> Result<Zeroizing<String>, String> {
        let mut entry: Entry =
            serde_json::from_slice(line).map_err(|_| "it is not as `POST /devices` takes it")?;
        let (endpoint, identity) = (&entry.endpoint, entry.psk.identity.as_bytes());
        let binding = Binding { purpose: Purpose::Manufacturer, endpoint, identity };
        entry.psk.key = self.turn.key(binding, &entry.psk.key)?;
        self.done();
        json(&entry)
    }

    fn of_export(&mut self, line: &[u8]) -> Result<Zeroizing<String>, String> {
        match serde_json::from_slice(line).map_err(|_| "it is no line of an export")? {
            ExportLine::Device(of) => json(&ExportLine::Device(self.device(of)?)),
            _ => str::from_utf8(line)
                .map(|text| Zeroizing::new(text.to_owned()))
                .map_err(|_| "it is not UTF-8".to_owned()),
        }
    }

    fn device(&mut self, mut of: ExportedDevice) -> Result<ExportedDevice, String> {
        for it in &mut of.credentials {
            let Some(key) = &it.key else { continue };
            let purpose = match it.credential.origin.as_str() {
                "manufacturer" => Purpose::Manufacturer,
                _ => Purpose::Operational,
            };
            let identity = it.credential.identity.as_deref().unwrap_or_default().as_bytes();
            let binding = Binding { purpose, endpoint: &of.device.endpoint, identity };
            it.key = Some(self.turn.key(binding, key)?);
            self.done();
        }
        Ok(of)
    }

    fn done(&mut self) {
        self.keys += 1;
        self.progress.tell(format_args!("{} keys", self.keys));
    }

    fn told(&mut self, line: u64, words: &str) {
        self.wrong += 1;
        self.progress.clear();
        output::note(format_args!("line {line}: {}", output::plain(words)));
    }

    fn end(mut self, done: impl FnOnce(u64) -> String) -> Result<(), Failure> {
        self.progress.clear();
        output::note(done(self.keys));
        match self.wrong {
            0 => Ok(()),
            1 => Err(Failure::new(Exit::Partly, "a line was wrong and is left out")),
            many => {
                Err(Failure::new(Exit::Partly, format!("{many} lines were wrong and are left out")))
            }
        }
    }
}

/// Where the columns stand that a key is bound to, and its own.
struct Places {
    key: usize,
    endpoint: usize,
    identity: Option<usize>,
}

impl Places {
    fn of(header: &csv::StringRecord, turn: &Turn) -> Result<Self, Failure> {
        for (place, name) in header.iter().enumerate() {
            // Not quoted: a file without such a line has a key there.
            if !COLUMNS.contains(&name) {
                let (at, known) = (place + 1, COLUMNS.join(", "));
                return Err(usage(&format!(
                    "the first line must name the columns; known are {known}, and the one at {at} is none of them"
                )));
            }
            if header.iter().take(place).any(|earlier| earlier == name) {
                return Err(usage(&format!("the column {name} stands there twice")));
            }
        }
        let place = |name: &str| header.iter().position(|column| column == name);
        let needed =
            |name: &str| place(name).ok_or_else(|| usage(&format!("the column {name} is missing")));
        let [from, to] = turn.columns();
        if place(to).is_some() {
            return Err(usage(&format!("the column {to} is there already")));
        }
        let (key, endpoint) = (needed(from)?, needed("endpoint")?);
        Ok(Self { key, endpoint, identity: place("identity") })
    }

    fn turned(&self, row: &csv::StringRecord, turn: &Turn) -> Result<KeyInput, String> {
        let value = |place: usize| row.get(place).filter(|value| !value.is_empty());
        let endpoint = value(self.endpoint).ok_or("the endpoint is missing")?;
        let identity = self.identity.and_then(value).unwrap_or(endpoint).as_bytes();
        let key = value(self.key).ok_or_else(|| format!("the {} is missing", turn.columns()[0]))?;
        let key = KeyInput { format: turn.format(), value: Secret::new(key.to_owned()) };
        turn.key(Binding { purpose: Purpose::Manufacturer, endpoint, identity }, &key)
    }
}

fn json(value: &impl Serialize) -> Result<Zeroizing<String>, String> {
    serde_json::to_string(value).map(Zeroizing::new).map_err(|error| error.to_string())
}

fn usage(words: &str) -> Failure {
    Failure::new(Exit::Usage, words)
}

fn unwritten(error: csv::Error) -> Failure {
    Failure::failed(format!("standard output does not take more: {error}"))
}
