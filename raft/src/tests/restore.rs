//! Backups, and clusters that go on from them or from what is left.

use super::{founded_by, ledger_config, propose, tenant};
use crate::{Backup, MemoryTransport, Node, Successor, recover, restore, survivor};
use claviger_ledger::{Begun, ConnectorKind, PutConnector, View};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

async fn open(folder: &Path, id: u64) -> Node {
    let config = ledger_config(folder, id, &MemoryTransport::default());
    Node::open_single(config).await.unwrap()
}

/// Stops the node; its folder is free then.
async fn close(node: Node) {
    node.shutdown().await;
    drop(node);
}

/// A founded node with these tenants.
async fn node_with(folder: &Path, tenants: &[&str]) -> Node {
    let node = open(folder, 7).await;
    founded_by(&node).await;
    for name in tenants {
        tenant(&node, name).await;
    }
    node
}

fn tenants(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    node.read(&mut |rows| {
        found = View::new(rows).tenants().into_iter().map(|(name, _)| name).collect();
    });
    found.sort();
    found
}

fn successor(within: &TempDir, id: u64) -> Successor {
    let folder = within.path().join("restored");
    Successor { folder, id, address: "new:7000".to_owned(), now: 5_000_000 }
}

async fn backed_up() -> (TempDir, PathBuf, Backup) {
    let folder = tempdir().unwrap();
    let node = node_with(&folder.path().join("node"), &["one", "two"]).await;
    let path = folder.path().join("backup");
    let backup = node.backup(&path).await.unwrap();
    tenant(&node, "later").await;
    close(node).await;
    (folder, path, backup)
}

fn is_new(node: &Node, begun: &Begun, before: u64) {
    let status = node.status();
    // It rises when this node, which is the whole cluster, leads.
    assert_eq!((status.id, status.level >= Some(2)), (8, true));
    assert!(status.last_index > 1 << 40 && status.last_index < 1 << 41);
    assert!(before < 1000);
    assert_eq!(status.members.len(), 1);
    assert_eq!(status.members[0].address, "new:7000");
    assert_eq!((begun.cluster, begun.incarnation), ([1; 16], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_becomes_a_new_node_in_a_new_incarnation() {
    // Given a backup, after which something was done
    let (folder, path, backup) = backed_up().await;
    assert_eq!((backup.cluster, backup.incarnation, backup.node), ([1; 16], 1, 7));
    assert_eq!(Backup::check(&path).unwrap(), backup);

    // When it is restored, and the node is started
    let to = successor(&folder, 8);
    let (known, begun) = restore(&path, &to).unwrap();
    let mode = std::fs::metadata(&to.folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read it: {mode:o}");
    let node = open(&to.folder, 99).await;

    // Then it has what the backup has, leads alone, and goes on
    assert_eq!(known, backup);
    assert_eq!(tenants(&node), ["one", "two"]);
    is_new(&node, &begun, backup.index);
    tenant(&node, "three").await;
    close(node).await;
    let node = open(&to.folder, 99).await;
    assert_eq!(tenants(&node), ["one", "three", "two"]);
    // And a copy of it becomes the third.
    let path = folder.path().join("another");
    assert_eq!(node.backup(&path).await.unwrap().incarnation, 2);
    let to = Successor { folder: folder.path().join("third"), id: 9, ..to };
    assert_eq!(restore(&path, &to).unwrap().1.incarnation, 3);
    let again = open(&to.folder, 99).await;
    assert!(again.status().last_index > 2 << 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_of_one_moment_while_the_node_goes_on() {
    let folder = tempdir().unwrap();
    let node = node_with(&folder.path().join("node"), &[]).await;
    let writing = node.clone();
    let load = tokio::spawn(async move {
        for number in 0..200 {
            tenant(&writing, &format!("t{number:03}")).await;
        }
    });
    let mut before = 0;
    for number in 0..6 {
        let path = folder.path().join(format!("backup-{number}"));
        let backup = node.backup(&path).await.unwrap();
        let to =
            Successor { folder: folder.path().join(number.to_string()), ..successor(&folder, 8) };
        restore(&path, &to).unwrap();
        let again = open(&to.folder, 99).await;
        let found = tenants(&again);
        let expected: Vec<_> = (0..found.len()).map(|number| format!("t{number:03}")).collect();
        assert_eq!(found, expected, "as they were made, without a gap");
        assert!(found.len() >= before && backup.index >= found.len() as u64);
        before = found.len();
        again.shutdown().await;
    }
    load.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_damaged_or_cut_is_refused_and_leaves_nothing() {
    let (folder, path, _) = backed_up().await;
    let bytes = fs::read(&path).unwrap();
    let broken = folder.path().join("broken");
    for place in (0..bytes.len()).step_by(11) {
        let mut changed = bytes.clone();
        changed[place] ^= 0x5a;
        for bad in [&changed[..], &bytes[..place]] {
            fs::write(&broken, bad).unwrap();
            assert!(Backup::check(&broken).is_err(), "byte {place}");
        }
    }
    let to = successor(&folder, 8);
    let mut changed = bytes;
    let last = changed.len() - 20;
    changed[last] ^= 1;
    fs::write(&broken, changed).unwrap();
    let refused = restore(&broken, &to).unwrap_err().to_string();
    assert!(refused.contains("cannot be read"), "{refused}");
    assert!(!to.folder.exists());
    // What is half made is no hindrance.
    restore(&path, &to).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_over() {
    let (folder, path, _) = backed_up().await;
    let node = open(&folder.path().join("node"), 7).await;
    let again = node.backup(&path).await.unwrap_err().to_string();
    assert!(again.contains("exists"), "{again}");
    close(node).await;
    let to = Successor { folder: folder.path().join("node"), ..successor(&folder, 8) };
    let refused = restore(&path, &to).unwrap_err().to_string();
    assert!(refused.contains("name a new folder"), "{refused}");
    assert_eq!(survivor(&to.folder).unwrap().id, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_one_node_becomes_a_cluster_with_all_that_is_in_its_log() {
    let folder = tempdir().unwrap();
    let left = folder.path().join("node");
    let node = node_with(&left, &["one", "two"]).await;
    let last = node.status().last_index;
    close(node).await;
    let found = survivor(&left).unwrap();
    assert_eq!((found.id, found.last_index), (7, last));

    for stateless in [false, true] {
        if stateless {
            fs::remove_dir_all(left.join("state")).unwrap();
        }
        let name = folder.path().join(format!("recovered-{stateless}"));
        let to = Successor { folder: name, ..successor(&folder, 8) };
        let begun = recover(&left, claviger_ledger::apply, &to).unwrap();
        let node = open(&to.folder, 99).await;
        assert_eq!(tenants(&node), ["one", "two"]);
        is_new(&node, &begun, last);
        tenant(&node, "three").await;
        node.shutdown().await;
    }
    // What it was made of is as it was.
    assert_eq!(survivor(&left).unwrap(), found);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_of_one_backup_have_no_index_in_common() {
    let (folder, path, _) = backed_up().await;
    let mut used: Vec<core::ops::RangeInclusive<u64>> = Vec::new();
    // Of the last two the clock has stood still.
    for (number, now) in [(0, 1_800_000_000_000), (1, 1_800_000_060_000), (2, 1_800_000_060_000)] {
        let to = folder.path().join(number.to_string());
        let by = Successor { folder: to.clone(), now, ..successor(&folder, 8 + number) };
        restore(&path, &by).unwrap();
        let node = open(&to, 99).await;
        let begins = node.status().last_index;
        assert!(!used.iter().any(|used| used.contains(&begins)), "{begins} was used before");
        for number in 0..20 {
            tenant(&node, &format!("t{number}")).await;
        }
        used.push(begins..=node.status().last_index);
        close(node).await;
    }
}

/// Of the end of a log nobody knows whether the cluster committed it, or something else there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_from_a_log_has_indexes_that_nothing_ever_had() {
    let folder = tempdir().unwrap();
    let left = folder.path().join("node");
    let node = node_with(&left, &["one"]).await;
    let hook = PutConnector {
        tenant: "one".to_owned(),
        name: "hook".to_owned(),
        url: "https://lwm2m.example/".to_owned(),
        sealed_secret: Vec::new(),
        kind: ConnectorKind::Webhook,
        expect: None,
    };
    propose(&node, 200, hook).await;
    let version = |node: &Node| {
        let mut found = None;
        node.read(&mut |rows| found = View::new(rows).connector("one", "hook"));
        found.expect("it is there").version
    };
    let before = version(&node);
    close(node).await;
    fs::remove_dir_all(left.join("state")).unwrap();

    let to = successor(&folder, 8);
    recover(&left, claviger_ledger::apply, &to).unwrap();

    // By its version somebody tells whether it is what he has seen.
    let node = open(&to.folder, 99).await;
    assert!(before < 1000 && version(&node) > 1 << 39, "{before} {}", version(&node));
    tenant(&node, "two").await;
    close(node).await;
    let node = open(&to.folder, 99).await;
    assert_eq!(tenants(&node), ["one", "two"]);
    close(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_node_or_in_use_is_not_recovered_from() {
    let folder = tempdir().unwrap();
    let to = successor(&folder, 8);
    let refused = recover(folder.path(), claviger_ledger::apply, &to).unwrap_err().to_string();
    assert!(refused.contains("no node in this folder"), "{refused}");
    let node = node_with(&folder.path().join("node"), &[]).await;
    let used = recover(&folder.path().join("node"), claviger_ledger::apply, &to).unwrap_err();
    assert!(used.to_string().contains("in use"), "{used}");
    assert!(!to.folder.exists());
    node.shutdown().await;
}
