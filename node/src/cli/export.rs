//! `claviger export`

use super::client::{self, Client, Remote};
use super::exit::{Exit, Failure};
use super::factory::read_public;
use super::output;
use super::progress::Progress;
use crate::jwk;
use clap::Args;
use claviger_api::{ExportLine, ExportSecrets};
use reqwest::{Method, Response};
use std::path::PathBuf;

/// All that a tenant has.
#[derive(Debug, Args)]
#[command(after_help = "\
It prints a JSON object a line: a head, the profiles, the connectors, the devices with their
credentials, and an end. Without --secrets-to it has no secrets. With it, the keys of devices that
have not ended stand there, encrypted to the recipient, and the ledger has an audit entry of that
before they leave. The secrets of connectors are never exported.

Each device is printed as it is at one moment, not all at the same. What has changed since then
stands in `claviger events --after` the head's `events_after`. Where an export breaks off, --after
goes on behind the last device that was printed whole; the parts may stand in one file.

A recipient is a key of `claviger factory keygen`, or an import key of another Claviger: there,
`claviger device enrol --file` takes the export.

Examples:
  claviger export > fleet.ndjson
  claviger export --secrets-to recipient.json > fleet.ndjson
  claviger export --after urn:dev:1234 >> fleet.ndjson")]
pub struct Export {
    #[command(flatten)]
    remote: Remote,
    /// Export keys too, encrypted to the public key in this file.
    #[arg(long, value_name = "FILE")]
    secrets_to: Option<PathBuf>,
    /// Go on behind the device with this id.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

impl Export {
    /// Prints it.
    ///
    /// # Errors
    /// What the API said, or that it breaks off.
    pub async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let request = match &self.secrets_to {
            None => {
                let query: Vec<_> = self.after.iter().map(|id| ("after", id.clone())).collect();
                client.request(Method::GET, &["export"], &query)
            }
            Some(file) => {
                let recipient = jwk::of(&read_public(file)?);
                let asked = ExportSecrets { recipient, after: self.after.clone() };
                client.request(Method::POST, &["export"], &[]).json(&asked)
            }
        };
        let mut printed = Printed { devices: 0, last: self.after, progress: Progress::new() };
        let answer = client.answer(request).await?;
        if printed.all(answer).await? {
            return Ok(());
        }
        let words = match printed.last {
            Some(last) => format!("the export broke off; go on with --after {last}"),
            None => "the export broke off before its first device; ask again".to_owned(),
        };
        Err(Failure::new(Exit::Unavailable, output::plain(&words)))
    }
}

/// What has been printed.
struct Printed {
    devices: u64,
    /// The last device's id.
    last: Option<String>,
    progress: Progress,
}

impl Printed {
    /// Prints each line once it is whole; true if the last one came.
    async fn all(&mut self, mut answer: Response) -> Result<bool, Failure> {
        let mut read = Vec::new();
        while let Ok(Some(piece)) = answer.chunk().await {
            read.extend_from_slice(&piece);
            let whole = read.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for line in read[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                if self.line(line)? {
                    return Ok(true);
                }
            }
            read.drain(..whole);
        }
        Ok(false)
    }

    fn line(&mut self, line: &[u8]) -> Result<bool, Failure> {
        let read: ExportLine = client::read(line)?;
        output::line(String::from_utf8_lossy(line))?;
        match read {
            ExportLine::Device(of) => {
                self.devices += 1;
                self.last = Some(of.device.id);
                self.progress.tell(format_args!("{} devices", self.devices));
                Ok(false)
            }
            ExportLine::End(end) if end.devices != self.devices => {
                let words = format!("of {} devices only {} came", end.devices, self.devices);
                Err(Failure::failed(words))
            }
            line => Ok(matches!(line, ExportLine::End(_))),
        }
    }
}
