//! Snapshots: the rows of one moment, and the stream of bytes that another node or a backup gets.
//!
//! A node keeps none: what a snapshot stands for, a part of the log that is gone, its own rows hold,
//! which are durable then. A stream is made, sent, kept and read piece by piece, so that its length
//! costs no memory. It is a byte of version, then pieces: length (4), CRC-32 (4), CBOR of where it
//! stands, of rows in the order of their keys, and at last of how many there were.

use crate::frame::Applied;
use crate::spool::Spool;
use crate::state_store::{Moment, Row};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The version of the stream. Version 1 was one piece, and never left a process.
const VERSION: u8 = 2;
/// How many bytes of rows are in a piece; one row more may be.
const PIECE: usize = 256 << 10;
/// How many pieces are read ahead.
const AHEAD: usize = 2;
/// A piece that claims to be longer is none.
const LONGEST: usize = 64 << 20;

#[derive(Encode, Decode)]
enum Piece {
    #[n(0)]
    Head(#[n(0)] Applied),
    #[n(1)]
    Rows(#[n(0)] Vec<(ByteVec, ByteVec)>),
    /// How many rows there were.
    #[n(2)]
    End(#[n(0)] u64),
}

/// A snapshot: rows of this node, or the stream of another's.
#[derive(Clone)]
pub(crate) enum Image {
    Rows(Arc<dyn Moment>),
    Received(Arc<Spool>),
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows(_) => "Rows",
            Self::Received(_) => "Received",
        })
    }
}

pub(crate) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a copy of the rows that cannot be read")
}

/// Bytes with their length and checksum before them.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 8);
    let length = u32::try_from(body.len()).expect("a piece is far below 4 GiB");
    bytes.extend(length.to_be_bytes());
    bytes.extend(crc32fast::hash(body).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// What [`frame`] was given.
pub(crate) fn read_frame(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = [0; 8];
    from.read_exact(&mut head)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
    let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    if length > LONGEST {
        return Err(damaged());
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    match crc32fast::hash(&body) == u32::from_be_bytes([c0, c1, c2, c3]) {
        true => Ok(body),
        false => Err(damaged()),
    }
}

fn piece(piece: &Piece) -> Vec<u8> {
    frame(&minicbor::to_vec(piece).expect("writing to memory does not fail"))
}

/// The rows of a moment as a stream, piece by piece.
pub(crate) struct Pieces {
    moment: Arc<dyn Moment>,
    next: Next,
    count: u64,
}

enum Next {
    Head,
    After(Option<Vec<u8>>),
    Nothing,
}

impl Pieces {
    pub(crate) fn of(moment: Arc<dyn Moment>) -> Self {
        Self { moment, next: Next::Head, count: 0 }
    }

    fn make(&mut self) -> io::Result<Option<Vec<u8>>> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Nothing => Ok(None),
            Next::Head => {
                let applied = Applied::of(self.moment.applied()?)?;
                self.next = Next::After(None);
                Ok(Some([&[VERSION], &piece(&Piece::Head(applied))[..]].concat()))
            }
            Next::After(after) => {
                let rows = self.moment.page(after.as_deref(), PIECE)?;
                let Some((last, _)) = rows.last() else {
                    return Ok(Some(piece(&Piece::End(self.count))));
                };
                self.count += rows.len() as u64;
                self.next = Next::After(Some(last.clone()));
                let rows = rows.into_iter().map(|(key, value)| (key.into(), value.into()));
                Ok(Some(piece(&Piece::Rows(rows.collect()))))
            }
        }
    }
}

impl Iterator for Pieces {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.make().transpose()
    }
}

/// The pieces of a stream as they are sent; those from a disk are read ahead by another thread.
pub(crate) enum Parts {
    Here(Pieces),
    Aside(mpsc::Receiver<io::Result<Vec<u8>>>),
}

impl Parts {
    pub(crate) async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        match self {
            Self::Here(pieces) => pieces.next(),
            Self::Aside(pieces) => pieces.recv().await,
        }
    }
}

impl Image {
    /// The stream of this node's rows; an error if they are another's, which nobody asks for.
    pub(crate) fn parts(&self) -> io::Result<Parts> {
        let Self::Rows(moment) = self else { return Err(damaged()) };
        let pieces = Pieces::of(moment.clone());
        if !moment.on_disk() {
            return Ok(Parts::Here(pieces));
        }
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            for piece in pieces {
                if sender.blocking_send(piece).is_err() {
                    return;
                }
            }
        });
        Ok(Parts::Aside(receiver))
    }
}

/// All rows of a moment, one after the other.
pub(crate) fn all_of(moment: &dyn Moment) -> impl Iterator<Item = io::Result<Row>> {
    let mut last: Option<Vec<u8>> = None;
    let pages = std::iter::from_fn(move || {
        let page = moment.page(last.as_deref(), PIECE);
        if let Ok(rows) = &page {
            last = Some(rows.last()?.0.clone());
        }
        Some(page)
    });
    // An error is the last that is looked at.
    pages.flat_map(|page| {
        let (rows, error) = match page {
            Ok(rows) => (rows, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        rows.into_iter().map(Ok).chain(error)
    })
}

/// A stream as rows. One that has ended without an error was whole.
pub(crate) struct Rows<'r> {
    from: Box<dyn Read + 'r>,
    pub(crate) applied: Applied,
    read: std::vec::IntoIter<(ByteVec, ByteVec)>,
    last: Option<Vec<u8>>,
    count: u64,
    ended: bool,
}

impl<'r> Rows<'r> {
    pub(crate) fn of(mut from: Box<dyn Read + 'r>) -> io::Result<Self> {
        let mut version = [0];
        from.read_exact(&mut version)?;
        if version != [VERSION] {
            return Err(damaged());
        }
        let Piece::Head(applied) = read_piece(&mut *from)? else { return Err(damaged()) };
        let read = Vec::new().into_iter();
        Ok(Self { from, applied, read, last: None, count: 0, ended: false })
    }

    fn row(&mut self) -> io::Result<Option<Row>> {
        loop {
            if let Some((key, value)) = self.read.next() {
                let (key, value) = (Vec::from(key), Vec::from(value));
                if self.last.as_ref().is_some_and(|last| *last >= key) {
                    return Err(damaged());
                }
                self.last = Some(key.clone());
                self.count += 1;
                return Ok(Some((key, value)));
            }
            if self.ended {
                return Ok(None);
            }
            match read_piece(&mut *self.from)? {
                Piece::Rows(rows) => self.read = rows.into_iter(),
                Piece::End(count) if count == self.count => {
                    self.ended = true;
                    if self.from.read(&mut [0])? != 0 {
                        return Err(damaged());
                    }
                }
                Piece::End(_) | Piece::Head(_) => return Err(damaged()),
            }
        }
    }
}

fn read_piece(from: &mut dyn Read) -> io::Result<Piece> {
    minicbor::decode(&read_frame(from)?).map_err(|_| damaged())
}

impl Iterator for Rows<'_> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.row();
        if row.is_err() {
            // Nothing comes behind an error.
            (self.ended, self.read) = (true, Vec::new().into_iter());
        }
        row.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use crate::memory::MemoryState;
    use crate::state_store::StateStore;
    use crate::types::StoredMembership;

    fn applied() -> Applied {
        Applied { last: None, membership: (&StoredMembership::default()).into() }
    }

    fn rows(count: u16, length: usize) -> Vec<Row> {
        (0..count).map(|number| (number.to_be_bytes().to_vec(), vec![7; length])).collect()
    }

    fn stream(rows: Vec<Row>) -> Vec<Vec<u8>> {
        let state = MemoryState::default();
        state.replace(&mut rows.into_iter().map(Ok), &frame::encode(&applied())).unwrap();
        let pieces = Pieces::of(state.moment().unwrap());
        state.replace(&mut std::iter::empty(), &[]).unwrap();
        pieces.collect::<io::Result<_>>().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<(Applied, Vec<Row>)> {
        let rows = Rows::of(Box::new(bytes))?;
        let applied = rows.applied.clone();
        Ok((applied, rows.collect::<io::Result<_>>()?))
    }

    #[test]
    fn another_node_reads_the_rows_of_the_moment_it_was_taken_at() {
        for (count, length, pieces) in [(0, 0, 2), (1, 9, 3), (300, 3000, 6), (3, 1 << 20, 5)] {
            let all = rows(count, length);
            let stream = stream(all.clone());
            assert_eq!(stream.len(), pieces, "{count} rows of {length} bytes");
            assert_eq!(read(&stream.concat()).unwrap(), (applied(), all));
        }
    }

    #[test]
    fn refuses_bytes_with_any_one_changed_cut_short_or_more() {
        let bytes = stream(rows(2, 30)).concat();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x5a;
            assert!(read(&changed).is_err(), "{place}");
            assert!(read(&bytes[..place]).is_err(), "{place}");
        }
        assert!(read(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn refuses_pieces_that_are_lost_or_come_twice() {
        let pieces = stream(rows(300, 3000));
        for lost in 0..pieces.len() {
            let rest: Vec<_> = pieces
                .iter()
                .enumerate()
                .filter(|(n, _)| *n != lost)
                .map(|(_, p)| &p[..])
                .collect();
            assert!(read(&rest.concat()).is_err(), "without piece {lost}");
            let mut twice: Vec<_> = pieces.iter().map(|piece| &piece[..]).collect();
            twice.insert(lost, &pieces[lost]);
            assert!(read(&twice.concat()).is_err(), "piece {lost} twice");
        }
    }
}
