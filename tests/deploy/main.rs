//! What deploy/ says is true of the binary: the metrics that alerts and dashboards ask for exist, with
//! the labels they name; the rules are well-formed and do what their tests say; systemd understands the
//! unit; configurations are read.

use claviger_tests::{Claviger, Place};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(deploy().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Labels that Prometheus adds, and those whose values come with the requests.
const OPEN: [&str; 5] = ["job", "instance", "route", "status", "le"];

/// A metric as an expression names it, with its conditions on labels.
type Selector = (String, Vec<(String, bool, String)>);

/// All that `text` asks for of ours.
fn selectors(text: &str) -> Vec<Selector> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for start in ["claviger_", "http_server_"] {
        for (at, _) in text.match_indices(start) {
            if text[..at].ends_with(is_name) {
                continue;
            }
            let rest = &text[at..];
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            let conditions = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let conditions = conditions.map(|(inside, _)| inside.replace("\\\"", "\""));
            let conditions = conditions.iter().flat_map(|inside| inside.split(','));
            let read = |condition: &str| {
                let (label, value) = condition.split_once('=')?;
                let (exact, value) = (!value.starts_with('~'), value.trim_matches(['~', '"']));
                Some((label.trim_end_matches('!').to_owned(), exact, value.to_owned()))
            };
            found.push((name.to_owned(), conditions.filter_map(read).collect()));
        }
    }
    found
}

#[tokio::test]
async fn what_alerts_and_dashboards_ask_for_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(env!("CARGO_BIN_EXE_claviger"), folder.path());
    let claviger = Claviger::start(&place).await;
    // The first request is what makes the series of requests.
    claviger.page("/livez").await;
    let (_, metrics) = claviger.page("/metrics").await;
    let series = |name: &str| {
        let of =
            |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        metrics.lines().filter(of).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let mut asked = BTreeSet::new();
    for file in ["prometheus/rules.yaml", "grafana/devices.json", "grafana/cluster.json"] {
        for (name, conditions) in selectors(&read(file)) {
            let series = series(&name);
            assert!(!series.is_empty(), "{file}: there is no metric {name}");
            for (label, exact, value) in conditions {
                if OPEN.contains(&label.as_str()) {
                    continue;
                }
                let wanted = match exact {
                    true => format!("{label}=\"{value}\""),
                    false => format!("{label}=\""),
                };
                let has = series.iter().any(|line| line.contains(&wanted));
                assert!(has, "{file}: {name} has no {wanted}");
            }
            asked.insert(name);
        }
    }
    assert!(asked.len() > 30, "only {} names were found", asked.len());
}

#[test]
fn the_rules_do_what_their_tests_say() {
    for args in [["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]] {
        let mut promtool = Command::new("promtool");
        let output = promtool.args(args).current_dir(deploy().join("prometheus")).output();
        let output = output.expect("promtool runs; tests/setup installs it");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}

/// How exposed a service may be that systemd runs, of 100, by its own reckoning.
const EXPOSURE: &str = "--threshold=20";

#[test]
fn systemd_understands_the_unit_and_shuts_it_in() {
    // Its binary is to be there.
    let unit = read("systemd/claviger.service");
    let unit = unit.replace("/usr/local/bin/claviger", env!("CARGO_BIN_EXE_claviger"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.service");
    std::fs::write(&path, unit).unwrap();
    for args in [&["verify", "--man=no"][..], &["security", "--offline=true", EXPOSURE]] {
        let mut analyze = Command::new("systemd-analyze");
        let output = analyze.args(args).arg(&path).output();
        let output = output.expect("systemd-analyze runs; tests/setup installs it");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        // What it does not know it ignores, and says so.
        assert!(!said.contains("claviger.service"), "{args:?}: {said}");
    }
}

#[test]
fn the_configurations_are_read() {
    let mut read = 0;
    let folders = [deploy(), deploy().join("compose")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    for path in files.map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let mut claviger = Command::new(env!("CARGO_BIN_EXE_claviger"));
        let output = claviger.args(["config", "show", "--config"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {said}", path.display());
        read += 1;
    }
    assert!(read >= 3, "only {read} were found");
}
