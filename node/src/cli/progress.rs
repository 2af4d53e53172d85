//! How far long work has come, for whoever watches it at a terminal.

use core::fmt;
use core::time::Duration;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

/// How often it is told.
const OFTEN: Duration = Duration::from_millis(100);

/// One line of standard error that is written over; nothing where that is no terminal.
pub struct Progress {
    shown: bool,
    told: Option<Instant>,
}

impl Progress {
    /// Nothing is told yet.
    pub fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), told: None }
    }

    /// Tells how far it is, if that was not just told.
    pub fn tell(&mut self, words: impl fmt::Display) {
        if !self.shown || self.told.is_some_and(|told| told.elapsed() < OFTEN) {
            return;
        }
        self.told = Some(Instant::now());
        let mut out = io::stderr().lock();
        let _ = write!(out, "\r{words}\x1b[K").and_then(|()| out.flush());
    }

    /// Removes the line, so that something else can stand there.
    pub fn clear(&mut self) {
        if self.told.take().is_some() {
            let mut out = io::stderr().lock();
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
