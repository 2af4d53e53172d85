//! `claviger device enrol`

use super::story::story;
use crate::cli::bulk::{Bulk, FileFormat};
use crate::cli::client::{Client, Remote};
use crate::cli::exit::{Exit, Failure};
use crate::cli::input;
use clap::Args;
use claviger_api::{DeviceDetail, KeyFormat, KeyInput, NewDevice, NewPsk, Secret};
use reqwest::Method;
use std::path::PathBuf;

/// A device to be enrolled, or a file of them.
#[derive(Debug, Args)]
pub struct Enrol {
    #[command(flatten)]
    remote: Remote,
    /// Its LwM2M endpoint client name.
    #[arg(long, value_name = "NAME", requires_all = ["profile", "psk_file"])]
    endpoint: Option<String>,
    /// Its id; the endpoint name where absent.
    #[arg(long)]
    id: Option<String>,
    /// Its bootstrap profile; of a CSV file, that of rows which name none.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Its PSK identity; the endpoint name where absent.
    #[arg(long)]
    identity: Option<String>,
    /// A file with its key in hexadecimal digits; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    psk_file: Option<PathBuf>,
    /// A file that lists devices; `-` for standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "endpoint", conflicts_with_all = ["endpoint", "id", "identity", "psk_file"])]
    file: Option<PathBuf>,
    /// How the file is written; by default as its name says.
    #[arg(long, value_enum, requires = "file")]
    format: Option<FileFormat>,
    /// Only say what would be done with the file.
    #[arg(long, requires = "file")]
    dry_run: bool,
}

impl Enrol {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        if let Some(file) = &self.file {
            let Self { format, profile, dry_run, remote, .. } = &self;
            let (format, profile, dry_run) = (*format, profile.clone(), *dry_run);
            return Bulk { file, format, profile, dry_run, output: remote.output }
                .run(&client)
                .await;
        }
        // The command line asks for them together.
        let (Some(endpoint), Some(profile), Some(file)) =
            (self.endpoint, self.profile, &self.psk_file)
        else {
            return Err(Failure::new(Exit::Usage, "say --endpoint, --profile and --psk-file"));
        };
        let key = input::secret(file)?;
        let value = Secret::new(key.as_str().to_owned());
        let identity = self.identity.unwrap_or_else(|| endpoint.clone());
        let key = KeyInput { format: KeyFormat::Hex, value };
        let new = NewDevice { endpoint, id: self.id, profile, psk: NewPsk { identity, key } };
        let device: DeviceDetail = client.send_to(Method::POST, &["devices"], &new).await?;
        self.remote.output.print(&device, story)
    }
}
