//! What a process asked of its disk, as strace wrote it down.

use std::path::{Path, PathBuf};

/// The calls that change files or make them durable, and by which places in them are found.
pub(crate) const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,\
                         unlinkat,rmdir,mkdir,mkdirat,ftruncate,lseek";

/// One thing that was done.
#[derive(Debug)]
pub(crate) enum Act {
    /// A file is open under a number; made, or emptied, if it says so.
    Open {
        fd: i64,
        path: PathBuf,
        creates: bool,
        empties: bool,
        appends: bool,
    },
    /// Bytes, at a place or where the number stands.
    Write {
        fd: i64,
        at: Option<u64>,
        bytes: Vec<u8>,
    },
    Seek {
        fd: i64,
        to: u64,
    },
    Truncate {
        fd: i64,
        length: u64,
    },
    /// A file, or a folder's names, are durable.
    Sync {
        path: PathBuf,
    },
    Folder {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    /// This command was acknowledged.
    Acknowledged(u8),
}

/// When it began and had ended, in microseconds, and what it was.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) act: Act,
}

/// An argument or a result.
#[derive(Debug, Clone)]
enum Word {
    Number(i64),
    /// A number, and the path that is open under it.
    Open(i64, PathBuf),
    Text(Vec<u8>),
    Name(String),
}

/// Everything in the traces of one process's threads, in the order in which it had ended.
pub(crate) fn read(traces: &[PathBuf]) -> Vec<Event> {
    let mut events = Vec::new();
    for trace in traces {
        let text = std::fs::read_to_string(trace).expect("strace wrote it");
        events.extend(text.lines().filter_map(event));
    }
    events.sort_by_key(|event| event.ended);
    events
}

fn event(line: &str) -> Option<Event> {
    let (time, call) = line.split_once(' ')?;
    let begun = micros(time)?;
    let (call, took) = call.strip_suffix('>')?.rsplit_once(" <")?;
    let ended = begun + micros(took)?;
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = words(arguments.trim_end().strip_suffix(')')?);
    let result = words(result).into_iter().next()?;
    let act = act(name, &arguments, &result)?;
    Some(Event { begun, ended, act })
}

fn micros(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + fraction.parse::<u64>().ok()?)
}

fn act(name: &str, arguments: &[Word], result: &Word) -> Option<Act> {
    let number = |at: usize| match arguments.get(at)? {
        Word::Number(number) | Word::Open(number, _) => Some(*number),
        _ => None,
    };
    let open = |at: usize| match arguments.get(at)? {
        Word::Open(fd, path) => Some((*fd, path.clone())),
        _ => None,
    };
    let text = |at: usize| match arguments.get(at)? {
        Word::Text(bytes) => Some(bytes.clone()),
        _ => None,
    };
    let path = |at: usize| Some(PathBuf::from(String::from_utf8(text(at)?).ok()?));
    let within = |folder: usize, at: usize| match arguments.get(folder)? {
        Word::Open(_, folder) => Some(folder.join(path(at)?)),
        _ => path(at),
    };
    let done = matches!(result, Word::Number(0..) | Word::Open(..));
    match name {
        _ if !done => None,
        "openat" => {
            let Word::Open(fd, _) = result else { return None };
            let flags = match arguments.get(2)? {
                Word::Name(flags) => flags.clone(),
                _ => return None,
            };
            let has = |flag: &str| flags.split('|').any(|one| one == flag);
            let (creates, empties) = (has("O_CREAT"), has("O_TRUNC"));
            let path = within(0, 1)?;
            Some(Act::Open { fd: *fd, path, creates, empties, appends: has("O_APPEND") })
        }
        "write" if number(0)? == 1 => {
            let said = String::from_utf8(text(1)?).ok()?;
            Some(Act::Acknowledged(said.strip_prefix("ack ")?.trim().parse().ok()?))
        }
        "write" => Some(Act::Write { fd: number(0)?, at: None, bytes: text(1)? }),
        "pwrite64" => {
            let at = Some(number(3)?.unsigned_abs());
            Some(Act::Write { fd: number(0)?, at, bytes: text(1)? })
        }
        "fsync" | "fdatasync" => Some(Act::Sync { path: open(0)?.1 }),
        "lseek" => match result {
            Word::Number(to) => Some(Act::Seek { fd: number(0)?, to: to.unsigned_abs() }),
            _ => None,
        },
        "ftruncate" => Some(Act::Truncate { fd: number(0)?, length: number(1)?.unsigned_abs() }),
        "mkdir" => Some(Act::Folder { path: path(0)? }),
        "mkdirat" => Some(Act::Folder { path: within(0, 1)? }),
        "rename" => Some(Act::Rename { from: path(0)?, to: path(1)? }),
        "renameat" | "renameat2" => Some(Act::Rename { from: within(0, 1)?, to: within(2, 3)? }),
        "unlink" | "rmdir" => Some(Act::Remove { path: path(0)? }),
        "unlinkat" => Some(Act::Remove { path: within(0, 1)? }),
        _ => None,
    }
}

/// Arguments, separated by commas; strings have each byte in hexadecimal.
fn words(text: &str) -> Vec<Word> {
    text.split(", ").map(word).collect()
}

fn word(text: &str) -> Word {
    if let Some(string) = text.strip_prefix('"') {
        return Word::Text(bytes(string.strip_suffix('"').unwrap_or(string)));
    }
    if let Some((before, path)) = text.split_once('<') {
        let path = PathBuf::from(String::from_utf8_lossy(&bytes(path)).into_owned());
        return match before.parse() {
            Ok(fd) => Word::Open(fd, path),
            Err(_) => Word::Open(-1, path),
        };
    }
    let first = text.split(' ').next().unwrap_or(text);
    first.parse().map_or_else(|_| Word::Name(first.to_owned()), Word::Number)
}

fn bytes(text: &str) -> Vec<u8> {
    let each = text.split("\\x").skip(1);
    each.filter_map(|byte| u8::from_str_radix(byte.get(..2)?, 16).ok()).collect()
}

/// True if something of it is in `folder`.
pub(crate) fn concerns(act: &Act, folder: &Path) -> bool {
    match act {
        Act::Open { path, .. }
        | Act::Sync { path }
        | Act::Folder { path }
        | Act::Remove { path }
        | Act::Rename { to: path, .. } => path.starts_with(folder),
        Act::Write { .. } | Act::Seek { .. } | Act::Truncate { .. } | Act::Acknowledged(_) => true,
    }
}
