//! Keys and certificates for one run, made by OpenSSL.

use crate::server::{HEX, NAME};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// A folder with `ca`, `server` and `client`: each a `.pem` and a `.key` (PKCS#8), the latter two
/// also a `.pub`, and all of them once more in DER. In `.ec` is a key in its older form (RFC 5915),
/// in `psk` the shared key as GnuTLS has it.
pub(crate) struct Pki(TempDir);

/// The files, made once for all runs: a folder of its own has each, because peers write there.
static FILES: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();

impl Pki {
    pub(crate) fn new() -> Self {
        let pki = Self(tempfile::tempdir().expect("a folder"));
        for (name, bytes) in FILES.get_or_init(make) {
            std::fs::write(pki.path(name), bytes).expect("the folder takes it");
        }
        pki
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(file)
    }

    /// A private key as PKCS#8 in DER.
    pub(crate) fn key(&self, name: &str) -> Vec<u8> {
        self.read(&format!("{name}.key.der"))
    }

    /// A certificate in DER.
    pub(crate) fn certificate(&self, name: &str) -> Vec<u8> {
        self.read(&format!("{name}.pem.der"))
    }

    /// A public key as SubjectPublicKeyInfo in DER.
    pub(crate) fn public(&self, name: &str) -> Vec<u8> {
        self.read(&format!("{name}.pub.der"))
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.path(file)).expect("it was made")
    }
}

fn make() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &str| openssl(folder.path(), arguments);
    let new_key = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256";
    let ca = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign";
    run(&format!("req -x509 {new_key} -keyout ca.key -out ca.pem -subj /CN=ca -days 30 {ca}"));
    for name in ["server", "client"] {
        let extensions = format!("subjectAltName=DNS:{name}.test,IP:127.0.0.1");
        std::fs::write(folder.path().join("extensions"), extensions).expect("it takes it");
        run(&format!("req {new_key} -keyout {name}.key -out {name}.csr -subj /CN={name}.test"));
        run(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -set_serial 2 -days 30 \
             -extfile extensions -out {name}.pem"
        ));
        run(&format!("pkey -in {name}.key -pubout -out {name}.pub"));
        run(&format!("pkey -in {name}.key -traditional -out {name}.ec"));
        run(&format!("pkey -in {name}.key -pubout -outform DER -out {name}.pub.der"));
        run(&format!("pkcs8 -topk8 -nocrypt -in {name}.key -outform DER -out {name}.key.der"));
    }
    for name in ["ca", "server", "client"] {
        run(&format!("x509 -in {name}.pem -outform DER -out {name}.pem.der"));
    }
    std::fs::write(folder.path().join("psk"), format!("{NAME}:{HEX}\n")).expect("it takes it");
    let files = std::fs::read_dir(folder.path()).expect("the folder");
    files
        .map(|file| {
            let path = file.expect("a file").path();
            let bytes = std::fs::read(&path).expect("a file");
            (path.file_name().expect("a name").into(), bytes)
        })
        .collect()
}

/// Runs OpenSSL in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("openssl: {error}; run tests/setup"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
}
