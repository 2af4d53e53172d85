//! `claviger dev`

use super::begin::overridden;
use super::exit::Failure;
use super::output::{self, Format};
use super::serve::serve;
use crate::app::Addresses;
use crate::config::{Cluster, Coaps, Config, Devices, Http, Kek, Log, Node, PublicUrl};
use crate::crypto::SystemCrypto;
use crate::http::AdminToken;
use clap::Args;
use core::net::SocketAddr;
use std::path::PathBuf;

/// A server to try things out.
#[derive(Debug, Args)]
#[command(after_help = "\
It keeps its ledger and its key in the data folder, prints where it listens, and stops on Ctrl-C.
It is for trying things out: whoever has the folder has the keys, and the API has no TLS.

Examples:
  claviger dev
  claviger dev --data /tmp/claviger --http 127.0.0.1:0 --coaps 0.0.0.0:5684 -o json")]
pub struct Dev {
    /// The data folder; made if missing.
    #[arg(long, default_value = "./claviger-data", value_name = "DIR")]
    data: PathBuf,
    /// Where the API listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    http: SocketAddr,
    /// Where devices come to, by CoAP over DTLS; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:5684", value_name = "ADDR")]
    coaps: SocketAddr,
    /// The API's URL as LwM2M servers reach it, where they report use; by default where it listens.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "URL", value_parser = url)]
    public_url: PublicUrl,
    /// Answer an unknown PSK identity with silence, as a wrong key, instead of DTLS alert 115:
    /// strangers learn nothing, and an LwM2M client learns late that it is not enrolled.
    #[arg(long)]
    hide_unknown_identity: bool,
    /// How addresses and token are printed; json gives one line.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Dev {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn run(self) -> Result<(), Failure> {
        let config = Config {
            node: Node { data: self.data, ..Node::default() },
            cluster: Cluster::default(),
            http: Http { listen: self.http, public_url: self.public_url, ..Http::default() },
            coaps: vec![Coaps {
                listen: self.coaps,
                hide_unknown_identity: self.hide_unknown_identity,
                ..Coaps::default()
            }],
            devices: Devices::default(),
            kek: Kek::default(),
            log: overridden(Log::default())?,
        };
        let data = config.node.data.display().to_string();
        let (text, token) = AdminToken::make(&SystemCrypto);
        serve(config, false, Some(token), |app| {
            // Whoever tries things out has no other key to give it.
            if let Some(why) = app.sealed() {
                return Err(Failure::failed(why));
            }
            let Addresses { http, coaps, .. } = app.addresses();
            match self.output {
                Format::Table => output::line(welcome(*http, coaps[0], &data, &text)),
                Format::Json => output::line(serde_json::json!({
                    "http": format!("http://{http}"),
                    "coaps": coaps[0].to_string(),
                    "admin_token": *text,
                })),
            }
        })
        .await
    }
}

fn url(text: &str) -> Result<PublicUrl, &'static str> {
    PublicUrl::try_from(text.to_owned())
}

fn welcome(http: SocketAddr, coaps: SocketAddr, data: &str, token: &str) -> String {
    let server = if http.port() == 8080 && http.ip().is_loopback() {
        String::new()
    } else {
        format!("  export CLAVIGER_SERVER=http://{http}\n")
    };
    let to = if coaps.port() == 5684 { String::new() } else { format!(" --coaps {coaps}") };
    format!(
        "Claviger is running, to try things out.\n\n\
         API          http://{http}\n\
         Devices      coaps://{coaps}\n\
         Data         {data}\n\
         Admin token  {token}\n\n\
         Next, in another terminal:\n{server}  export CLAVIGER_TOKEN={token}\n  \
         claviger simulate lwm2m{to}\n\n\
         Ctrl-C stops it."
    )
}
