//! A disk to which a trace is played: what is seen, and what is durable. The model is as strict as
//! POSIX lets a file system be: a name is durable when its folder was synced, bytes when their file
//! was, and a sync takes what had ended when it began.

use super::trace::{Act, Event};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Change {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Clone, Default)]
struct File {
    durable: Vec<u8>,
    length: usize,
    pending: Vec<(u64, Change)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Folder,
    File(usize),
}

type Names = BTreeMap<PathBuf, Entry>;

#[derive(Debug, Clone)]
enum Naming {
    Add(PathBuf, Entry),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Naming {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Add(path, _) | Self::Rename(_, path) | Self::Remove(path) => path.parent(),
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(path, entry) => drop(names.insert(path.clone(), *entry)),
            Self::Rename(from, to) => {
                if let Some(entry) = names.remove(from) {
                    names.insert(to.clone(), entry);
                }
            }
            Self::Remove(path) => drop(names.remove(path)),
        }
    }
}

/// What of the unsynced was on the disk when the power went.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    Nothing,
    All,
    /// Any sectors of the bytes, and the names up to some one, by this seed.
    Torn(u64),
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    seen: Names,
    durable: Names,
    pending: Vec<(u64, Naming)>,
    /// Which file a number means, where it stands, and whether it always writes at the end.
    open: BTreeMap<i64, (usize, usize, bool)>,
}

fn put(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(new);
}

fn draw(seed: &mut u64, limit: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % limit.max(1)
}

impl Disk {
    fn name(&mut self, ended: u64, naming: Naming) {
        naming.apply(&mut self.seen);
        self.pending.push((ended, naming));
    }

    pub(crate) fn play(&mut self, event: &Event) {
        let ended = event.ended;
        match &event.act {
            Act::Open { fd, path, creates, empties, appends } => {
                if !self.seen.contains_key(path) && *creates {
                    self.files.push(File::default());
                    let entry = Entry::File(self.files.len() - 1);
                    self.name(ended, Naming::Add(path.clone(), entry));
                }
                let Some(Entry::File(file)) = self.seen.get(path).copied() else {
                    self.open.remove(fd);
                    return;
                };
                self.open.insert(*fd, (file, 0, *appends));
                if *empties && self.files[file].length > 0 {
                    self.files[file].length = 0;
                    self.files[file].pending.push((ended, Change::Length(0)));
                }
            }
            Act::Write { fd, at, bytes } => {
                let Some((file, stands, appends)) = self.open.get_mut(fd) else { return };
                let file = &mut self.files[*file];
                let place = match at {
                    Some(at) => *at as usize,
                    None if *appends => file.length,
                    None => *stands,
                };
                if at.is_none() {
                    *stands = place + bytes.len();
                }
                file.length = file.length.max(place + bytes.len());
                file.pending.push((ended, Change::Bytes(place, bytes.clone())));
            }
            Act::Seek { fd, to } => {
                if let Some(open) = self.open.get_mut(fd) {
                    open.1 = *to as usize;
                }
            }
            Act::Truncate { fd, length } => {
                if let Some((file, ..)) = self.open.get(fd) {
                    self.files[*file].length = *length as usize;
                    let change = Change::Length(*length as usize);
                    self.files[*file].pending.push((ended, change));
                }
            }
            Act::Sync { path } => self.sync(path, event.begun),
            Act::Folder { path } => self.name(ended, Naming::Add(path.clone(), Entry::Folder)),
            Act::Rename { from, to } => {
                self.name(ended, Naming::Rename(from.clone(), to.clone()));
            }
            Act::Remove { path } => self.name(ended, Naming::Remove(path.clone())),
            Act::Acknowledged(_) => {}
        }
    }

    fn sync(&mut self, path: &Path, begun: u64) {
        if let Some(Entry::File(file)) = self.seen.get(path) {
            let File { durable, pending, .. } = &mut self.files[*file];
            let (done, rest): (Vec<_>, _) =
                std::mem::take(pending).into_iter().partition(|(ended, _)| *ended <= begun);
            *pending = rest;
            done.iter().for_each(|(_, change)| apply(durable, change));
        } else {
            let here =
                |(ended, naming): &(u64, Naming)| *ended <= begun && naming.folder() == Some(path);
            let (done, rest): (Vec<_>, _) =
                std::mem::take(&mut self.pending).into_iter().partition(here);
            self.pending = rest;
            done.iter().for_each(|(_, naming)| naming.apply(&mut self.durable));
        }
    }

    /// Writes what is left of `root` after a power cut into `to`.
    pub(crate) fn cut(&self, root: &Path, fate: Fate, to: &Path) {
        let mut seed = match fate {
            Fate::Torn(seed) => seed,
            Fate::Nothing | Fate::All => 0,
        };
        let kept = match fate {
            Fate::Nothing => 0,
            Fate::All => self.pending.len(),
            Fate::Torn(_) => draw(&mut seed, self.pending.len() as u64 + 1) as usize,
        };
        let mut names = self.durable.clone();
        self.pending[..kept].iter().for_each(|(_, naming)| naming.apply(&mut names));
        for (path, entry) in &names {
            let Ok(place) = path.strip_prefix(root) else { continue };
            let folders = path.ancestors().skip(1).take_while(|folder| *folder != root);
            if !folders.into_iter().all(|folder| names.get(folder) == Some(&Entry::Folder)) {
                continue;
            }
            match entry {
                Entry::Folder => fs::create_dir_all(to.join(place)).expect("a folder"),
                Entry::File(file) => {
                    let bytes = self.files[*file].after(fate, &mut seed);
                    fs::write(to.join(place), bytes).expect("a file");
                }
            }
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Bytes(at, new) => put(bytes, *at, new),
        Change::Length(length) => bytes.resize(*length, 0),
    }
}

impl File {
    fn after(&self, fate: Fate, seed: &mut u64) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (_, change) in &self.pending {
            match (fate, change) {
                (Fate::Nothing, _) => {}
                (Fate::All, change) => apply(&mut bytes, change),
                (Fate::Torn(_), Change::Length(_)) if draw(seed, 2) == 0 => {
                    apply(&mut bytes, change);
                }
                (Fate::Torn(_), Change::Length(_)) => {}
                (Fate::Torn(_), Change::Bytes(at, new)) => {
                    let fate = draw(seed, 3);
                    let mut from = 0;
                    while from < new.len() {
                        let end = (((at + from) / SECTOR + 1) * SECTOR - at).min(new.len());
                        if fate == 0 || (fate == 1 && draw(seed, 2) == 0) {
                            put(&mut bytes, at + from, &new[from..end]);
                        }
                        from = end;
                    }
                }
            }
        }
        bytes
    }
}
