//! `claviger cluster`

mod copy;
mod show;
mod token;

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::exit::Failure;
use super::output::note;
use clap::{Args, Subcommand};
use claviger_api::{Cluster as Status, Promote as Voters, Transfer as Lead};
use reqwest::Method;
use std::time::Duration;

/// What can be done with a cluster.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Any node of the ledger can be asked.

Examples:
  claviger cluster status
  claviger cluster token create --role edge
  claviger cluster promote 00c5f1a2b3c4d5e6 00d5f1a2b3c4d5e6")]
pub enum Cluster {
    /// Show who leads, how each node stands, which edges are connected, and what is wrong.
    #[command(after_help = "\
Exit code 7 says that something is wrong; what, stands below the tables.

Examples:
  claviger cluster status
  claviger cluster status --watch
  claviger cluster status -o json | jq .problems")]
    Status(Look),
    /// Make, list and revoke the tokens that nodes join with.
    #[command(subcommand)]
    Token(token::Token),
    /// Give nodes that have joined a vote, all in one step.
    #[command(after_help = "\
A cluster has one, three, five or seven voters: two are worse than one. A node that joins gets
everything and has no vote; so add two to the first, and then give both a vote at once.

Examples:
  claviger cluster promote 00c5f1a2b3c4d5e6 00d5f1a2b3c4d5e6
  claviger cluster promote 00c5f1a2b3c4d5e6 --even")]
    Promote(Promote),
    /// Remove a node for good: it must not come back with its data.
    #[command(after_help = "\
Of three voters one can only be removed with --even: join and promote its successor first.

Examples:
  claviger cluster remove 00c5f1a2b3c4d5e6
  claviger cluster remove 00c5f1a2b3c4d5e6 --even --yes")]
    Remove(Remove),
    /// Let another voter lead.
    #[command(after_help = "\
Examples:
  claviger cluster transfer
  claviger cluster transfer 00c5f1a2b3c4d5e6")]
    Transfer(Transfer),
    /// Back up the whole ledger into a file; secrets are sealed in it.
    #[command(after_help = "\
The file is of use with the key-encryption key alone: keep that, too, and not beside it.

Examples:
  claviger cluster backup /backup/claviger-2026-11-27
  claviger cluster backup copy -o json")]
    Backup(copy::Backup),
    /// Make the data of a first node from a backup; it founds a new incarnation of the cluster.
    #[command(after_help = "\
It needs no server, and writes the data folder of the configuration, which must have no ledger. What
happened after the backup is lost: sessions and staged credentials end, and what devices have is to
be reviewed. No node of the old cluster may run any more.

Examples:
  claviger cluster restore /backup/claviger-2026-11-27 --config /etc/claviger.toml
  claviger cluster restore copy --config claviger.toml --yes")]
    Restore(copy::Restore),
    /// Make the data of a first node from what one node has left: for a cluster that lost most others.
    #[command(after_help = "\
While more than half of the voters can be started, start them instead: then nothing is lost. This
gives up the old cluster and begins a new incarnation of it, in the data folder of the configuration,
which must have no ledger. No node of the old cluster may run any more.

Examples:
  claviger cluster recover --from /var/lib/claviger --config /etc/claviger-new.toml
  claviger cluster recover --from /mnt/disk/claviger --config claviger.toml --yes")]
    Recover(copy::Recover),
}

/// A look at it.
#[derive(Debug, Args)]
pub struct Look {
    #[command(flatten)]
    remote: Remote,
    /// Look again every two seconds, until interrupted.
    #[arg(long)]
    watch: bool,
}

/// Nodes that are to vote.
#[derive(Debug, Args)]
pub struct Promote {
    #[command(flatten)]
    remote: Remote,
    /// The nodes' ids, as the status has them.
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    /// An even number of voters is meant, as on the way from three to five.
    #[arg(long)]
    even: bool,
}

/// A node to be removed.
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    remote: Remote,
    /// The node's id, as the status has it.
    node: String,
    /// An even number of voters is meant.
    #[arg(long)]
    even: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Who is to lead.
#[derive(Debug, Args)]
pub struct Transfer {
    #[command(flatten)]
    remote: Remote,
    /// The node's id, as the status has it; by default the voter that has most of the log.
    node: Option<String>,
}

/// How often `--watch` looks.
const AGAIN: Duration = Duration::from_secs(2);

impl Cluster {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Status(Look { remote, watch }) => {
                let client = Client::of_cluster(&remote)?;
                loop {
                    let status: Status = client.get(&[], &[]).await?;
                    remote.output.print(&status, show::status)?;
                    if !watch {
                        return show::verdict(&status);
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
            Self::Token(token) => token.run().await,
            Self::Backup(backup) => backup.run().await,
            Self::Restore(restore) => restore.run(),
            Self::Recover(recover) => recover.run(),
            Self::Promote(Promote { remote, nodes, even }) => {
                let client = Client::of_cluster(&remote)?;
                let body = Voters { nodes, even };
                let status: Status = client.send_to(Method::POST, &["promote"], &body).await?;
                remote.output.print(&status, show::status)
            }
            Self::Remove(Remove { remote, node, even, yes }) => {
                let client = Client::of_cluster(&remote)?;
                confirm(&format!("Remove node {node} from the cluster"), yes)?;
                let query = [("even", even.to_string())];
                let path = ["nodes", &node];
                let request = client.request(Method::DELETE, &path, &query);
                client.answer(request.timeout(Client::PATIENCE)).await?;
                note(format_args!("Removed {node}."));
                Ok(())
            }
            Self::Transfer(Transfer { remote, node }) => {
                let client = Client::of_cluster(&remote)?;
                let body = Lead { to: node };
                let status: Status = client.send_to(Method::POST, &["transfer"], &body).await?;
                remote.output.print(&status, show::status)
            }
        }
    }
}
