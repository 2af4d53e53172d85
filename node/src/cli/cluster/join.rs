//! `claviger cluster join`: what a node needs to join, from a token.

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{line, note};
use crate::secret_file;
use clap::Args;
use claviger_link::{Role, Token, probe};
use core::net::SocketAddr;
use data_encoding::HEXLOWER;
use std::path::PathBuf;

/// The longest join token.
const TOKEN: usize = 1024;

/// A node that is to join.
#[derive(Debug, Args)]
pub struct Join {
    /// Where nodes of the ledger are reached by others: host and port, as their cluster.advertise.
    #[arg(required = true, value_name = "ADDRESS")]
    nodes: Vec<String>,
    /// The token, as `claviger cluster token create` printed it: a file that only its owner may read.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Where the node is to listen for others, if it is one of the ledger.
    #[arg(long, default_value = "0.0.0.0:5685", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where others reach it, if that is elsewhere.
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<String>,
}

impl Join {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let token = self.token()?;
        let mut reached = 0;
        for node in &self.nodes {
            match probe(&token, node).await {
                Ok(identity) => {
                    reached += 1;
                    note(format_args!("{node} is ledger node {:016x}.", identity.node));
                }
                Err(error) => note(format_args!("Warning: {error}")),
            }
        }
        if reached == 0 {
            let words =
                "no node of the cluster was reached: is it there, and does UDP come through?";
            return Err(Failure::new(Exit::Unavailable, words));
        }
        line(self.config(&token)?.trim_end())
    }

    fn token(&self) -> Result<Token, Failure> {
        let wrong = |words: &str| {
            Failure::new(Exit::Usage, format!("{}: {words}", self.token_file.display()))
        };
        let bytes = secret_file::read(&self.token_file, TOKEN);
        let bytes = bytes.map_err(|error| wrong(&error.to_string()))?;
        let bytes = bytes.ok_or_else(|| wrong("there is no such file"))?;
        let text = core::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        text.ok_or_else(|| wrong(&claviger_link::BadToken.to_string()))
    }

    /// The configuration of that node.
    fn config(&self, token: &Token) -> Result<String, Failure> {
        let file = std::path::absolute(&self.token_file);
        let file =
            file.map_err(|error| Failure::failed(format!("cannot name the token: {error}")))?;
        let (roles, what) = match token.role() {
            Role::Ledger => ("ledger", "a node of the ledger"),
            Role::Edge => ("edge", "an edge"),
        };
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text = format!(
            "# {what} of the cluster {}\n[node]\nroles = [\"{roles}\"]\n\n[cluster]\n",
            HEXLOWER.encode(&token.cluster)
        );
        if token.role() == Role::Ledger {
            text += &format!("listen = {}\n", quoted(&self.listen.to_string()));
            if let Some(advertise) = &self.advertise {
                text += &format!("advertise = {}\n", quoted(advertise));
            }
        }
        let nodes: Vec<_> = self.nodes.iter().map(|node| quoted(node)).collect();
        text += &format!("join = [{}]\n", nodes.join(", "));
        text += &format!("token_file = {}\n", quoted(&file.display().to_string()));
        Ok(text)
    }
}
