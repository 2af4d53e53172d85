//! `claviger server`, from its configuration to its end.

use crate::{alone, command, run};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running `claviger server`; killed when dropped.
struct Server {
    child: Child,
    ready: Value,
}

impl Server {
    fn start(config: &Path) -> Self {
        let log = config.with_extension("log");
        let log = std::fs::File::options().create(true).append(true).open(log);
        let log = log.expect("the log can be written");
        let mut command = command();
        command.args(["server", "-o", "json", "--config"]).arg(config);
        let mut child =
            command.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary runs");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        stdout.read_line(&mut line).expect("it says that it is ready");
        let ready = serde_json::from_str(&line).expect("it is JSON");
        Self { child, ready }
    }

    /// Asks it to stop; gives how it ended.
    fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill runs").success());
        self.child.wait().expect("it can be waited for").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration in `folder`, on free ports, with two tenants.
fn configure(folder: &Path, more: &str) -> PathBuf {
    let path = folder.join("claviger.toml");
    let text = format!(
        "[node]\ndata = '{}'\nkek_file = '{}'\n[http]\nlisten = '127.0.0.1:0'\n\
         [[coaps]]\nlisten = '127.0.0.1:0'\n\
         [[coaps]]\nlisten = '127.0.0.1:0'\ntenant = 'other'\nhide_unknown_identity = true\n\
         [log]\nlevel = 'info'\nformat = 'json'\n{more}",
        folder.join("data").display(),
        folder.join("key").display(),
    );
    std::fs::write(&path, text).expect("the folder can be written");
    path
}

#[test]
fn serves_each_tenant_at_its_listener_until_it_is_told_to_stop() {
    // Given a server with two listeners
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), "");
    let server = Server::start(&config);
    let token = std::fs::read_to_string(folder.path().join("data/admin-token")).unwrap();
    let simulate = |tenant: &str, coaps: &Value| {
        let mut command = command();
        command
            .args([
                "simulate",
                "lwm2m",
                "--endpoint",
                "urn:dev:1",
                "-o",
                "json",
                "--tenant",
                tenant,
                "--coaps",
            ])
            .arg(coaps.as_str().unwrap())
            .env("CLAVIGER_SERVER", server.ready["http"].as_str().unwrap())
            .env("CLAVIGER_TOKEN", token.trim());
        run(command, "")
    };

    // When a device of the same name bootstraps at each, then each tenant has its own
    let coaps = &server.ready["coaps"];
    assert!(simulate("default", &coaps[0]).ok().contains("active"));
    let told = simulate("other", &coaps[1]).ok();
    let end: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(end["credential"]["state"], "active", "{told}");
    assert_eq!(server.stop(), Some(0));

    // And what the configuration names was made, for its owner only, and is used again
    for file in ["data/admin-token", "key"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let again = Server::start(&config);
    let text = std::fs::read_to_string(folder.path().join("data/admin-token")).unwrap();
    assert_eq!(text, token);
    let mut list = command();
    list.args(["device", "list", "--tenant", "other", "-o", "json"])
        .env("CLAVIGER_SERVER", again.ready["http"].as_str().unwrap())
        .env("CLAVIGER_TOKEN", token.trim());
    assert!(run(list, "").ok().contains("urn:dev:1"));
}

#[test]
fn a_check_starts_nothing_and_finds_what_would_keep_it_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), "");
    let check = || alone(&format!("server --check --config {}", config.display()));

    assert!(check().ok().is_empty());
    assert!(!folder.path().join("data").exists());

    std::fs::write(folder.path().join("key"), [7; 32]).unwrap();
    std::fs::set_permissions(folder.path().join("key"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(check().failed(2).contains("chmod 600"));

    std::fs::remove_file(folder.path().join("key")).unwrap();
    std::fs::create_dir_all(folder.path().join("data/ledger")).unwrap();
    assert!(check().failed(2).contains("restore the one that belongs to this ledger"));
}

#[test]
fn a_token_that_could_be_guessed_keeps_it_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), "");
    let token = folder.path().join("data/admin-token");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(&token, "secret\n").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();

    let words = alone(&format!("server --config {}", config.display())).failed(1);

    assert!(words.contains("must have 32 to 4096 characters"), "{words}");
    assert!(!words.contains("secret"), "{words}");
}

/// Makes a certificate for this machine, and its key.
fn certify(certificate: &Path, key: &Path, name: &str) {
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-nodes", "-days", "30", "-newkey", "ec"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &format!("/CN={name}")])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate);
    run(openssl, "").ok();
    std::fs::set_permissions(key, PermissionsExt::from_mode(0o600)).expect("it is ours");
}

#[test]
fn speaks_https_and_takes_a_new_certificate_without_a_restart() {
    // Given a server with a certificate
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["c.pem", "k.pem"].map(|name| folder.path().join(name));
    certify(&certificate, &key, "one");
    let config = folder.path().join("claviger.toml");
    let text = format!(
        "[node]\ndata = '{}'\n[http]\nlisten = '127.0.0.1:0'\n\
         tls_certificate_file = '{}'\ntls_key_file = '{}'\n[[coaps]]\nlisten = '127.0.0.1:0'\n",
        folder.path().join("data").display(),
        certificate.display(),
        key.display(),
    );
    std::fs::write(&config, text).unwrap();
    assert!(alone(&format!("server --check --config {}", config.display())).ok().is_empty());
    let server = Server::start(&config);
    let url = server.ready["http"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://"), "{url}");
    let token = std::fs::read_to_string(folder.path().join("data/admin-token")).unwrap();
    let list = |trusted: &Path| {
        let mut command = command();
        command
            .args(["profile", "list", "--server", &url, "--ca-file"])
            .arg(trusted)
            .env("CLAVIGER_TOKEN", token.trim());
        run(command, "")
    };
    // Connections that say nothing hold no other up, however many they are.
    let address = url.trim_start_matches("https://");
    let silent = || std::net::TcpStream::connect(address).unwrap();
    let _silent: Vec<_> = (0..700).map(|_| silent()).collect();
    assert!(list(&certificate).ok().contains("NAME"));

    // When another takes its place, then the old one is not shown any more
    let old = folder.path().join("old.pem");
    std::fs::copy(&certificate, &old).unwrap();
    certify(&certificate, &key, "two");
    assert!(list(&old).ok().contains("NAME"), "nobody has asked it to read again");
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let begun = std::time::Instant::now();
    while list(&certificate).code != Some(0) {
        assert!(begun.elapsed().as_secs() < 20, "the new certificate is not used");
    }
    list(&old).failed(6);

    // And a key that is not its own is refused, also before a start
    certify(&folder.path().join("other.pem"), &key, "three");
    let words = alone(&format!("config check --config {}", config.display())).failed(2);
    assert!(words.contains("the TLS key"), "{words}");
    assert_eq!(server.stop(), Some(0));
}
