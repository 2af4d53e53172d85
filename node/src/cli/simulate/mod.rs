//! `claviger simulate`: a device and its LwM2M server, against a real Claviger.
//!
//! Everything goes the way it goes in the field: the device is enrolled by the API, bootstraps over
//! DTLS, registers with what it got at an LwM2M server that learned of it by the webhook, and that
//! server reports the use. Only device and LwM2M server are simulated.

mod drive;
mod held;
mod print;
mod proof;
mod server;

use super::client::{Client, Remote};
use super::exit::{Exit, Failure};
use super::output::Format;
use crate::clock::SystemClock;
use crate::connectors::SigningSecret;
use crate::crypto::SystemCrypto;
use clap::{Args, Subcommand, ValueEnum};
use claviger_actors::Clock;
use claviger_api::{
    Connector, ConnectorKind, Credential, DeviceDetail, Profile, PutConnector, PutProfile,
};
use claviger_device::{Account, Device, DeviceConfig, Registration};
use claviger_machine::{Crypto, Draw};
use core::net::SocketAddr;
use core::time::Duration;
use data_encoding::HEXLOWER;
use drive::Wire;
use print::Story;
pub use proof::Proof;
use reqwest::Method;
use server::Server;
use std::sync::Arc;

/// The name of the connector and of the profile that a simulation sets.
const NAME: &str = "simulator";
/// How long one device may take in all.
const PATIENCE: Duration = Duration::from_secs(120);

/// What can be simulated.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  claviger simulate lwm2m")]
pub enum Simulate {
    /// A device that is bootstrapped by LwM2M and registers with what it was given.
    ///
    /// It enrols itself with a key of its own, and sets a connector and a profile named
    /// "simulator", whose LwM2M server it plays as well. That server listens on this machine only,
    /// so Claviger must run here too.
    #[command(after_help = "\
Examples:
  claviger simulate lwm2m
  claviger simulate lwm2m --credential rpk
  claviger simulate lwm2m --credential x509
  claviger simulate lwm2m --format senml-cbor
  claviger simulate lwm2m --endpoint urn:dev:a --endpoint urn:dev:b
  claviger simulate lwm2m -o json          a line of JSON for each step, and the credential")]
    Lwm2m(Lwm2m),
}

/// Devices to be simulated, one after the other.
#[derive(Debug, Args)]
pub struct Lwm2m {
    #[command(flatten)]
    remote: Remote,
    /// Where Claviger waits for devices.
    #[arg(long, default_value = "127.0.0.1:5684", value_name = "HOST:PORT")]
    coaps: String,
    /// By what the device proves itself to Claviger.
    #[arg(long, default_value = "psk", value_name = "KIND")]
    credential: Proof,
    /// The format that the device asks to be written in.
    #[arg(long, default_value = "tlv", value_name = "FORMAT")]
    format: WrittenAs,
    /// An endpoint name; may be repeated. A random one where absent.
    #[arg(long, value_name = "NAME")]
    endpoint: Vec<String>,
}

/// The formats by their names on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum WrittenAs {
    /// OMA TLV, Content-Format 11542
    Tlv,
    /// SenML JSON, Content-Format 110
    SenmlJson,
    /// SenML CBOR, Content-Format 112
    SenmlCbor,
}

impl From<WrittenAs> for claviger_device::Format {
    fn from(format: WrittenAs) -> Self {
        match format {
            WrittenAs::Tlv => Self::Tlv,
            WrittenAs::SenmlJson => Self::SenmlJson,
            WrittenAs::SenmlCbor => Self::SenmlCbor,
        }
    }
}

impl Simulate {
    /// Does it.
    ///
    /// # Errors
    /// What did not work, in words.
    pub async fn run(self) -> Result<(), Failure> {
        let Self::Lwm2m(Lwm2m { remote, coaps, credential, format, endpoint }) = self;
        let client = Client::new(&remote)?;
        let usage = || Failure::new(Exit::Usage, format!("--coaps {coaps}: no such host and port"));
        let mut found = tokio::net::lookup_host(&coaps).await.map_err(|_| usage())?;
        let coaps = found.next().ok_or_else(usage)?;
        let how = How { written_as: format.into(), proof: credential };
        run(&client, coaps, &endpoint, how, remote.output).await
    }
}

/// What a simulated device is like.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// What it asks to be written in.
    pub written_as: claviger_device::Format,
    /// By what it proves itself.
    pub proof: Proof,
}

/// Simulates devices of these names, or one of a random name, at the Claviger that `client` asks
/// and that waits for devices at `coaps`.
///
/// # Errors
/// What did not work, in words.
pub async fn run(
    client: &Client,
    coaps: SocketAddr,
    names: &[String],
    how: How,
    format: Format,
) -> Result<(), Failure> {
    let How { written_as, proof } = how;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let crypto: Arc<dyn Crypto> = Arc::new(SystemCrypto);
    let story = Story::new(format);
    let server = Server::start(story, clock.clone(), crypto.clone()).await?;
    let mut stage = Stage { client, coaps, written_as, proof, clock, crypto, story, server };
    stage.set().await?;
    let random = [format!("urn:dev:simulated-{}", HEXLOWER.encode(&stage.crypto.random::<4>()))];
    for name in if names.is_empty() { &random } else { names } {
        let late = |_| Failure::failed(format!("{name} did not come to its end in {PATIENCE:?}"));
        tokio::time::timeout(PATIENCE, stage.play(name)).await.map_err(late)??;
    }
    Ok(())
}

/// Where the story is played.
struct Stage<'a> {
    client: &'a Client,
    coaps: SocketAddr,
    written_as: claviger_device::Format,
    proof: Proof,
    clock: Arc<dyn Clock>,
    crypto: Arc<dyn Crypto>,
    story: Story,
    server: Server,
}

impl Stage<'_> {
    /// Sets connector and profile.
    async fn set(&self) -> Result<(), Failure> {
        let body = PutConnector {
            kind: ConnectorKind::Webhook,
            url: self.server.webhook.clone(),
            secret: None,
        };
        let path = ["connectors", NAME];
        let connector: Connector = self.client.send_to(Method::PUT, &path, &body).await?;
        let secret = connector.secret.and_then(|text| SigningSecret::parse(text.expose()).ok());
        let secret = secret.ok_or_else(|| Failure::failed("the API gave no signing secret"))?;
        self.server.trust(secret);
        let body = PutProfile { short_server_id: 123, ..PutProfile::new(&self.server.uri, NAME) };
        let profile: Profile = self.client.send_to(Method::PUT, &["profiles", NAME], &body).await?;
        let uri = profile.server_uri;
        self.story.say(&format!("Connector and profile \"{NAME}\" set, for {uri}"))
    }

    /// One device from its enrolment to its registration.
    async fn play(&mut self, name: &str) -> Result<(), Failure> {
        let config = self.enrol(name).await?;
        let story = self.story;
        let clock = self.clock.clone();
        let crypto = self.crypto.clone();
        let draw = || Box::new(Draw(crypto.clone()));
        let mut wire = Wire::new(self.coaps, clock.as_ref()).await?;
        let config = DeviceConfig { format: self.written_as, ..config };
        let mut device = Device::new(clock.now(), config, draw());
        let account = drive::bootstrap(&mut device, &mut wire, story).await?;
        self.held(name, &account).await?;
        let at = self.address(&account)?;
        let mut registration = Registration::new(clock.now(), name, &account, draw());
        let mut other = Wire::new(at, clock.as_ref()).await?;
        drive::register(&mut registration, &mut other, story).await?;
        drive::close(&mut device, &wire).await;
        self.reported().await?;
        let credential = self.credential(name, &account).await?;
        story.say(&print::credential(&credential))?;
        if credential.state != "active" {
            return Err(Failure::failed(format!("the credential is {}", credential.state)));
        }
        story.end(&account.server_uri, &credential)
    }

    /// Tells what the device holds now.
    async fn held(&self, name: &str, account: &Account) -> Result<(), Failure> {
        let mut credential = self.credential(name, account).await?;
        // The device's answer to Finish is on its way: Claviger commits that it arrived.
        for _ in 0..50 {
            if credential.state != "staged" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            credential = self.credential(name, account).await?;
        }
        self.story.say(&print::credential(&credential))
    }

    /// Where the account leads: to the server of this simulation, or the bootstrap is wrong.
    fn address(&self, account: &Account) -> Result<SocketAddr, Failure> {
        let ours = account.server_uri == self.server.uri;
        let address = account.server_uri.strip_prefix("coaps://").and_then(|a| a.parse().ok());
        let words = || Failure::failed(format!("the device was sent to {}", account.server_uri));
        address.filter(|_| ours).ok_or_else(words)
    }

    /// Waits until the LwM2M server has reported the use.
    async fn reported(&mut self) -> Result<(), Failure> {
        let why = match self.server.reported.recv().await {
            Some(Ok(status)) if (200..300).contains(&status) => {
                return self.story.say(&format!("LwM2M server: reported the use: {status}"));
            }
            Some(Ok(status)) => format!("the API answered {status}"),
            Some(Err(words)) => words,
            None => "the simulated LwM2M server has ended".to_owned(),
        };
        Err(Failure::failed(format!("the use of the credential was not reported: {why}")))
    }

    /// The credential that the account was made from.
    async fn credential(&self, name: &str, account: &Account) -> Result<Credential, Failure> {
        let device: DeviceDetail = self.client.get(&["devices", name], &[]).await?;
        let ours = |c: &Credential| {
            c.identity.as_ref().is_some_and(|identity| identity.as_bytes() == account.identity)
        };
        let found = device.credentials.into_iter().find(ours);
        found.ok_or_else(|| Failure::failed("the API knows nothing of the credential"))
    }
}
