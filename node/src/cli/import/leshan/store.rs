//! What accounts the devices are given: `bootstrapStore.json`, or `GET /api/bootstrap`, which has
//! the same form. Of the keys in it nothing is read.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The accounts of each device, by its endpoint name. Those of Bootstrap-Servers are left out.
pub(super) type Accounts = BTreeMap<String, Vec<Account>>;

/// An account at an LwM2M server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account {
    pub(super) uri: String,
    pub(super) short_server_id: u16,
    /// In seconds; none if Leshan does not say, or says what cannot be.
    pub(super) lifetime: Option<u32>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    servers: BTreeMap<String, Server>,
    #[serde(default)]
    security: BTreeMap<String, Security>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    short_id: i64,
    lifetime: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Security {
    uri: Option<String>,
    #[serde(default)]
    bootstrap_server: bool,
    server_id: Option<i64>,
}

/// The accounts in a store.
///
/// # Errors
/// Words that quote nothing of it.
pub(super) fn read(bytes: &[u8]) -> Result<Accounts, String> {
    let configs: BTreeMap<String, Config> = serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("it is not a bootstrap store of Leshan, at line {line}, column {column}")
    })?;
    Ok(configs.into_iter().map(|(endpoint, config)| (endpoint, accounts(config))).collect())
}

fn accounts(config: Config) -> Vec<Account> {
    let Config { servers, security } = config;
    let lifetime = |id: i64| {
        let server = servers.values().find(|server| server.short_id == id)?;
        server.lifetime.and_then(|seconds| u32::try_from(seconds).ok())
    };
    let account = |security: Security| {
        let id = security.server_id.unwrap_or_default();
        Account {
            uri: security.uri.unwrap_or_default(),
            short_server_id: u16::try_from(id).unwrap_or_default(),
            lifetime: lifetime(id),
        }
    };
    security.into_values().filter(|security| !security.bootstrap_server).map(account).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the demo of 2.0.0-M18 wrote it, with a second account.
    const STORE: &str = include_str!("store.json");

    #[test]
    fn reads_the_accounts_that_are_no_bootstrap_servers() {
        let accounts = read(STORE.as_bytes()).unwrap();

        let account = Account {
            uri: "coaps://lwm2m.example:5684".into(),
            short_server_id: 123,
            lifetime: Some(300),
        };
        assert_eq!(accounts["urn:dev:1"], [account]);
        assert_eq!(accounts["urn:dev:2"].len(), 2);
    }

    #[test]
    fn what_is_no_store_is_told_without_a_quotation() {
        for text in ["", "[\"canary\"]", "{\"canary\":{\"security\":{\"0\":\"canary\"}}}"] {
            let words = read(text.as_bytes()).expect_err(text);
            assert!(
                words.contains("not a bootstrap store") && !words.contains("canary"),
                "{words}"
            );
        }
    }
}
