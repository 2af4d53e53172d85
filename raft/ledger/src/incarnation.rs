//! A new incarnation: the ledger as it was at some moment goes on, and what came after is lost.
//!
//! So it begins after a restore from a backup, and after the recovery from a lost quorum. What must
//! not be used twice could have been used in the time that is lost: sessions and what resumes them
//! end, and what was staged is superseded, as the device may have another one by now. Credentials
//! that go on are marked: one of them may have been revoked or replaced in that time. Nodes are let
//! in anew, by another authority.
//!
//! It is no command: it is applied to the rows of one node, which is the whole cluster then.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind, SLOTS};
use crate::record::{Device, Incarnation, LEVEL, State};
use crate::state::{Book, Stop};
use crate::{CredentialId, Damage, DeviceRef, Rows, SessionId};

/// Bits of an index below a millisecond: so many entries would have to be committed in each, from
/// the beginning of one incarnation on, for the next one to begin among them.
const A_MILLISECOND: u32 = 12;
/// 2026-01-01, in ms since the Unix epoch: indexes are JSON numbers, which bear 2^53.
const FIRST_DAY: u64 = 1_767_225_600_000;
/// The level that brought incarnations: older versions would apply what follows in another way.
const SINCE_LEVEL: u32 = 2;
/// How far an incarnation begins behind a copy that the clock is not ahead of.
const STRIDE: u64 = 1 << 40;

/// Bits of how far the node that begins it moves a beginning on: less than five hours of the clock.
const BY_NODE: u32 = 36;
/// Odd, and close to 2^64 over the golden ratio: what is multiplied by it is spread evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where the indexes of a new incarnation begin, of a copy whose last one is `last`, at `now` (ms
/// since the Unix epoch), at the node of this random id: above every index that the copy has, and
/// apart from those of another incarnation that began from the same copy. Two that begin five hours
/// of a right clock or more from each other have no index in common; of two that are closer, or whose
/// clock stands still, one would have to commit what lies between two places out of 2^36.
pub const fn incarnation_begins(last: u64, now: u64, node: u64) -> u64 {
    let by_clock = now.saturating_sub(FIRST_DAY) << A_MILLISECOND;
    let by_node = node.wrapping_mul(SPREAD) >> (64 - BY_NODE);
    (if by_clock > last { by_clock } else { last + STRIDE }) + by_node
}

/// What a new incarnation came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Begun {
    /// The cluster's id, which stays.
    pub cluster: [u8; 16],
    /// Its number.
    pub incarnation: u64,
    /// Sessions that ended.
    pub sessions: u64,
    /// Staged credentials that were superseded.
    pub staged: u64,
    /// Credentials that go on, and are to be reviewed.
    pub marked: u64,
}

/// Makes the rows those of a new incarnation, which begins at `now` (ms since the Unix epoch). Its
/// commands come after `index` ([`incarnation_begins`]), which must be above every index that the
/// cluster ever had: by indexes versions and places in the feed are told apart.
///
/// # Errors
/// [`Damage`] if a row cannot be read, or there is no founded ledger.
pub fn begin_incarnation(rows: &mut dyn Rows, index: u64, now: u64) -> Result<Begun, Damage> {
    let mut book = Book::new(rows, index, now);
    match begin(&mut book) {
        Ok(begun) => Ok(begun),
        Err(Stop::Damaged(damage)) => Err(damage),
        // None of what it does can be refused: what it finds is as commands left it.
        Err(Stop::Refused(_)) => Err(Damage { what: "a row that another names", index }),
    }
}

fn begin(book: &mut Book<'_>) -> Result<Begun, Stop> {
    let damage = |what| Stop::Damaged(Damage { what, index: book.index });
    let mut meta = book.meta()?.ok_or_else(|| damage("the cluster's record"))?;
    if meta.level > LEVEL {
        return Err(damage("the ledger's level"));
    }
    meta.incarnation += 1;
    meta.level = meta.level.max(SINCE_LEVEL);
    meta.time = meta.time.max(book.at);
    book.at = meta.time;
    book.store(key::meta(), &meta);
    book.store(
        key::of_all(Kind::Incarnation, &[]),
        &Incarnation { begun_at: book.at, index: book.index },
    );
    // Uses of tokens, revocations and dismissals may be lost: nobody who was let in is any more.
    for kind in [Kind::NodeAuthority, Kind::JoinToken, Kind::Node] {
        for row in book.keys_under(&key::of_all(kind, &[]), usize::MAX) {
            book.drop_row(&row);
        }
    }
    let (cluster, incarnation) = (meta.cluster, meta.incarnation);
    let mut begun = Begun { cluster, incarnation, ..Begun::default() };
    for slot in 0..SLOTS {
        begun.sessions += end_sessions(book, slot)?;
        for kind in [Kind::Resumption, Kind::ConnectionId, Kind::Address] {
            for row in book.keys_under(&key::kind_in_slot(slot, kind), usize::MAX) {
                book.drop_row(&row);
            }
        }
    }
    for slot in 0..SLOTS {
        for of in devices(book, slot)? {
            renew(book, &of, &mut begun)?;
            book.tell()?;
        }
        for tenant in tenants(book, slot)? {
            let words = format!(
                "The cluster goes on from a copy, as incarnation {incarnation}: what happened after \
                 the copy was made is lost. Sessions have ended; review what was revoked, replaced \
                 or enrolled since."
            );
            let code = EventCode::ClusterRestored;
            book.announce(&tenant, Event { code, credential: None, words })?;
            book.tell()?;
        }
    }
    Ok(begun)
}

/// The owner in a row's key behind slot and kind, and what follows.
fn owner(row: &[u8]) -> Option<(DeviceRef, &[u8])> {
    let (tenant, rest) = key::part(row.get(3..)?)?;
    let (device, rest) = key::part(rest)?;
    Some((DeviceRef { tenant, device }, rest))
}

fn end_sessions(book: &mut Book<'_>, slot: u16) -> Result<u64, Stop> {
    let mut ended = 0;
    for row in book.keys_under(&key::kind_in_slot(slot, Kind::Session), usize::MAX) {
        let Some((of, id)) = owner(&row) else { continue };
        let Ok(id) = id.try_into() else { continue };
        // Its id is remembered, so that no repetition of its handshake opens it anew.
        book.drop_session(&of, SessionId(id))?;
        ended += 1;
    }
    Ok(ended)
}

fn devices(book: &Book<'_>, slot: u16) -> Result<Vec<DeviceRef>, Stop> {
    let rows = book.keys_under(&key::kind_in_slot(slot, Kind::Device), usize::MAX);
    Ok(rows.iter().filter_map(|row| owner(row)).map(|(of, _)| of).collect())
}

fn tenants(book: &Book<'_>, slot: u16) -> Result<Vec<String>, Stop> {
    let rows = book.keys_under(&key::kind_in_slot(slot, Kind::Tenant), usize::MAX);
    Ok(rows.iter().filter_map(|row| key::name(row.get(3..)?)).collect())
}

/// What becomes of a device's credentials.
fn renew(book: &mut Book<'_>, of: &DeviceRef, begun: &mut Begun) -> Result<(), Stop> {
    let mut device: Device = book.device(of)?;
    let before = device.clone();
    for (id, mut credential) in book.credentials(of)? {
        if credential.state == State::Staged {
            supersede(book, of, &mut device, id)?;
            begun.staged += 1;
            continue;
        }
        let held = !credential.sessions.is_empty() || !credential.resumptions.is_empty();
        if credential.state.is_live() {
            begun.marked += 1;
        } else if !held {
            continue;
        }
        credential.review = credential.state.is_live();
        credential.sessions.clear();
        credential.resumptions.clear();
        book.store_credential(of, id, credential);
    }
    if device != before {
        book.store_device(of, device);
    }
    Ok(())
}

fn supersede(
    book: &mut Book<'_>,
    of: &DeviceRef,
    device: &mut Device,
    id: CredentialId,
) -> Result<(), Stop> {
    let mut credential = book.credential(of, id)?;
    credential.sessions.clear();
    book.store_credential(of, id, credential);
    let why = "The cluster goes on from a copy that is older than what the device may have by now.";
    book.supersede(of, device, id, why, Some(&mut Vec::new()))?;
    device.staged.take_if(|staged| *staged == id);
    Ok(())
}
