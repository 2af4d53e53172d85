//! The enrolments in a file, one after the other, each as the JSON that the API takes.

use super::super::exit::{Exit, Failure};
use claviger_api::{
    ExportLine, ExportedCredential, ExportedDevice, KeyFormat, KeyInput, NewCertificate, NewDevice,
    NewPsk, Secret,
};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// The columns that a CSV file may have. `endpoint` and one of `psk`, `psk_hpke`, `public_key` and
/// `trust_anchor` are needed; `identity` and `id` are the endpoint, and `profile` what the command
/// line says, where they are absent or empty.
pub const COLUMNS: [&str; 8] =
    ["endpoint", "psk", "identity", "id", "profile", "psk_hpke", "public_key", "trust_anchor"];

/// One enrolment.
pub struct Line {
    /// The line of the file that it begins at, from 1. Of CSV, blank lines before it begin it.
    pub number: u64,
    /// Its JSON, in one line; or what is wrong with it, which does not quote it.
    pub json: Result<Zeroizing<String>, String>,
}

/// The enrolments of a file.
pub(super) enum Lines<'a> {
    /// A JSON object a line; of an export, where the first one is its head.
    Ndjson { text: BufReader<Box<dyn Read + 'a>>, read: u64, export: Option<bool> },
    /// Comma-separated values under a line that names them.
    Csv { rows: Box<csv::Reader<Box<dyn Read + 'a>>>, places: Places, profile: Option<String> },
    /// Read by somebody else from a file of another kind.
    Given(std::vec::IntoIter<Line>),
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
    pub fn of(path: &Path) -> Result<Self, Failure> {
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
            FileFormat::Ndjson => {
                Ok(Self::Ndjson { text: BufReader::new(text), read: 0, export: None })
            }
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
            Self::Ndjson { text, read, export } => loop {
                let mut bytes = Zeroizing::new(Vec::new());
                if text.read_until(b'\n', &mut bytes).map_err(|error| unread(&error))? == 0 {
                    return Ok(None);
                }
                *read += 1;
                let bytes = bytes.trim_ascii();
                if bytes.is_empty() {
                    continue;
                }
                if *export.get_or_insert_with(|| is_head(bytes)) {
                    if let Some(json) = of_export(bytes) {
                        return Ok(Some(Line { number: *read, json }));
                    }
                } else {
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
            Self::Given(lines) => Ok(lines.next()),
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
        let [endpoint, psk, _, _, _, psk_hpke, public_key, trust_anchor] = places;
        let known = [psk, psk_hpke, public_key, trust_anchor].into_iter().flatten().count();
        match (endpoint, psk, psk_hpke) {
            (None, ..) => Err(usage("the column endpoint is missing".to_owned())),
            _ if known == 0 => Err(usage(
                "the column psk is missing, or one of psk_hpke, public_key and trust_anchor"
                    .to_owned(),
            )),
            (_, Some(_), Some(_)) => {
                Err(usage("the columns psk and psk_hpke stand for the same key".to_owned()))
            }
            _ => Ok(Self(places)),
        }
    }

    fn enrolment(
        &self,
        row: &csv::StringRecord,
        profile: Option<&str>,
    ) -> Result<Zeroizing<String>, String> {
        let value = |place: Option<usize>| {
            place.and_then(|place| row.get(place)).filter(|value| !value.is_empty())
        };
        let [endpoint, psk, identity, id, of_row, psk_hpke, public_key, trust_anchor] =
            self.0.map(value);
        let endpoint = endpoint.ok_or("the endpoint is missing")?;
        let hex = |psk: &str| KeyInput { format: KeyFormat::Hex, value: Secret::new(psk.into()) };
        let key = psk.map(hex).or_else(|| psk_hpke.map(|value| KeyInput::hpke(value.to_owned())));
        let profile = of_row.or(profile).ok_or("the profile is missing; give one by --profile")?;
        let owned = |text: &str| text.to_owned();
        let new = NewDevice {
            id: id.map(owned),
            psk: key.map(|key| NewPsk { identity: owned(identity.unwrap_or(endpoint)), key }),
            public_key: public_key.map(owned),
            certificate: trust_anchor.map(|name| NewCertificate { trust_anchor: owned(name) }),
            ..NewDevice::new(endpoint, profile)
        };
        if new.psk.is_none() && new.public_key.is_none() && new.certificate.is_none() {
            let words = "the psk is missing, or the public_key or trust_anchor in its place";
            return Err(words.to_owned());
        }
        serde_json::to_string(&new).map(Zeroizing::new).map_err(|error| error.to_string())
    }
}

/// True if the line is the head of an export.
pub fn is_head(line: &[u8]) -> bool {
    matches!(serde_json::from_slice(line), Ok(ExportLine::Export(_)))
}

/// The enrolment in a line of an export, or what is wrong with it; none if it has no device.
fn of_export(line: &[u8]) -> Option<Result<Zeroizing<String>, String>> {
    match serde_json::from_slice(line) {
        Ok(ExportLine::Device(of)) => Some(enrolment_of(of)),
        Ok(_) => None,
        Err(_) => Some(Err("it is no line of an export".to_owned())),
    }
}

/// A device of an export, with the newest of its manufacturer's keys that stands there.
fn enrolment_of(of: ExportedDevice) -> Result<Zeroizing<String>, String> {
    let mut new = NewDevice::new(of.device.endpoint, of.device.profile);
    new.id = Some(of.device.id);
    let mut credentials = of.credentials.into_iter().rev();
    let proof = credentials.find(|it| {
        let public = it.credential.public_key.is_some() || it.credential.trust_anchor.is_some();
        let is_live = !["superseded", "revoked", "expired"].contains(&&*it.credential.state);
        it.credential.origin == "manufacturer" && (it.key.is_some() || public && is_live)
    });
    let ExportedCredential { credential, key } = proof.ok_or(
        "its manufacturer's key is not in the export: it was made without secrets, or the key has ended",
    )?;
    let identity = credential.identity.unwrap_or_default();
    new.psk = key.map(|key| NewPsk { identity, key });
    new.public_key = credential.public_key;
    new.certificate = credential.trust_anchor.map(|trust_anchor| NewCertificate { trust_anchor });
    serde_json::to_string(&new).map(Zeroizing::new).map_err(|error| error.to_string())
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
    fn a_row_may_have_its_key_encrypted() {
        let rows = read(FileFormat::Csv, b"endpoint,psk_hpke\na,1.x.y\nb,\n").unwrap();
        assert_eq!(rows[0].1["psk"]["key"], json!({ "format": "hpke", "value": "1.x.y" }));
        assert_eq!(
            rows[1],
            (3, json!("the psk is missing, or the public_key or trust_anchor in its place"))
        );
        let both = read(FileFormat::Csv, b"endpoint,psk,psk_hpke\n").unwrap_err();
        assert!(both.contains("stand for the same key"), "{both}");
    }

    #[test]
    fn the_devices_of_an_export_are_enrolled_with_their_manufacturers_keys() {
        let credential = |origin: &str, key: Value| {
            json!({
                "id": "00", "type": "psk", "state": "active", "identity": origin, "origin": origin,
                "key_length": 16, "parties": [], "not_before": "1970-01-01T00:00:00Z",
                "not_after": null, "confirmed_at": null, "profile": null, "key": key,
            })
        };
        let key = json!({ "format": "hpke", "value": "1.x.y" });
        let device = |credentials: Value| {
            json!({
                "type": "device", "id": "d", "endpoint": "e", "profile": "p", "version": 3,
                "created_at": "2026-11-24T18:00:00Z", "credentials": credentials,
            })
        };
        let head = json!({
            "type": "export", "version": 1, "tenant": "t", "realm": "t",
            "created_at": "2026-11-24T18:00:00Z", "time": "2026-11-24T18:00:00Z",
        });
        let lines = [
            head.clone(),
            json!({ "type": "later" }),
            device(json!([
                credential("manufacturer", key.clone()),
                credential("claviger", key.clone())
            ])),
            head,
            device(json!([credential("manufacturer", Value::Null)])),
            json!({ "type": "end", "devices": 2 }),
        ];
        let text = lines.map(|line| line.to_string()).join("\n");

        let rows = read(FileFormat::Ndjson, text.as_bytes()).unwrap();

        let psk = json!({ "identity": "manufacturer", "key": key });
        let first = json!({ "endpoint": "e", "id": "d", "profile": "p", "psk": psk });
        assert_eq!((rows.len(), &rows[0]), (2, &(3, first)));
        assert!(rows[1].1.as_str().unwrap().starts_with("its manufacturer's key is not in"));
    }

    #[test]
    fn a_bad_line_is_told_without_a_quotation_and_does_not_stop_the_rest() {
        let table: [(&[u8], &str); 4] = [
            (b",c0ffee", "the endpoint is missing"),
            (b"a,", "the psk is missing, or the public_key or trust_anchor in its place"),
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
