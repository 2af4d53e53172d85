//! The end of a connector.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Deletes a connector that no profile names. What is still to be told by it is not told any more
/// until there is one of its name again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeleteConnector {
    /// The tenant's name.
    #[n(0)]
    pub tenant: String,
    /// The connector's name.
    #[n(1)]
    pub name: String,
    /// The version that it must have.
    #[n(2)]
    pub expect: Option<u64>,
}

impl DeleteConnector {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        book.require_tenant(&self.tenant)?;
        let Some(connector) = book.connector(&self.tenant, &self.name)? else {
            return Err(Refusal::not_found("connector", &self.name).into());
        };
        Refusal::unless_version(self.expect, connector.version)?;
        for (name, profile) in book.profiles(&self.tenant)? {
            if profile.connector == self.name {
                let by = format!("the profile \"{name}\"");
                return Err(Refusal::in_use("connector", &self.name, by).into());
            }
        }
        book.drop_row(&key::named(Kind::Connector, &self.tenant, &self.name));
        let words = format!("The connector \"{}\" was deleted.", self.name);
        let event = Event { code: EventCode::ConnectorDeleted, credential: None, words };
        book.announce(&self.tenant, event)?;
        Ok(Outcome::Done)
    }
}
