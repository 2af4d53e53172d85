//! What `tests/setup` has installed for tests: where it is, and how its Java programs are started.

use std::path::PathBuf;
use tokio::process::Command;

/// Where a file of it is.
///
/// # Panics
/// If it is not there.
pub fn installed(path: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("a home folder")).join(".cache"),
        PathBuf::from,
    );
    let file = cache.join("claviger").join(path);
    assert!(file.exists(), "{} is missing: run tests/setup", file.display());
    file
}

/// Starts the class `main` of `claviger.interop` in the folder of a Java program.
///
/// # Panics
/// If the program is not there.
pub fn java(folder: &str, main: &str) -> Command {
    let folder = installed(folder);
    let name = folder.file_name().expect("it was named").to_string_lossy();
    let path = format!("{}/interop-{name}.jar:{}/lib/*", folder.display(), folder.display());
    let mut java = Command::new("java");
    java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-cp", &path]);
    java.arg(format!("claviger.interop.{main}")).kill_on_drop(true);
    java
}
