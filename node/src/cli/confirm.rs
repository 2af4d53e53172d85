//! Asking before something is done that cannot be undone.

use super::exit::{Exit, Failure};
use super::output::plain;
use std::io::{self, BufRead, IsTerminal, Write};

/// Asks at the terminal whether to do `what`, unless `yes` says so already.
///
/// # Errors
/// If the answer is not yes, or there is nobody to ask.
pub fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        let words = format!("{}? There is nobody to ask: say --yes.", plain(what));
        return Err(Failure::new(Exit::Usage, words));
    }
    let mut answer = String::new();
    let mut out = io::stderr().lock();
    let asked =
        write!(out, "{}? It cannot be undone. [y/N] ", plain(what)).and_then(|()| out.flush());
    let read = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    let is_yes = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    match read {
        Ok(_) if is_yes => Ok(()),
        _ => Err(Failure::failed("nothing was done")),
    }
}
