//! Enrolling what a file lists, by the API's bulk route.
//!
//! The file goes in pieces, so that no answer is waited for longer than a piece takes, and memory
//! does not grow with it. A line that is refused stops no other. Giving the same file again is
//! safe: what is enrolled is told as such.

mod lines;

pub use lines::{COLUMNS, FileFormat, Line, is_head};

use super::client::{self, Client};
use super::exit::{Exit, Failure};
use super::input;
use super::output::{self, Format, facts, plain};
use super::progress::Progress;
use claviger_api::{BulkAnswer, BulkStatus};
use claviger_api::{Code, Problem};
use lines::Lines;
use reqwest::Method;
use std::path::Path;

/// How many lines a piece has at most.
const LINES: usize = 1000;
/// How long a piece is at most, as far as whole lines allow, in bytes.
const BYTES: usize = 512 * 1024;

/// What is told of lines in the end, by [`BulkStatus`].
const STATUSES: [&str; 4] = ["Enrolled", "Would be enrolled", "Enrolled before", "Refused"];

/// What to do with a file.
pub struct Bulk<'a> {
    /// The file; `-` for standard input.
    pub file: &'a Path,
    /// How it is written; as its name says where absent.
    pub format: Option<FileFormat>,
    /// The profile of rows that name none.
    pub profile: Option<String>,
    /// True to only say what would be done.
    pub dry_run: bool,
    /// How answers are printed.
    pub output: Format,
}

impl Bulk<'_> {
    /// Does it.
    ///
    /// # Errors
    /// If the file cannot be read, the API does not answer, or a line was refused.
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        enrol(client, self.open()?, Told::new(self.output, "line"), self.dry_run).await
    }

    fn open(&self) -> Result<Lines<'static>, Failure> {
        let format = self.format.map_or_else(|| FileFormat::of(self.file), Ok)?;
        if format == FileFormat::Ndjson && self.profile.is_some() {
            let words = "--profile is for rows of CSV; an object of JSON names its own";
            return Err(Failure::new(Exit::Usage, words));
        }
        Lines::new(format, input::open(self.file)?, self.profile.clone())
    }
}

/// Devices that were read from somewhere else than a list of enrolments.
pub struct Found {
    /// Those that can be enrolled.
    pub lines: Vec<Line>,
    /// Those that cannot, and why.
    pub refused: Vec<BulkAnswer>,
}

impl Found {
    /// Enrols them, and tells of each.
    ///
    /// # Errors
    /// If the API does not answer, or a device was refused.
    pub async fn enrol(
        self,
        client: &Client,
        dry_run: bool,
        output: Format,
    ) -> Result<(), Failure> {
        let mut told = Told::new(output, "device");
        for answer in &self.refused {
            told.take(answer)?;
        }
        enrol(client, Lines::Given(self.lines.into_iter()), told, dry_run).await
    }
}

async fn enrol(
    client: &Client,
    mut lines: Lines<'_>,
    mut told: Told,
    dry_run: bool,
) -> Result<(), Failure> {
    loop {
        let piece = piece(&mut lines)?;
        let Some(last) = piece.last() else { break };
        let last = last.number;
        for answer in send(client, piece, dry_run).await.map_err(|failure| told.cut(failure))? {
            told.take(&answer)?;
        }
        let (done, unit): (u64, _) = (told.counts.iter().sum(), told.unit);
        told.progress.tell(format_args!("{done} enrolments, up to {unit} {last}"));
    }
    told.end()
}

/// The answers to a piece, in its order, under the numbers of the file's lines.
async fn send(
    client: &Client,
    piece: Vec<Line>,
    dry_run: bool,
) -> Result<Vec<BulkAnswer>, Failure> {
    let mut body = Vec::with_capacity(BYTES + LINES);
    for json in piece.iter().filter_map(|line| line.json.as_ref().ok()) {
        body.extend_from_slice(json.as_bytes());
        body.push(b'\n');
    }
    let query: &[_] = if dry_run { &[("dry_run", "true".to_owned())] } else { &[] };
    let request = client.request(Method::POST, &["devices", "bulk"], query);
    let request = request.header("content-type", "application/x-ndjson").body(body);
    let answers = client.answer(request).await?.bytes().await.map_err(|_| client.silent())?;
    let mut answers = answers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let answer = |line: Line| match line.json {
        Ok(_) => {
            let answer: BulkAnswer = client::read(answers.next().ok_or_else(|| client.silent())?)?;
            Ok(BulkAnswer { line: line.number, ..answer })
        }
        Err(words) => Ok(BulkAnswer {
            line: line.number,
            device: None,
            status: BulkStatus::Refused,
            problem: Some(Problem::new(Code::Malformed, words)),
        }),
    };
    piece.into_iter().map(answer).collect()
}

/// The next lines, as many as go at once.
fn piece(lines: &mut Lines<'_>) -> Result<Vec<Line>, Failure> {
    let (mut piece, mut bytes) = (Vec::new(), 0);
    while piece.len() < LINES && bytes < BYTES {
        let Some(line) = lines.next()? else { break };
        bytes += line.json.as_ref().map_or(0, |json| json.len() + 1);
        piece.push(line);
    }
    Ok(piece)
}

/// What was told of the answers.
struct Told {
    output: Format,
    /// What a line is called.
    unit: &'static str,
    /// By status, in the order of [`BulkStatus`].
    counts: [u64; STATUSES.len()],
    progress: Progress,
}

impl Told {
    fn new(output: Format, unit: &'static str) -> Self {
        Self { output, unit, counts: [0; STATUSES.len()], progress: Progress::new() }
    }

    /// Tells an answer: to programs each, to people what is wrong.
    fn take(&mut self, answer: &BulkAnswer) -> Result<(), Failure> {
        self.counts[answer.status as usize] += 1;
        match (self.output, &answer.problem) {
            (Format::Json, _) => {
                let json = serde_json::to_string(answer);
                output::line(json.map_err(|error| Failure::failed(error.to_string()))?)
            }
            (Format::Table, Some(problem)) => {
                self.progress.clear();
                let device = answer.device.as_deref().unwrap_or("-");
                let (unit, line) = (self.unit, answer.line);
                let words = format!("{unit} {line}: {device}: {}", client::told(problem));
                output::line(plain(&words))
            }
            (Format::Table, None) => Ok(()),
        }
    }

    /// What to say when it does not go on.
    fn cut(&self, failure: Failure) -> Failure {
        let done: u64 = self.counts.iter().sum();
        let words =
            format!("{failure} {done} {}s were answered; give the same file again.", self.unit);
        Failure::new(failure.exit, words)
    }

    fn end(mut self) -> Result<(), Failure> {
        self.progress.clear();
        let refused = self.counts[BulkStatus::Refused as usize];
        if self.output == Format::Table {
            let counts = STATUSES.into_iter().zip(self.counts).filter(|(_, count)| *count > 0);
            let counts: Vec<_> = counts.map(|(name, count)| (name, count.to_string())).collect();
            output::line(facts(&counts).trim_end())?;
        }
        let unit = self.unit;
        match refused {
            0 => Ok(()),
            1 => Err(Failure::new(Exit::Partly, format!("a {unit} was refused"))),
            many => Err(Failure::new(Exit::Partly, format!("{many} {unit}s were refused"))),
        }
    }
}
