//! Keys and certificates for one test, made by OpenSSL.

use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A folder with `ca`, `server` and `client`: each a `.key` (PKCS#8) and a `.pem`, the latter two
/// also a `.pub`.
pub(crate) struct Pki(TempDir);

impl Pki {
    pub(crate) fn new() -> Self {
        let pki = Self(tempfile::tempdir().expect("a folder"));
        let new_key = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256";
        let ca = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign";
        pki.openssl(&format!(
            "req -x509 {new_key} -keyout ca.key -out ca.pem -subj /CN=ca -days 30 {ca}"
        ));
        for name in ["server", "client"] {
            std::fs::write(pki.path("extensions"), format!("subjectAltName=DNS:{name}.test"))
                .expect("the folder takes it");
            pki.openssl(&format!(
                "req {new_key} -keyout {name}.key -out {name}.csr -subj /CN={name}.test"
            ));
            pki.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -set_serial 2 -days 30 \
                 -extfile extensions -out {name}.pem"
            ));
            pki.openssl(&format!("pkey -in {name}.key -pubout -out {name}.pub"));
        }
        pki
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// A private key as PKCS#8 in DER.
    pub(crate) fn key(&self, name: &str) -> Vec<u8> {
        self.openssl(&format!("pkcs8 -topk8 -nocrypt -in {name}.key -outform DER"))
    }

    /// A certificate in DER.
    pub(crate) fn certificate(&self, name: &str) -> Vec<u8> {
        self.openssl(&format!("x509 -in {name}.pem -outform DER"))
    }

    /// A public key as SubjectPublicKeyInfo in DER.
    pub(crate) fn public(&self, name: &str) -> Vec<u8> {
        self.openssl(&format!("pkey -in {name}.key -pubout -outform DER"))
    }

    /// Runs OpenSSL in the folder; gives what it wrote.
    fn openssl(&self, arguments: &str) -> Vec<u8> {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .unwrap_or_else(|error| panic!("openssl: {error}; run tests/setup"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
        output.stdout
    }
}
