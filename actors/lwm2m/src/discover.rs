//! The answer to Bootstrap-Discover: which instances a client has (Core §6.1.7.3, Content-Format
//! 40).
//!
//! Clients write it in many ways, so reading is tolerant: both headers (`lwm2m="1.0",` of 1.0,
//! which is not RFC 6690, and `</>;lwm2m=1.1`), values quoted or not, a slash at a path's end,
//! spaces around separators, unknown attributes, links to things that are no instances. It is
//! strict where a guess could cost the device its bootstrap account: a Short Server ID that is
//! no number refuses the whole answer.

use crate::ObjectPath;
use crate::objects::{SECURITY, SERVER, SHORT_SERVER_IDS};

/// The longest answer that is read, in bytes.
pub const MAX_PAYLOAD: usize = 32 * 1024;
/// The most links in one answer.
pub const MAX_LINKS: usize = 1024;

/// What a client says it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discovery {
    /// The Enabler version, (major, minor); `None` if the header is missing or not readable.
    pub version: Option<(u8, u8)>,
    /// Instances of the Security object.
    pub security: Vec<SecurityInstance>,
    /// Instances of the Server object.
    pub servers: Vec<ServerInstance>,
    /// All other objects and instances, also `</0>` and `</1>` without an instance.
    pub others: Vec<ObjectPath>,
}

/// `</0/i>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityInstance {
    /// The instance's id.
    pub id: u16,
    /// `ssid`. The instance that has none is the bootstrap account. The reserved 0 and 65535
    /// read as none: they name no LwM2M server, and some stacks number the Bootstrap-Server so.
    pub short_server_id: Option<u16>,
    /// `uri`, since 1.1.
    pub uri: Option<String>,
}

/// `</1/i>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInstance {
    /// The instance's id.
    pub id: u16,
    /// `ssid`
    pub short_server_id: Option<u16>,
}

/// Why an answer cannot be relied upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// More than [`MAX_PAYLOAD`] bytes.
    #[error("it is too long")]
    TooLong,
    /// More than [`MAX_LINKS`] links.
    #[error("it has too many links")]
    TooMany,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
    /// A `<` or a quotation mark that nothing closes.
    #[error("a link or a quoted value is not closed")]
    Unclosed,
    /// `ssid` is no number of 16 bits.
    #[error("a Short Server ID (ssid) is not a number")]
    ShortServerId,
}

impl Discovery {
    /// Reads an answer.
    pub fn parse(payload: &[u8]) -> Result<Self, DiscoverError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(DiscoverError::TooLong);
        }
        let text = core::str::from_utf8(payload).map_err(|_| DiscoverError::NotText)?;
        let links = split(text, ',')?;
        if links.len() > MAX_LINKS {
            return Err(DiscoverError::TooMany);
        }
        let mut found = Self::default();
        for link in links {
            found.take(link)?;
        }
        Ok(found)
    }

    /// Ids of the bootstrap accounts: Security instances without a Short Server ID.
    ///
    /// A client should have one; where it shows more, none of them may be touched.
    pub fn bootstrap_accounts(&self) -> impl Iterator<Item = u16> {
        self.security.iter().filter(|s| s.short_server_id.is_none()).map(|s| s.id)
    }

    /// Writes the answer as a client of its version does: 1.0 with the bare header and without
    /// `uri`, later ones with `</>;lwm2m=` and with it. Without a version there is no header.
    pub fn encode(&self) -> String {
        let mut links = Vec::new();
        let old = self.version == Some((1, 0));
        links.extend(self.version.map(|(major, minor)| match old {
            true => format!("lwm2m=\"{major}.{minor}\""),
            false => format!("</>;lwm2m={major}.{minor}"),
        }));
        for instance in &self.security {
            let mut link = format!("</{SECURITY}/{}>", instance.id);
            put_short_server_id(&mut link, instance.short_server_id);
            if let Some(uri) = instance.uri.as_deref().filter(|_| !old) {
                let escaped = uri.replace('\\', "\\\\").replace('"', "\\\"");
                link.push_str(&format!(";uri=\"{escaped}\""));
            }
            links.push(link);
        }
        for instance in &self.servers {
            let mut link = format!("</{SERVER}/{}>", instance.id);
            put_short_server_id(&mut link, instance.short_server_id);
            links.push(link);
        }
        links.extend(self.others.iter().map(|path| match path.instance {
            Some(instance) => format!("</{}/{instance}>", path.object),
            None => format!("</{}>", path.object),
        }));
        links.join(",")
    }

    fn take(&mut self, link: &str) -> Result<(), DiscoverError> {
        let (target, attributes) = target_and_attributes(link)?;
        if let Some(version) = attribute(&attributes, "lwm2m") {
            self.version = self.version.or_else(|| parse_version(&version));
        }
        let Some(path) = target.and_then(parse_path) else { return Ok(()) };
        match (path.object, path.instance) {
            (SECURITY, Some(id)) => self.security.push(SecurityInstance {
                id,
                short_server_id: short_server_id(&attributes)?,
                uri: attribute(&attributes, "uri"),
            }),
            (SERVER, Some(id)) => {
                let short_server_id = short_server_id(&attributes)?;
                self.servers.push(ServerInstance { id, short_server_id });
            }
            _ => self.others.push(path),
        }
        Ok(())
    }
}

fn put_short_server_id(link: &mut String, id: Option<u16>) {
    if let Some(id) = id {
        link.push_str(&format!(";ssid={id}"));
    }
}

/// Splits at `separator` where it stands outside `<...>` and `"..."`; drops empty parts.
fn split(text: &str, separator: char) -> Result<Vec<&str>, DiscoverError> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let mut until = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (until, c) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(end), c) if c == end => until = None,
            (Some(_), _) => {}
            (None, '<') => until = Some('>'),
            (None, '"') => until = Some('"'),
            (None, c) if c == separator => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            (None, _) => {}
        }
    }
    if until.is_some() {
        return Err(DiscoverError::Unclosed);
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    Ok(parts)
}

type Attribute<'a> = (&'a str, &'a str);

/// The link's target, `None` for the bare header of 1.0, and its attributes.
fn target_and_attributes(link: &str) -> Result<(Option<&str>, Vec<Attribute<'_>>), DiscoverError> {
    let mut target = None;
    let mut attributes = Vec::new();
    for (n, part) in split(link, ';')?.into_iter().map(str::trim).enumerate() {
        if n == 0 && part.starts_with('<') {
            target = part.strip_prefix('<').and_then(|p| p.strip_suffix('>'));
        } else {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            attributes.push((name.trim(), value.trim()));
        }
    }
    Ok((target, attributes))
}

/// The attribute's value without its quotation marks and backslashes.
fn attribute(attributes: &[Attribute<'_>], name: &str) -> Option<String> {
    let (_, value) = attributes.iter().find(|(n, _)| *n == name)?;
    let Some(quoted) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return Some((*value).to_owned());
    };
    let mut plain = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    Some(plain)
}

fn short_server_id(attributes: &[Attribute<'_>]) -> Result<Option<u16>, DiscoverError> {
    let Some(text) = attribute(attributes, "ssid") else { return Ok(None) };
    let id = number(text.trim()).ok_or(DiscoverError::ShortServerId)?;
    Ok(Some(id).filter(|id| SHORT_SERVER_IDS.contains(id)))
}

fn parse_version(text: &str) -> Option<(u8, u8)> {
    let (major, minor) = text.trim().split_once('.')?;
    Some((number(major)?.try_into().ok()?, number(minor)?.try_into().ok()?))
}

/// `/o` or `/o/i`, with or without a slash at the end; `None` for anything else.
fn parse_path(target: &str) -> Option<ObjectPath> {
    let path = target.trim().strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    match path.split_once('/') {
        None => Some(ObjectPath { object: number(path)?, instance: None }),
        Some((object, instance)) => {
            Some(ObjectPath { object: number(object)?, instance: Some(number(instance)?) })
        }
    }
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
