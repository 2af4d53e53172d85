//! A PKCS#11 token: SoftHSM, from Debian's `softhsm2`.

use crate::process::{Server, private};
use std::path::{Path, PathBuf};
use std::process::Command;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "4711";

/// A token in a new folder of this name in `folder`, without keys; gives its configuration.
fn token(folder: &Path, name: &str) -> PathBuf {
    let tokens = folder.join(name);
    std::fs::create_dir(&tokens).expect("it is so");
    let config = folder.join(format!("{name}.conf"));
    std::fs::write(&config, format!("directories.tokendir = {}\n", tokens.display()))
        .expect("it is so");
    let made = ["--init-token", "--free", "--label", "cluster", "--pin", PIN, "--so-pin", PIN];
    util(&config, &made);
    config
}

/// Puts an AES key of this byte into the token.
fn import(config: &Path, label: &str, byte: u8) {
    let file = private(config.with_extension(label), &[byte; 32]);
    let (file, id) = (file.display().to_string(), format!("{byte:02x}"));
    let args = ["--import", &file, "--aes", "--token", "cluster", "--label", label, "--id", &id];
    util(config, &[&args[..], &["--pin", PIN]].concat());
}

fn util(config: &Path, args: &[&str]) {
    let output = Command::new("softhsm2-util").args(args).env("SOFTHSM2_CONF", config).output();
    let output = output.expect("softhsm2-util runs; tests/setup installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_token_has_the_kek_and_what_is_open_stays_open_without_it() {
    // Given a node that has its KEK in a file, and a token
    let folder = tempfile::tempdir().unwrap();
    let config = token(folder.path(), "tokens");
    import(&config, "kek-1", 1);
    private(folder.path().join("pin"), format!("{PIN}\n").as_bytes());
    let node = Server::start(folder.path(), "");
    node.enrol("urn:dev:1");
    assert_eq!(node.stop(), Some(0));
    let with = |key: &str| {
        format!(
            "[kek]\nprovider = 'pkcs11'\npkcs11_module = '{MODULE}'\npkcs11_token = 'cluster'\n\
             pkcs11_key = '{key}'\npkcs11_pin_file = '{}'\n",
            folder.path().join("pin").display()
        )
    };
    let env: [(&str, &Path); 1] = [("SOFTHSM2_CONF", &config)];

    // When the token takes the file's place, and another key in it that of the first
    let node = Server::start_with(folder.path(), &with("kek-1"), &env);
    node.claviger(&["key", "rotate-kek"]).unwrap();
    assert_eq!(node.stop(), Some(0));
    std::fs::rename(folder.path().join("data/kek"), folder.path().join("old")).unwrap();
    import(&config, "kek-2", 2);
    let node = Server::start_with(folder.path(), &with("kek-2"), &env);
    node.wait_ready();
    let said = node.claviger(&["key", "rotate-kek"]).unwrap();
    assert!(said.contains("is wrapped by pkcs11:kek-2"), "{said}");
    let status = node.cluster("GET", "/keys", None);
    assert_eq!(status["root"]["keks"].as_array().map(Vec::len), Some(3), "{status}");
    assert_eq!(node.stop(), Some(0));

    // Then of keys in a token, a node has those that are there
    let other = token(folder.path(), "others");
    import(&other, "kek-2", 2);
    let env_of_other: [(&str, &Path); 1] = [("SOFTHSM2_CONF", &other)];
    let node = Server::start_with(folder.path(), &with("kek-2"), &env_of_other);
    node.wait_ready();
    let here = |kek: &str| {
        let status = node.cluster("GET", "/keys", None);
        let keks = status["root"]["keks"].as_array().cloned().unwrap_or_default();
        keks.iter().find(|it| it["name"] == kek).map(|it| it["here"] == true)
    };
    let begun = std::time::Instant::now();
    while here("pkcs11:kek-1") != Some(false) {
        assert!(begun.elapsed().as_secs() < 30, "it is taken to be in the token");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(here("pkcs11:kek-2"), Some(true));
    assert_eq!(node.stop(), Some(0));
    let node = Server::start_with(folder.path(), &with("kek-2"), &env);
    node.wait_ready();
    node.claviger(&["key", "drop-kek", "pkcs11:kek-1", "--yes"]).unwrap();
    assert_eq!(node.stop(), Some(0));
    let node = Server::start_with(folder.path(), &with("kek-2"), &env);
    node.wait_ready();

    // Then a token that is lost seals the next start alone
    std::fs::rename(folder.path().join("tokens"), folder.path().join("gone")).unwrap();
    assert_eq!(node.tenant("GET", "/devices/urn:dev:1", None)["id"], "urn:dev:1");
    assert_eq!(node.page("/readyz").0, 200);
    assert_eq!(node.stop(), Some(0));
    std::fs::create_dir(folder.path().join("tokens")).unwrap();
    let sealed = Server::start_with(folder.path(), &with("kek-2"), &env);
    let (status, words) = sealed.page("/readyz");
    assert!(status == 503 && words.contains("is it plugged in?"), "{status} {words}");
}
