//! `claviger device enrol`

use super::story::story;
use crate::cli::bulk::{Bulk, FileFormat};
use crate::cli::client::{Client, Remote};
use crate::cli::exit::{Exit, Failure};
use crate::cli::input;
use clap::Args;
use claviger_api::{DeviceDetail, KeyFormat, KeyInput, NewCertificate, NewDevice, NewPsk, Secret};
use reqwest::Method;
use std::path::PathBuf;

/// A device to be enrolled, or a file of them.
#[derive(Debug, Args)]
pub struct Enrol {
    #[command(flatten)]
    remote: Remote,
    /// Its LwM2M endpoint client name.
    #[arg(long, value_name = "NAME", requires_all = ["profile", "proof"])]
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
    #[arg(long, value_name = "FILE", group = "proof")]
    psk_file: Option<PathBuf>,
    /// A file with its public key, in PEM or DER; `-` for standard input.
    #[arg(long, value_name = "FILE", group = "proof", conflicts_with = "identity")]
    public_key: Option<PathBuf>,
    /// It proves itself by a certificate that names its endpoint, under --trust-anchor.
    #[arg(long, group = "proof", conflicts_with = "identity", requires = "trust_anchor")]
    certificate: bool,
    /// The trust anchor that its certificate must lead to.
    #[arg(long, value_name = "NAME", requires = "certificate")]
    trust_anchor: Option<String>,
    /// A file that lists devices; `-` for standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "endpoint", conflicts_with_all = ["endpoint", "id", "identity", "proof"])]
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
        let new = self.device()?;
        let device: DeviceDetail = client.send_to(Method::POST, &["devices"], &new).await?;
        self.remote.output.print(&device, story)
    }

    /// The one device that is described.
    fn device(&self) -> Result<NewDevice, Failure> {
        // The command line asks for them together.
        let (Some(endpoint), Some(profile)) = (&self.endpoint, &self.profile) else {
            return Err(Failure::new(Exit::Usage, "say --endpoint and --profile"));
        };
        let mut new = NewDevice { id: self.id.clone(), ..NewDevice::new(endpoint, profile) };
        if let Some(file) = &self.psk_file {
            let value = Secret::new(input::secret(file)?.as_str().to_owned());
            let identity = self.identity.as_ref().unwrap_or(endpoint).clone();
            let key = KeyInput { format: KeyFormat::Hex, value };
            new.psk = Some(NewPsk { identity, key });
        }
        new.public_key = self.public_key.as_deref().map(input::public_key).transpose()?;
        let certificate = |name: &String| NewCertificate { trust_anchor: name.clone() };
        new.certificate = self.trust_anchor.as_ref().map(certificate);
        Ok(new)
    }
}
