//! The turns of a comparison in a file, so that one that was stopped can go on.
//!
//! The first line says what is compared, each other one is a turn. A line that was not written to
//! its end is cut off.

use crate::{Failure, Report};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// One run of one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Which scenario.
    pub scenario: String,
    /// Which of its runs, from 0.
    pub round: u32,
    /// Which server.
    pub server: String,
    /// Its figures.
    pub report: Report,
}

/// What is compared.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Heading {
    compared: String,
}

/// The turns that are done.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<File>,
    turns: Vec<Turn>,
}

impl Journal {
    /// Opens or makes the journal at `path` of what `compared` says.
    ///
    /// # Errors
    /// If the file cannot be used, or is of something else.
    pub fn open(path: &Path, compared: String) -> Result<Self, Failure> {
        let name = path.display();
        let failed = || format!("cannot use the journal {name}");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(Failure::because(failed()))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(Failure::because(failed()))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let cut = file.set_len(whole as u64).and_then(|()| file.seek(std::io::SeekFrom::End(0)));
        cut.map_err(Failure::because(failed()))?;
        let mut journal = Self { file: Some(file), turns: Vec::new() };
        let mut lines = text[..whole].lines();
        let Some(heading) = lines.next() else {
            journal.write(&Heading { compared })?;
            return Ok(journal);
        };
        let odd = || format!("{name} is no journal of a comparison; name another file");
        let heading: Heading = serde_json::from_str(heading).map_err(Failure::because(odd()))?;
        if heading.compared != compared {
            return Err(Failure::new(format!(
                "{name} is of something else; name another file.\n  it has: {}\n  now: {compared}",
                heading.compared
            )));
        }
        let turns = lines.map(serde_json::from_str).collect::<Result<_, _>>();
        journal.turns = turns.map_err(Failure::because(odd()))?;
        Ok(journal)
    }

    /// The figures of a turn, if it is done.
    pub fn find(&self, scenario: &str, round: u32, server: &str) -> Option<&Report> {
        let asked = |turn: &&Turn| {
            (&*turn.scenario, turn.round, &*turn.server) == (scenario, round, server)
        };
        self.turns.iter().find(asked).map(|turn| &turn.report)
    }

    /// Keeps a turn.
    ///
    /// # Errors
    /// If the file does not take it.
    pub fn keep(&mut self, turn: Turn) -> Result<(), Failure> {
        self.write(&turn)?;
        self.turns.push(turn);
        Ok(())
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let json = serde_json::to_string(line);
        let json = json.map_err(Failure::because("the figures have no JSON"))?;
        let written = writeln!(file, "{json}");
        written.map_err(Failure::because("the journal does not take more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::report;

    fn turn(round: u32) -> Turn {
        let (scenario, server) = ("64 at a time".to_owned(), "Claviger".to_owned());
        Turn { scenario, round, server, report: report(100.0) }
    }

    #[test]
    fn a_comparison_that_was_stopped_goes_on_behind_the_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, "this".to_owned()).unwrap();
        journal.keep(turn(0)).unwrap();
        drop(journal);
        let torn = std::fs::read_to_string(&path).unwrap() + "{\"scenario\":\"64 at a";
        std::fs::write(&path, torn).unwrap();

        let mut journal = Journal::open(&path, "this".to_owned()).unwrap();
        assert_eq!(journal.find("64 at a time", 0, "Claviger"), Some(&report(100.0)));
        assert_eq!(journal.find("64 at a time", 1, "Claviger"), None);
        assert_eq!(journal.find("64 at a time", 0, "Leshan"), None);
        journal.keep(turn(1)).unwrap();

        let journal = Journal::open(&path, "this".to_owned()).unwrap();
        assert_eq!(journal.turns, [turn(0), turn(1)]);
    }

    #[test]
    fn a_journal_of_something_else_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        drop(Journal::open(&path, "this".to_owned()).unwrap());

        let words = Journal::open(&path, "that".to_owned()).unwrap_err().to_string();

        assert!(words.ends_with("it has: this\n  now: that"), "{words}");
        std::fs::write(&path, "x\n").unwrap();
        assert!(Journal::open(&path, "that".to_owned()).is_err());
    }
}
