//! Sessions that an edge does not hold: opened at another, or before it was restarted.
//!
//! A datagram leads to a session's row by its connection id, or by listener and address. Keys leave
//! only if a record in it verifies and was not read before, as far as the ledger knows.

use crate::Ports;
use crate::opening::{Failure, tenant_key};
use claviger_dtls::{ReplayWindow, Sought, StoredSession};
use claviger_front::{Continue, Find, Hold, ToEdge, Unknown};
use claviger_ledger::{DeviceRef, Rows, Session, SessionId, View};
use claviger_seal::Label;

/// The answer to a look for a session.
pub(crate) fn answer(rows: &dyn Rows, ports: &Ports, find: &Find) -> Result<ToEdge, Failure> {
    let view = View::new(rows);
    let unknown = |nobody| Ok(ToEdge::Unknown(Unknown { call: find.call, nobody }));
    let Some((device, session)) = holder(&view, find) else { return unknown(true) };
    // One of before sessions were stored whole is nobody's: its device makes a handshake.
    let row = view.session(&device, session).filter(|row| row.restorable);
    let Some(row) = row else { return unknown(true) };
    // Another listener stands for another realm, and may take other suites.
    if row.listener != find.listener {
        return unknown(false);
    }
    let mut stored = unsealed(&view, ports, &device, session, &row)?;
    let newest = stored.newest_in(&find.datagram);
    if newest.is_none_or(|newest| !is_news(newest, row.highest_read)) {
        return unknown(false);
    }
    stored.window = ReplayWindow::above(row.highest_read);
    let bytes = stored.encode().ok_or(Failure::Broken("a stored session has no encoding"))?;
    let DeviceRef { tenant, device } = device;
    Ok(ToEdge::Continue(Continue { call: find.call, tenant, device, stored: bytes.to_vec() }))
}

/// What an edge needs to send records of a session that it has not asked for.
pub(crate) fn hold(
    rows: &dyn Rows,
    ports: &Ports,
    device: &DeviceRef,
    session: SessionId,
    row: &Session,
) -> Result<Hold, Failure> {
    if !row.restorable {
        return Err(Failure::Gone);
    }
    let mut stored = unsealed(&View::new(rows), ports, device, session, row)?;
    stored.window = ReplayWindow::above(row.highest_read);
    let bytes = stored.encode().ok_or(Failure::Broken("a stored session has no encoding"))?;
    let DeviceRef { tenant, device } = device.clone();
    Ok(Hold { tenant, device, stored: bytes.to_vec() })
}

/// Whether a record says anything to somebody who knows only what the ledger knows to be read.
pub(crate) const fn is_news(record: u64, highest_read: u64) -> bool {
    record > highest_read
}

fn holder(view: &View<'_>, find: &Find) -> Option<(DeviceRef, SessionId)> {
    match Sought::of(&find.datagram)? {
        Sought::Cid(cid) => view.session_by_cid(&cid),
        Sought::Address => view.session_by_address(&find.listener, &find.from.to_string()),
    }
}

fn unsealed(
    view: &View<'_>,
    ports: &Ports,
    device: &DeviceRef,
    session: SessionId,
    row: &Session,
) -> Result<StoredSession, Failure> {
    let label = Label::Session { tenant: &device.tenant, session: &session.0 };
    let bytes = tenant_key(view, &ports.keys, &device.tenant)?.open(label, &row.sealed);
    let bytes = bytes.map_err(|_| Failure::Broken("a sealed session does not open"))?;
    StoredSession::decode(&bytes).ok_or(Failure::Broken("a stored session cannot be read"))
}
