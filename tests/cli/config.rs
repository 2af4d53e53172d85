//! `claviger config`, and what needs no server.

use crate::{alone, command, run};

#[test]
fn a_shown_configuration_can_be_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.toml");
    let shown = alone("config show").ok();
    std::fs::write(&path, &shown).unwrap();

    let again = alone(&format!("config show --config {}", path.display())).ok();

    assert_eq!(again, shown);
    assert!(alone(&format!("config check --config {}", path.display())).ok().is_empty());
}

#[test]
fn what_holds_is_shown_with_what_the_environment_says() {
    let mut command = command();
    command.args(["config", "show", "-o", "json"]).env("CLAVIGER_LOG", "debug");
    let shown = run(command, "").json();
    assert_eq!(shown["log"]["level"], "debug");
    assert_eq!(shown["coaps"][0]["listen"], "127.0.0.1:5684");
    assert_eq!(shown["coaps"][0]["half_open_limit"], 16_384);
}

#[test]
fn a_wrong_configuration_is_told_with_its_place_and_an_exit_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.toml");
    std::fs::write(&path, "[node]\ndata = 'x'\n\n[[coaps]]\nlisten_at = 'x'\n").unwrap();
    let path = path.display();
    let expected = format!(
        "claviger: the configuration is wrong:\n  \
         {path}:5: coaps[0].listen_at: there is no such key; did you mean `listen`?\n"
    );
    for line in ["config check", "config show", "server", "server --check"] {
        assert_eq!(alone(&format!("{line} --config {path}")).failed(2), expected, "{line}");
    }
}

#[test]
fn a_variable_that_does_not_fit_is_told() {
    let mut command = command();
    command.args(["config", "show"]).env("CLAVIGER_LOG_FORMAT", "xml");
    assert!(run(command, "").failed(2).contains("CLAVIGER_LOG_FORMAT: expected text or json"));
}

#[test]
fn shells_take_the_scripts() {
    let script = alone("completions bash").ok();
    let mut bash = std::process::Command::new("bash");
    bash.arg("-n");
    assert_eq!(run(bash, &script).ok(), "");
    for shell in ["bash", "zsh", "fish"] {
        let script = alone(&format!("completions {shell}")).ok();
        for word in ["completions", "device", "enrol", "config"] {
            assert!(script.contains(word), "{word} is missing for {shell}");
        }
    }
}

#[test]
fn the_version_is_told_to_people_and_programs() {
    let version = alone("version -o json").json()["version"].clone();
    assert_eq!(format!("claviger {}\n", version.as_str().unwrap()), alone("version").ok());
    assert_eq!(alone("version").ok(), alone("--version").ok());
}
