//! `claviger cluster token`

use crate::cli::client::{Client, Remote};
use crate::cli::confirm::confirm;
use crate::cli::exit::Failure;
use crate::cli::output::{Format, line, note, table};
use clap::{Args, Subcommand, ValueEnum};
use claviger_api::{CreateJoinToken, CreatedJoinToken, JoinToken, JoinTokens, NodeRole};
use reqwest::Method;

/// What can be done with join tokens.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger cluster token create --role edge > token
  claviger cluster token list
  claviger cluster token revoke 0f6a0c1d2e3b4a5968778695a4b3c2d1")]
pub enum Token {
    /// Make a token; it is printed once, and nothing else is.
    #[command(after_help = "\
A token is a secret: whoever has it can join a node to the cluster. Put it into a file that only
its owner may read, and name that in `cluster.token_file` of the node's configuration.

An edge keeps nothing on a disk: it joins at each start, and once more if it was cut off until its
certificate was over. So an edge's token lets in any number of edges for a year, unless you say
otherwise, and stays where the edge finds it. Revoke it when one of its edges is stolen.

Examples:
  claviger cluster token create --role ledger > token
  claviger cluster token create --role edge > token
  claviger cluster token create --role edge --uses 10 --lifetime 86400 > token")]
    Create(Create),
    /// List the tokens that can still be used; never what they are.
    #[command(after_help = "Example:\n  claviger cluster token list")]
    List(All),
    /// Revoke a token: nobody joins with it any more. Nodes that have joined stay.
    #[command(after_help = "\
Example:
  claviger cluster token revoke 0f6a0c1d2e3b4a5968778695a4b3c2d1")]
    Revoke(Revoke),
}

/// A token to be made.
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    remote: Remote,
    /// What nodes may join as.
    #[arg(long, value_enum)]
    role: Role,
    /// How many nodes may join with it; by default one node of the ledger, and any number of edges.
    #[arg(long, value_name = "COUNT")]
    uses: Option<u32>,
    /// For how long, in seconds; by default an hour, and for edges a year.
    #[arg(long, value_name = "SECONDS")]
    lifetime: Option<u64>,
}

/// A role, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Role {
    /// A node with a copy of the ledger.
    Ledger,
    /// A node that devices come to.
    Edge,
}

/// All of them.
#[derive(Debug, Args)]
pub struct All {
    #[command(flatten)]
    remote: Remote,
}

/// One to be revoked.
#[derive(Debug, Args)]
pub struct Revoke {
    #[command(flatten)]
    remote: Remote,
    /// Its id, as the list has it.
    #[arg(value_name = "TOKEN")]
    id: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Token {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(Create { remote, role, uses, lifetime }) => {
                let role = match role {
                    Role::Ledger => NodeRole::Ledger,
                    Role::Edge => NodeRole::Edge,
                };
                let client = Client::of_cluster(&remote)?;
                let body = CreateJoinToken { role, uses, lifetime };
                let made: CreatedJoinToken =
                    client.send_to(Method::POST, &["tokens"], &body).await?;
                match remote.output {
                    Format::Json => remote.output.print(&made, |_| String::new()),
                    Format::Table => line(made.token.expose()),
                }
            }
            Self::List(All { remote }) => {
                let all: JoinTokens = Client::of_cluster(&remote)?.get(&["tokens"], &[]).await?;
                remote.output.print(&all, rows)
            }
            Self::Revoke(Revoke { remote, id, yes }) => {
                let client = Client::of_cluster(&remote)?;
                confirm(&format!("Revoke the join token {id}"), yes)?;
                client.delete(&["tokens", &id]).await?;
                note(format_args!("Revoked {id}."));
                Ok(())
            }
        }
    }
}

fn rows(all: &JoinTokens) -> String {
    let role = |role| match role {
        NodeRole::Ledger => "ledger",
        NodeRole::Edge => "edge",
    };
    let row = |token: &JoinToken| {
        let left = token.uses_left.map_or_else(|| "any".to_owned(), |left| left.to_string());
        vec![token.id.clone(), role(token.role).to_owned(), left, token.expires.to_string()]
    };
    let rows: Vec<_> = all.items.iter().map(row).collect();
    table(&["TOKEN", "ROLE", "USES LEFT", "EXPIRES"], &rows)
}
