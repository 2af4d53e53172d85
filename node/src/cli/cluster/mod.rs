//! `claviger cluster`

mod copy;
mod join;
mod show;
mod token;

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::exit::Failure;
use super::output::{Format, line, note};
use clap::{Args, Subcommand};
use claviger_api::{
    Cluster as Status, ClusterAuthority, CreatedJoinToken, Promote as Voters, Snapshot,
    Transfer as Lead,
};
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
Of three voters none can be removed before a fourth has joined and was promoted with --even. The leader
hands over first.

Examples:
  claviger cluster remove 00c5f1a2b3c4d5e6
  claviger cluster remove 00c5f1a2b3c4d5e6 --even --yes")]
    Remove(Remove),
    /// Make the token by which a node of the ledger comes back under its id; print it once.
    #[command(after_help = "\
For a node that says its certificate is missing, over, or not believed, such as one that was off while
the authority was replaced. Its data stays: say this to a node that runs, put what it prints into the
node's cluster.token_file, name a node that runs in its cluster.join, and start it. The token lets in
that node alone, once, within a day. Nothing changes before the node comes back. What it showed before
holds until its time is over: where somebody else may have that, say `rotate-authority` afterwards.

Examples:
  claviger cluster readmit 00c5f1a2b3c4d5e6 > token
  claviger cluster readmit 00c5f1a2b3c4d5e6 --yes > token")]
    Readmit(Readmit),
    /// Let another voter lead.
    #[command(after_help = "\
Examples:
  claviger cluster transfer
  claviger cluster transfer 00c5f1a2b3c4d5e6")]
    Transfer(Transfer),
    /// Put another authority in the place of the one that issues the certificates of nodes.
    #[command(after_help = "\
Nodes take a new certificate at once, edges that are connected within a minute. Until all have one, both
authorities are trusted; `claviger cluster status` shows how far it is. Then join tokens that were made
before are of no use any more: make new ones, and give edges theirs. Connections that were made by the
authority before are closed.

Examples:
  claviger cluster rotate-authority
  claviger cluster rotate-authority --yes")]
    RotateAuthority(RotateAuthority),
    /// Make a snapshot of the node that is asked, now; print its index and size.
    #[command(after_help = "\
A node does so by itself after 50,000 entries of its log. A snapshot stays on the node's disk; a copy
to keep elsewhere is made by `claviger cluster backup`.

Examples:
  claviger cluster snapshot
  claviger cluster snapshot -o json | jq .index")]
    Snapshot(Asked),
    /// Print the configuration of a node that joins by a token; see that it reaches the cluster.
    #[command(after_help = "\
It needs no server here and uses the token up no more than a look at it would: it says on standard
error which node it reached at each address, and prints a configuration on standard output. The node
itself joins when it is started.

Examples:
  claviger cluster join 10.0.0.1:5685 --token-file token > claviger.toml
  claviger cluster join a:5685 b:5685 --token-file token --listen 10.0.0.4:5685 > claviger.toml")]
    Join(join::Join),
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

/// Nothing but where.
#[derive(Debug, Args)]
pub struct Asked {
    #[command(flatten)]
    remote: Remote,
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

/// An authority that is to be replaced.
#[derive(Debug, Args)]
pub struct RotateAuthority {
    #[command(flatten)]
    remote: Remote,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// A node that is to come back.
#[derive(Debug, Args)]
pub struct Readmit {
    #[command(flatten)]
    remote: Remote,
    /// The node's id, as it says it itself.
    node: String,
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
            Self::RotateAuthority(RotateAuthority { remote, yes }) => {
                let client = Client::of_cluster(&remote)?;
                let what = "Replace the authority of nodes, so that join tokens made before end";
                confirm(what, yes)?;
                let done: ClusterAuthority = client.post(&["authority"]).await?;
                remote.output.print(&done, |done| {
                    format!("Authority  {}\nMake new join tokens for edges.", show::authority(done))
                })
            }
            Self::Snapshot(Asked { remote }) => {
                let client = Client::of_cluster(&remote)?;
                let made: Snapshot = client.post(&["snapshot"]).await?;
                remote.output.print(&made, show::snapshot)
            }
            Self::Join(join) => join.run().await,
            Self::Readmit(Readmit { remote, node, yes }) => {
                let client = Client::of_cluster(&remote)?;
                confirm(&format!("Let whoever has the token come in as node {node}"), yes)?;
                let path = ["nodes", &node, "readmit"];
                let made: CreatedJoinToken = client.post(&path).await?;
                note(format_args!(
                    "Put this into cluster.token_file of node {node} and start it, until {}.",
                    made.about.expires
                ));
                match remote.output {
                    Format::Json => remote.output.print(&made, |_| String::new()),
                    Format::Table => line(made.token.expose()),
                }
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
