//! Snapshots: the rows of one moment, and as bytes a version, where they stand, sorted rows, and a
//! checksum.
//!
//! A node keeps none: what a snapshot stands for, a part of the log that is gone, its own rows hold,
//! which are durable then. Bytes are made for another node that is too far behind for the log.

use crate::frame::{self, Applied};
use crate::state_store::{Moment, Row};
use crc32fast::Hasher;
use minicbor::Encoder;
use minicbor::bytes::ByteVec;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// How many bytes of a snapshot are sent at a time.
const PART: usize = 256 << 10;

/// A snapshot: rows of this node, or bytes of another's.
#[derive(Clone)]
pub(crate) enum Image {
    Rows(Arc<dyn Moment>),
    Bytes(Arc<Vec<u8>>),
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows(_) => "Rows",
            Self::Bytes(_) => "Bytes",
        })
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a snapshot that cannot be read")
}

/// Writes a snapshot of `count` rows, one after the other: CBOR of (applied, rows), then CRC-32 of
/// it.
pub(crate) fn write(
    to: &mut dyn Write,
    applied: &Applied,
    count: u64,
    rows: impl Iterator<Item = io::Result<Row>>,
) -> io::Result<()> {
    let mut to = Summed { to, crc: Hasher::new() };
    let mut head = Encoder::new(vec![frame::VERSION]);
    let started = head.array(2).and_then(|head| head.encode(applied)?.array(count));
    started.expect("writing to memory does not fail");
    to.write(head.writer())?;
    let mut written = 0;
    for row in rows {
        let (key, value) = row?;
        let mut row = Encoder::new(Vec::with_capacity(key.len() + value.len() + 16));
        let whole = row.array(2).and_then(|row| row.bytes(&key)?.bytes(&value));
        whole.expect("writing to memory does not fail");
        to.write(row.writer())?;
        written += 1;
    }
    if written != count {
        return Err(io::Error::other(format!("{written} rows were found for {count}")));
    }
    to.end()
}

/// What is written, with the checksum of it.
struct Summed<W> {
    to: W,
    crc: Hasher,
}

impl<W: Write> Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.to.write_all(bytes)
    }

    fn end(mut self) -> io::Result<()> {
        self.to.write_all(&self.crc.finalize().to_be_bytes())?;
        self.to.flush()
    }
}

fn read(bytes: &[u8]) -> io::Result<(Applied, Vec<Row>)> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
    if crc32fast::hash(body).to_be_bytes() != *crc {
        return Err(damaged());
    }
    let (applied, rows): (Applied, Vec<(ByteVec, ByteVec)>) = frame::decode(body)?;
    Ok((applied, rows.into_iter().map(|(k, v)| (k.into(), v.into())).collect()))
}

impl Image {
    /// Where it stands.
    pub(crate) fn applied(&self) -> io::Result<Applied> {
        match self {
            Self::Rows(rows) => Applied::of(rows.applied()?),
            Self::Bytes(bytes) => read(bytes).map(|(applied, _)| applied),
        }
    }

    /// The same in bytes, as another node gets it.
    pub(crate) fn sent(&self) -> io::Result<Self> {
        let Self::Rows(moment) = self else { return Ok(self.clone()) };
        let mut bytes = Vec::new();
        let count = moment.rows().count() as u64;
        write(&mut bytes, &self.applied()?, count, moment.rows())?;
        Ok(Self::Bytes(Arc::new(bytes)))
    }

    /// The same in bytes, a part after the other.
    pub(crate) fn parts(&self) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>> + Send> {
        let Self::Bytes(bytes) = self.sent()? else { return Err(damaged()) };
        let starts = (0..bytes.len()).step_by(PART);
        Ok(starts.map(move |from| {
            let to = bytes.len().min(from + PART);
            Ok(bytes[from..to].to_vec())
        }))
    }

    /// Where it stands, and its rows.
    pub(crate) fn read(&self) -> io::Result<(Applied, Vec<Row>)> {
        match self {
            Self::Rows(moment) => Ok((self.applied()?, moment.rows().collect::<io::Result<_>>()?)),
            Self::Bytes(bytes) => read(bytes),
        }
    }
}

/// A snapshot of another node, part by part.
#[derive(Default)]
pub(crate) struct Received(Vec<u8>);

impl Received {
    /// The next of its bytes.
    pub(crate) fn push(&mut self, part: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(part);
        Ok(())
    }

    /// All of it; an error if it is damaged.
    pub(crate) fn end(self) -> io::Result<Image> {
        let image = Image::Bytes(Arc::new(self.0));
        image.applied()?;
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryState;
    use crate::state_store::StateStore;
    use crate::types::StoredMembership;

    fn applied() -> Applied {
        Applied { last: None, membership: (&StoredMembership::default()).into() }
    }

    fn rows(count: u8) -> impl Iterator<Item = io::Result<Row>> {
        (0..count).map(|number| Ok((vec![number], vec![number; 300])))
    }

    #[test]
    fn another_node_reads_the_rows_of_the_moment_it_was_taken_at() {
        let state = MemoryState::default();
        let all: Vec<Row> = rows(200).collect::<io::Result<_>>().unwrap();
        state.replace(all.clone(), &frame::encode(&applied())).unwrap();
        let image = Image::Rows(state.moment().unwrap());
        state.replace(Vec::new(), &[]).unwrap();

        let sent = image.sent().unwrap();

        assert!(matches!(sent, Image::Bytes(_)));
        assert_eq!(sent.read().unwrap(), (applied(), all));
    }

    #[test]
    fn rows_that_are_not_as_many_as_were_said_make_no_snapshot() {
        for count in [3, 5] {
            assert!(write(&mut Vec::new(), &applied(), 4, rows(count)).is_err(), "{count}");
        }
    }

    #[test]
    fn refuses_bytes_with_any_one_changed_or_cut_short() {
        let mut bytes = Vec::new();
        write(&mut bytes, &applied(), 2, rows(2)).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x5a;
            assert!(read(&changed).is_err(), "{place}");
            assert!(read(&bytes[..place]).is_err(), "{place}");
        }
    }
}
