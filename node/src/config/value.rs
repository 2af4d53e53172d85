//! Values that have a rule of their own.

use reqwest::Url;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Bounded<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    /// `VALUE`, which the compiler sees to be within the bounds.
    pub const fn of<const VALUE: u32>() -> Self {
        const { assert!(MIN <= VALUE && VALUE <= MAX) };
        Self(VALUE)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> TryFrom<i64> for Bounded<MIN, MAX> {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        let within = u32::try_from(value).ok().filter(|value| (MIN..=MAX).contains(value));
        within.map(Self).ok_or_else(|| format!("{value} is not within {MIN} to {MAX}"))
    }
}

/// The URL under which others reach the API; none is the address that it listens at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(Option<String>);

impl PublicUrl {
    /// The URL, without a slash at its end.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let url = Url::parse(&text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.filter(|url| url.query().is_none() && url.fragment().is_none());
        let url = url.ok_or("expected a URL such as https://claviger.example")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL with a user or a password in it is no public one");
        }
        Ok(Self(Some(text.trim_end_matches('/').to_owned())))
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0.unwrap_or_default()
    }
}

/// A tenant's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantName(String);

impl TenantName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl TryFrom<String> for TenantName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=64).contains(&name.len()) && name.chars().all(fits) {
            Ok(Self(name))
        } else {
            Err("a tenant's name has 1 to 64 letters, digits, `-` or `_`")
        }
    }
}

impl From<TenantName> for String {
    fn from(name: TenantName) -> Self {
        name.0
    }
}

/// Who tells too much. A single voter makes openraft warn of its own first vote at each start.
const LIBRARIES: &str = "openraft=error,fjall=warn,lsm_tree=warn";

/// What is logged, as [`EnvFilter`] reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogLevel(String);

impl LogLevel {
    /// The filter: of these levels, with the libraries of the ledger at their own where none is
    /// named for them.
    pub fn filter(&self) -> EnvFilter {
        EnvFilter::new(format!("{LIBRARIES},{}", self.0))
    }
}

impl LogLevel {
    /// Only what is wrong.
    pub fn quiet() -> Self {
        Self("warn".to_owned())
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl TryFrom<String> for LogLevel {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        // To the filter a bare word that is no level is a module: then a typo would log nothing.
        let known = |part: &str| {
            let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
            LEVELS.contains(&level.trim().to_ascii_lowercase().as_str())
        };
        if text.split(',').all(known) && EnvFilter::try_new(&text).is_ok() {
            Ok(Self(text))
        } else {
            Err("expected off, error, warn, info, debug or trace, or such levels by module")
        }
    }
}

impl From<LogLevel> for String {
    fn from(level: LogLevel) -> Self {
        level.0
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// An object a line.
    Json,
}

impl TryFrom<String> for LogFormat {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json"),
        }
    }
}

/// What has the KEK that wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub enum KekProvider {
    /// A file.
    File,
    /// A folder of files.
    Folder,
    /// A PKCS#11 token.
    Pkcs11,
}

impl TryFrom<String> for KekProvider {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "file" => Ok(Self::File),
            "folder" => Ok(Self::Folder),
            "pkcs11" => Ok(Self::Pkcs11),
            _ => Err("expected file, folder or pkcs11"),
        }
    }
}
