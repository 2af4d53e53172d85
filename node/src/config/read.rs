//! Reading: first the keys, so that each unknown one is named at once, then the values.

use super::section::Field;
use super::{Cluster, Config, ConfigError, Fault, Http, Kek, KekProvider, Role, TREE};
use core::ops::Range;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// How like one key must be to another to be meant by it, by Jaro and Winkler: 1 is the same.
const LIKE: f64 = 0.8;

impl Config {
    /// The configuration in `path`.
    ///
    /// # Errors
    /// If it cannot be read, with the places that are wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path);
        let path = path.to_owned();
        match text {
            Ok(text) => Self::parse(&text).map_err(|faults| ConfigError::Wrong { path, faults }),
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        }
    }

    /// The configuration in `text`.
    ///
    /// # Errors
    /// The places that are wrong; never empty.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let place =
            |error: toml::de::Error| (error.span().unwrap_or_default(), error.message().to_owned());
        let table = DeTable::parse(text).map_err(|error| {
            let (span, words) = place(error);
            vec![fault(text, span.start, String::new(), words)]
        })?;
        let unknown = unknown(text, table.get_ref());
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let values = table.get_ref().clone();
        let config = Self::deserialize(Deserializer::from(table)).map_err(|error| {
            let (span, words) = place(error);
            let key = key_at(&values, &span).unwrap_or_default();
            vec![fault(text, span.start, key, words)]
        })?;
        let faults = config.contradictions(text, &values);
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    /// What no value tells alone.
    fn contradictions(&self, text: &str, values: &DeTable<'_>) -> Vec<Fault> {
        let listeners = values.get("coaps").map(Spanned::span).unwrap_or_default();
        if self.coaps.is_empty() {
            let words = "there must be one, or devices have nowhere to come to".to_owned();
            return vec![fault(text, listeners.start, "coaps".to_owned(), words)];
        }
        let mut faults = Vec::new();
        let Http { tls_certificate_file, tls_key_file, .. } = &self.http;
        if tls_certificate_file.as_os_str().is_empty() != tls_key_file.as_os_str().is_empty() {
            let start = values.get("http").map(Spanned::span).unwrap_or_default().start;
            let words = "it takes tls_certificate_file and tls_key_file, or none of them";
            faults.push(fault(text, start, "http".to_owned(), words.to_owned()));
        }
        let kek = values.get("kek").map(Spanned::span).unwrap_or_default().start;
        faults.extend(self.kek_lacks().map(|words| fault(text, kek, "kek".to_owned(), words)));
        faults.extend(self.contradictions_of_cluster(text, values));
        let mut seen = BTreeMap::new();
        for (index, coaps) in self.coaps.iter().enumerate() {
            let one = values.get("coaps").and_then(|all| all.get_ref().get(index));
            let start = one.map_or(listeners.start, |one| one.span().start);
            if let Some(kind) = coaps.credentials.without_suite(&coaps.suites) {
                let words =
                    format!("no suite is for {kind}: name one in `suites`, or leave it out");
                faults.push(fault(text, start, format!("coaps[{index}].credentials"), words));
            }
            let first = *seen.entry(coaps.listen).or_insert(index);
            if first != index && coaps.listen.port() != 0 {
                let words = format!("coaps[{first}] listens at {} already", coaps.listen);
                faults.push(fault(text, start, format!("coaps[{index}].listen"), words));
            }
        }
        faults
    }
}

impl Config {
    /// What the section on the KEK lacks.
    fn kek_lacks(&self) -> Option<String> {
        let Kek { provider, folder, pkcs11_module, pkcs11_token, pkcs11_key, pkcs11_pin_file } =
            &self.kek;
        let token = [
            !pkcs11_module.as_os_str().is_empty(),
            !pkcs11_token.is_empty(),
            !pkcs11_key.is_empty(),
            !pkcs11_pin_file.as_os_str().is_empty(),
        ];
        let whole = token.iter().all(|set| *set);
        if !whole && token.iter().any(|set| *set) {
            let words = "a token takes pkcs11_module, pkcs11_token, pkcs11_key and pkcs11_pin_file";
            return Some(words.to_owned());
        }
        let lacks = match provider {
            KekProvider::File => false,
            KekProvider::Folder => folder.as_os_str().is_empty(),
            KekProvider::Pkcs11 => !whole,
        };
        lacks.then(|| "the provider that wraps has no place: name its folder or token".to_owned())
    }

    /// What is wrong with a node's place in its cluster.
    fn contradictions_of_cluster(&self, text: &str, values: &DeTable<'_>) -> Vec<Fault> {
        let start = values.get("cluster").map(Spanned::span).unwrap_or_default().start;
        let mut faults = Vec::new();
        let mut tell = |key: &str, words: &str| {
            faults.push(fault(text, start, format!("cluster.{key}"), words.to_owned()));
        };
        let Cluster { listen, advertise, join, token_file, hold_level } = &self.cluster;
        let (ledger, joins) = (self.has(Role::Ledger), !join.is_empty());
        if !ledger && !joins {
            tell("join", "an edge without a ledger names nodes of the ledger to join");
        }
        if !ledger && listen.get().is_some() {
            tell("listen", "only a node of the ledger listens for others");
        }
        if !ledger && hold_level.get() > 0 {
            tell("hold_level", "only a node of the ledger holds its level");
        }
        if ledger && listen.get().is_some() && hold_level.get() == 1 {
            tell("hold_level", "nodes know each other from level 2 on: hold that, or a higher one");
        }
        if ledger && joins && listen.get().is_none() {
            tell("listen", "a node of the ledger that joins others listens for them");
        }
        if joins && token_file.as_os_str().is_empty() {
            tell("token_file", "who joins needs a token: `claviger cluster token create`");
        }
        let anywhere = listen.get().is_some_and(|at| at.ip().is_unspecified());
        if anywhere && advertise.get().is_none() {
            tell("advertise", "say where others reach it: it listens at every address");
        }
        faults
    }
}

fn fault(text: &str, offset: usize, key: String, words: String) -> Fault {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    Fault { line, key, words }
}

/// Each key that is none of ours.
fn unknown(text: &str, table: &DeTable<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, value) in table {
        let known = TREE.iter().find(|(section, ..)| *section == name.get_ref());
        let Some((_, section, _)) = known else {
            let sections = TREE.map(|(section, ..)| section);
            let words = format!("there is no such section; {}", meant(name.get_ref(), &sections));
            faults.push(fault(text, name.span().start, name.get_ref().to_string(), words));
            continue;
        };
        for (path, table) in tables(name.get_ref(), value) {
            let strange = |key: &str| !section.fields.iter().any(|field| field.name == key);
            for (key, _) in table.iter().filter(|(key, _)| strange(key.get_ref())) {
                let words =
                    format!("there is no such key; {}", guess(key.get_ref(), section.fields));
                let path = format!("{path}.{}", key.get_ref());
                faults.push(fault(text, key.span().start, path, words));
            }
        }
    }
    faults.sort_by_key(|fault| fault.line);
    faults
}

/// The tables of a section, each with its path.
fn tables<'a, 'i>(name: &str, value: &'a Spanned<DeValue<'i>>) -> Vec<(String, &'a DeTable<'i>)> {
    match value.get_ref() {
        DeValue::Table(table) => vec![(name.to_owned(), table)],
        DeValue::Array(array) => {
            let numbered = array.iter().enumerate();
            let table = |(index, value): (usize, &'a Spanned<DeValue<'i>>)| {
                value.get_ref().as_table().map(|table| (format!("{name}[{index}]"), table))
            };
            numbered.filter_map(table).collect()
        }
        // What it is instead, its values will tell.
        _ => Vec::new(),
    }
}

/// Which key may be meant: one of this section, or the same one of another.
fn guess(key: &str, fields: &[Field]) -> String {
    let names: Vec<_> = fields.iter().map(|field| field.name).collect();
    if nearest(key, &names).is_none() {
        let has = |fields: &[Field]| fields.iter().any(|field| field.name == key);
        if let Some((section, ..)) = TREE.iter().find(|(_, section, _)| has(section.fields)) {
            return format!("did you mean `{section}.{key}`?");
        }
    }
    meant(key, &names)
}

fn meant(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("known are {}", known.join(", ")),
    }
}

fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let like = known.iter().map(|name| (strsim::jaro_winkler(key, name), *name));
    let best = like.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness >= LIKE).map(|(_, name)| name)
}

/// The path of the key whose value `span` lies in.
fn key_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let holds = |place: Range<usize>| place.start <= span.start && span.end <= place.end;
    for (name, value) in table {
        for (path, table) in tables(name.get_ref(), value) {
            if let Some((key, _)) = table.iter().find(|(_, value)| holds(value.span())) {
                return Some(format!("{path}.{}", key.get_ref()));
            }
        }
        if holds(value.span()) {
            return Some(name.get_ref().to_string());
        }
    }
    None
}
