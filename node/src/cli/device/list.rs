//! `claviger device list`

use super::story::rows;
use crate::cli::client::{Client, Remote};
use crate::cli::exit::Failure;
use crate::cli::output::note;
use crate::cli::progress::Progress;
use clap::Args;
use claviger_api::DevicePage;

/// How many devices are asked for at once.
const AT_ONCE: usize = 1000;

/// Many devices.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    remote: Remote,
    /// How many at most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// All of them, however many.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Behind this place, as an earlier list told it.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Only those with this profile.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Only those whose endpoint name begins so.
    #[arg(long, value_name = "PREFIX")]
    endpoint: Option<String>,
    /// Only those whose newest credential is in this state.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
}

impl List {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let limit = if self.all { usize::MAX } else { self.limit };
        let mut progress = Progress::new();
        let mut all = DevicePage { items: Vec::new(), next: self.after };
        while all.items.len() < limit {
            let mut query = vec![("limit", (limit - all.items.len()).min(AT_ONCE).to_string())];
            let more = [
                ("profile", &self.profile),
                ("endpoint", &self.endpoint),
                ("state", &self.state),
                ("after", &all.next),
            ];
            query.extend(more.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
            let page: DevicePage = client.get(&["devices"], &query).await?;
            all.items.extend(page.items);
            all.next = page.next;
            if all.next.is_none() {
                break;
            }
            progress.tell(format_args!("{} devices", all.items.len()));
        }
        progress.clear();
        self.remote.output.print(&all, |all| rows(&all.items))?;
        if let Some(next) = &all.next {
            note(format_args!("There are more: --after {next}"));
        }
        Ok(())
    }
}
