//! The enrolments in a file, one after the other, each as the JSON that the API takes.

use super::super::exit::{Exit, Failure};
use claviger_api::{KeyFormat, KeyInput, NewDevice, NewPsk, Secret};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// The columns that a CSV file may have. `endpoint` and `psk` are needed; `identity` and `id` are
/// the endpoint, and `profile` what the command line says, where they are absent or empty.
const COLUMNS: [&str; 5] = ["endpoint", "psk", "identity", "id", "profile"];

/// One enrolment.
pub(super) struct Line {
    /// The line of the file that it begins at, from 1. Of CSV, blank lines before it begin it.
    pub(super) number: u64,
    /// Its JSON, in one line; or what is wrong with it, which does not quote it.
    pub(super) json: Result<Zeroizing<String>, String>,
}

/// The enrolments of a file.
pub(super) enum Lines<'a> {
    /// A JSON object a line.
    Ndjson { text: BufReader<Box<dyn Read + 'a>>, read: u64 },
    /// Comma-separated values under a line that names them.
    Csv { rows: Box<csv::Reader<Box<dyn Read + 'a>>>, places: Places, profile: Option<String> },
}

/// Where each column stands, in the order of [`COLUMNS`].
pub(super) struct Places([Option<usize>; COLUMNS.len()]);

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FileFormat {
    /// A JSON object a line, as the API takes it.
    Ndjson,
    /// Comma-separated values; the first line names the columns.
    Csv,
}

impl FileFormat {
    /// What the name of `path` says.
    ///
    /// # Errors
    /// If it says nothing.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|name| name.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("ndjson" | "jsonl") => Ok(Self::Ndjson),
            _ => {
                let words = "the file's name ends neither in .ndjson nor in .csv: say --format";
                Err(Failure::new(Exit::Usage, words))
            }
        }
    }
}

impl<'a> Lines<'a> {
    /// Reads `text`. A row without a profile gets `profile`; a JSON object names its own.
    ///
    /// # Errors
    /// If the columns are not those that are known.
    pub(super) fn new(
        format: FileFormat,
        text: Box<dyn Read + 'a>,
        profile: Option<String>,
    ) -> Result<Self, Failure> {
        match format {
            FileFormat::Ndjson => Ok(Self::Ndjson { text: BufReader::new(text), read: 0 }),
            FileFormat::Csv => {
                let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
                let places = Places::new(rows.headers().map_err(|_| no_header())?)?;
                Ok(Self::Csv { rows: Box::new(rows), places, profile })
            }
        }
    }

    /// The next enrolment; none at the end.
    ///
    /// # Errors
    /// If the file cannot be read. The words do not quote it.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Failure> {
        match self {
            Self::Ndjson { text, read } => loop {
                let mut bytes = Zeroizing::new(Vec::new());
                if text.read_until(b'\n', &mut bytes).map_err(|error| unread(&error))? == 0 {
                    return Ok(None);
                }
                *read += 1;
                let bytes = bytes.trim_ascii();
                if !bytes.is_empty() {
                    let json = str::from_utf8(bytes).map(|text| Zeroizing::new(text.to_owned()));
                    let json = json.map_err(|_| "it is not UTF-8".to_owned());
                    return Ok(Some(Line { number: *read, json }));
                }
            },
            Self::Csv { rows, places, profile } => {
                let mut row = csv::StringRecord::new();
                let (number, json) = match rows.read_record(&mut row) {
                    Ok(false) => return Ok(None),
                    Ok(true) => {
                        let number = row.position().map_or(0, csv::Position::line);
                        (number, places.enrolment(&row, profile.as_deref()))
                    }
                    Err(error) => match error.kind() {
                        csv::ErrorKind::Io(error) => return Err(unread(error)),
                        kind => (line_of(kind), Err(words(kind))),
                    },
                };
                Ok(Some(Line { number, json }))
            }
        }
    }
}

impl Places {
    fn new(header: &csv::StringRecord) -> Result<Self, Failure> {
        let usage = |words: String| Failure::new(Exit::Usage, words);
        let mut places = [None; COLUMNS.len()];
        for (place, name) in header.iter().enumerate() {
            let column = COLUMNS.iter().position(|column| *column == name).ok_or_else(|| {
                // Not quoted: a file without such a line has a key there.
                let (at, known) = (place + 1, COLUMNS.join(", "));
                usage(format!("the first line must name the columns; known are {known}, and the one at {at} is none of them"))
            })?;
            if places[column].replace(place).is_some() {
                return Err(usage(format!("the column {name} stands there twice")));
            }
        }
        if let Some(missing) = (0..2).find(|column| places[*column].is_none()) {
            return Err(usage(format!("the column {} is missing", COLUMNS[missing])));
        }
        Ok(Self(places))
    }

    fn enrolment(
        &self,
        row: &csv::StringRecord,
        profile: Option<&str>,
    ) -> Result<Zeroizing<String>, String> {
        let value = |place: Option<usize>| {
            place.and_then(|place| row.get(place)).filter(|value| !value.is_empty())
        };
        let [endpoint, psk, identity, id, of_row] = self.0.map(value);
        let endpoint = endpoint.ok_or("the endpoint is missing")?;
        let psk = psk.ok_or("the psk is missing")?;
        let profile = of_row.or(profile).ok_or("the profile is missing; give one by --profile")?;
        let key = KeyInput { format: KeyFormat::Hex, value: Secret::new(psk.to_owned()) };
        let new = NewDevice {
            endpoint: endpoint.to_owned(),
            id: id.map(ToOwned::to_owned),
            profile: profile.to_owned(),
            psk: NewPsk { identity: identity.unwrap_or(endpoint).to_owned(), key },
        };
        serde_json::to_string(&new).map(Zeroizing::new).map_err(|error| error.to_string())
    }
}

fn no_header() -> Failure {
    Failure::failed("the line that names the columns cannot be read")
}

fn unread(error: &io::Error) -> Failure {
    Failure::failed(format!("the file cannot be read further: {error}"))
}

fn line_of(kind: &csv::ErrorKind) -> u64 {
    match kind {
        csv::ErrorKind::UnequalLengths { pos: Some(at), .. }
        | csv::ErrorKind::Utf8 { pos: Some(at), .. } => at.line(),
        _ => 0,
    }
}

/// What is wrong with a row, without a word of it.
fn words(kind: &csv::ErrorKind) -> String {
    match kind {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} values where the first line names {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        _ => "it cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Each line's number, and its JSON or what is wrong with it.
    fn read(format: FileFormat, text: &[u8]) -> Result<Vec<(u64, Value)>, String> {
        let lines = Lines::new(format, Box::new(text), Some("site".to_owned()));
        let mut lines = lines.map_err(|failure| failure.to_string())?;
        let mut all = Vec::new();
        while let Some(Line { number, json }) = lines.next().map_err(|f| f.to_string())? {
            let value = match json {
                Ok(json) => serde_json::from_str(&json).unwrap_or(Value::Null),
                Err(words) => Value::String(words),
            };
            all.push((number, value));
        }
        Ok(all)
    }

    #[test]
    fn a_row_becomes_what_the_api_takes() {
        let text = "endpoint, psk, identity, id, profile\n\
                    a,00ff,,,\n\"b,b\",01,i,d,p\nc,02,,,\n";
        let row = |endpoint: &str, key: &str, identity: &str, profile: &str| {
            json!({
                "endpoint": endpoint, "profile": profile,
                "psk": { "identity": identity, "key": { "format": "hex", "value": key } },
            })
        };
        let mut second = row("b,b", "01", "i", "p");
        second["id"] = json!("d");

        let rows = read(FileFormat::Csv, text.as_bytes()).unwrap();

        let [first, third] = ["a", "c"].map(|name| (name, if name == "a" { "00ff" } else { "02" }));
        let site = |(name, key)| row(name, key, name, "site");
        assert_eq!(rows, [(2, site(first)), (3, second), (4, site(third))]);
    }

    #[test]
    fn a_line_of_json_goes_as_it_is_under_its_number() {
        let rows = read(FileFormat::Ndjson, b"{\"x\":1}\n\n  \n not json\n{\"x\":2}").unwrap();
        let expected = [(1, json!({ "x": 1 })), (4, Value::Null), (5, json!({ "x": 2 }))];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_bad_line_is_told_without_a_quotation_and_does_not_stop_the_rest() {
        let table: [(&[u8], &str); 4] = [
            (b",c0ffee", "the endpoint is missing"),
            (b"a,", "the psk is missing"),
            (b"a,c0ffee,x", "it has 3 values where the first line names 2"),
            (b"\xff,c0ffee", "it is not UTF-8"),
        ];
        for (line, expected) in table {
            let text = [b"endpoint,psk\n", line, b"\nb,01\n"].concat();
            let rows = read(FileFormat::Csv, &text).unwrap();
            assert_eq!(rows[0], (2, json!(expected)));
            assert_eq!((rows.len(), rows[1].0), (2, 3), "{expected}");
        }
        let rows = read(FileFormat::Ndjson, b"\xff\n{}\n").unwrap();
        assert_eq!(rows, [(1, json!("it is not UTF-8")), (2, json!({}))]);
    }

    #[test]
    fn columns_that_are_not_known_are_refused_without_a_quotation() {
        let table = [
            ("endpoint,c0ffee\n", "the one at 2 is none of them"),
            ("psk,psk\n", "the column psk stands there twice"),
            ("psk,id\n", "the column endpoint is missing"),
            ("endpoint,id\n", "the column psk is missing"),
        ];
        for (text, expected) in table {
            let words = read(FileFormat::Csv, text.as_bytes()).expect_err(text);
            assert!(words.contains(expected), "{words}");
            assert!(!words.contains("c0ffee"), "{words}");
        }
    }

    #[test]
    fn a_files_name_tells_how_it_is_written() {
        assert_eq!(FileFormat::of(Path::new("a/b.csv")), Ok(FileFormat::Csv));
        assert_eq!(FileFormat::of(Path::new("b.ndjson")), Ok(FileFormat::Ndjson));
        assert!(FileFormat::of(Path::new("-")).is_err());
    }
}
