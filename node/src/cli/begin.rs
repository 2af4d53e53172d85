//! What every process does before all else: it logs, and leaves no secrets behind.

use super::exit::{Exit, Failure};
use crate::config::{Log, LogFormat, LogLevel};
use crate::telemetry;
use std::env::VarError;

/// Begins the log on standard error as `log` says, or the environment that overrides it, and
/// forbids core dumps. A server (`is_server`) also sends traces, where the environment says so.
pub fn begin(log: &Log, is_server: bool) {
    telemetry::start(log, is_server);
    crate::hygiene::forbid_core_dumps();
    crate::hygiene::take_open_files();
}

/// `log` with what the environment says of it.
///
/// # Errors
/// If a variable does not fit.
pub fn overridden(mut log: Log) -> Result<Log, Failure> {
    if let Some(level) = variable("CLAVIGER_LOG", LogLevel::try_from)? {
        log.level = level;
    }
    if let Some(format) = variable("CLAVIGER_LOG_FORMAT", LogFormat::try_from)? {
        log.format = format;
    }
    Ok(log)
}

/// The log of a command that is no server: only what is wrong.
///
/// # Errors
/// If a variable does not fit.
pub fn quiet() -> Result<Log, Failure> {
    overridden(Log { level: LogLevel::quiet(), ..Log::default() })
}

fn variable<T>(
    name: &str,
    read: impl FnOnce(String) -> Result<T, &'static str>,
) -> Result<Option<T>, Failure> {
    let refused = |words: &str| Failure::new(Exit::Usage, format!("{name}: {words}"));
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => read(text).map(Some).map_err(refused),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(refused("it is not UTF-8")),
    }
}
