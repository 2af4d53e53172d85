//! Keys over whole processes: KEKs that take each other's place, sealed nodes, escrow, and a token.

mod process;
mod token;

use process::Server;
use std::path::Path;

/// A KEK of this byte.
fn kek(path: &Path, byte: u8) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::File::options();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(path).expect("a file can be made");
    std::io::Write::write_all(&mut file, &[byte; 32]).expect("a file can be made");
}

#[test]
fn a_kek_takes_the_place_of_another_and_a_node_without_one_is_sealed_until_it_has_it() {
    // Given a node with a file
    let folder = tempfile::tempdir().unwrap();
    let keks = folder.path().join("keks");
    std::fs::create_dir(&keks).unwrap();
    kek(&keks.join("kek-1"), 1);
    let file = Server::start(folder.path(), "");
    let status = file.cluster("GET", "/keys", None);
    assert_eq!((&status["sealed"], &status["root"]["version"]), (&false.into(), &1.into()));
    file.enrol("urn:dev:1");
    assert_eq!(file.stop(), Some(0));

    // When a folder takes its place
    let both = format!("[kek]\nprovider = 'folder'\nfolder = '{}'\n", keks.display());
    let node = Server::start(folder.path(), &both);
    let said = node.claviger(&["key", "rotate-kek"]).unwrap();
    assert!(said.contains("is wrapped by file:"), "{said}");
    let status = node.cluster("GET", "/keys", None);
    let names: Vec<_> = status["root"]["keks"].as_array().unwrap().iter().collect();
    assert!(names.len() == 2 && names.iter().all(|kek| kek["here"] == true), "{status}");
    let old = names[1]["name"].as_str().unwrap();
    node.claviger(&["key", "drop-kek", old, "--yes"]).unwrap();
    assert_eq!(node.stop(), Some(0));

    // Then a node with the old one alone is sealed, in words
    let sealed = Server::start(folder.path(), "");
    let (status, words) = sealed.page("/readyz");
    assert!(status == 503 && words.contains("has one of the KEKs"), "{status} {words}");
    assert_eq!(sealed.page("/livez").0, 200);
    assert!(sealed.page("/metrics").1.contains("\nclaviger_sealed 1\n"));
    assert_eq!(sealed.tenant("GET", "/devices", None)["code"], "sealed");
    let shown = sealed.claviger(&["key", "status"]).unwrap();
    assert!(shown.contains("sealed:") && shown.contains("not here"), "{shown}");
    assert_eq!(sealed.stop(), Some(0));

    // And one that finds it later opens by itself
    let folder_of = folder.path().join("later");
    let later = format!("[kek]\nprovider = 'folder'\nfolder = '{}'\n", folder_of.display());
    let node = Server::start(folder.path(), &later);
    assert_eq!(node.page("/readyz").0, 503);
    std::fs::rename(&keks, &folder_of).unwrap();
    node.wait_ready();
    assert_eq!(node.tenant("GET", "/devices/urn:dev:1", None)["id"], "urn:dev:1");
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_copy_in_escrow_opens_what_no_kek_does() {
    // Given a copy for a recipient
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let node = Server::start(folder.path(), "");
    node.enrol("urn:dev:1");
    let public = node.claviger(&["factory", "keygen", "--private", &at("escrow.key")]).unwrap();
    std::fs::write(at("escrow.json"), public).unwrap();
    let copy = node.claviger(&["key", "escrow", "--to", &at("escrow.json")]).unwrap();
    std::fs::write(at("copy"), copy).unwrap();
    let held = ["--copy", &at("copy"), "--private", &at("escrow.key")];
    let proven = node.claviger(&[&["key", "prove"], &held[..]].concat()).unwrap();
    assert!(proven.contains("opens this ledger"), "{proven}");
    assert_eq!(node.stop(), Some(0));

    // When the KEK is lost, and another is there
    std::fs::remove_file(at("data/kek")).unwrap();
    kek(&folder.path().join("data/kek"), 9);
    let sealed = Server::start(folder.path(), "");
    assert_eq!(sealed.page("/readyz").0, 503);
    let opened = sealed.claviger(&[&["key", "unseal"], &held[..]].concat()).unwrap();

    // Then the node serves, and the next start needs no copy
    assert!(opened.contains("is open") && opened.contains("is wrapped by file:"), "{opened}");
    sealed.wait_ready();
    assert_eq!(sealed.tenant("GET", "/devices/urn:dev:1", None)["id"], "urn:dev:1");
    assert_eq!(sealed.stop(), Some(0));
    let node = Server::start(folder.path(), "");
    node.wait_ready();
    let audit = node.tenant("GET", "/events", None).to_string();
    for code in ["root_key.made", "escrow.made", "escrow.proven", "escrow.used", "kek.changed"] {
        assert!(audit.contains(code), "{code} is not in {audit}");
    }
    let refused = node.claviger(&["key", "rotate-root", "--yes"]).unwrap_err();
    assert!(refused.contains("which is not here"), "{refused}");
    let status = node.cluster("GET", "/keys", None);
    let lost = status["root"]["keks"][1]["name"].as_str().unwrap();
    node.claviger(&["key", "drop-kek", lost, "--yes"]).unwrap();
    node.claviger(&["key", "rotate-root", "--yes"]).unwrap();
    let outdated = node.claviger(&[&["key", "prove"], &held[..]].concat()).unwrap_err();
    assert!(outdated.contains("take a newer copy"), "{outdated}");
}
