use super::*;
use crate::crypto::SystemCrypto;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn crypto() -> Arc<dyn Crypto> {
    Arc::new(SystemCrypto)
}

fn write(path: &Path, bytes: &[u8], mode: u32) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn root() -> RootKey {
    RootKey::new([7; 32])
}

#[test]
fn a_file_is_made_once_and_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kek");

    files::make(&path, &SystemCrypto).unwrap();
    let made = Files::of_file(path.clone(), crypto());
    let wrapping = made.wrap(&made.kek().unwrap(), 1, &root()).unwrap();
    files::make(&path, &SystemCrypto).unwrap();
    let found = Files::of_file(path, crypto());

    assert_eq!(made.kek().unwrap(), found.kek().unwrap());
    assert!(found.has(&wrapping.kek));
    assert_eq!(found.unwrap(1, &wrapping).unwrap().expose_bytes(), root().expose_bytes());
    assert!(matches!(found.unwrap(2, &wrapping), Err(KekError::DoesNotOpen { .. })));
}

#[test]
fn refuses_a_key_that_is_cut_or_too_long_or_that_others_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kek");
    for length in [KEY - 1, KEY + 1] {
        write(&path, &vec![0; length], 0o600);
        let refused = Files::of_file(path.clone(), crypto()).kek();
        assert!(matches!(refused, Err(KekError::Length { .. })), "{length}");
    }
    write(&path, &[0; KEY], 0o640);
    assert!(matches!(Files::of_file(path.clone(), crypto()).kek(), Err(KekError::File(_))));
    std::fs::remove_file(&path).unwrap();
    let missing = Files::of_file(path, crypto());
    assert!(matches!(missing.kek(), Err(KekError::Missing { .. })));
    assert!(!missing.has("file:0"));
}

#[test]
fn a_file_that_comes_later_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kek");
    let files = Files::of_file(path.clone(), crypto());
    assert!(files.kek().is_err());

    write(&path, &[1; KEY], 0o600);

    assert!(files.kek().is_ok());
}

/// As the kubelet mounts a secret: the names lead by a link to a folder that is exchanged whole.
fn mount(folder: &Path, name: &str, keks: &[(&str, u8)]) {
    let of_version = folder.join(name);
    std::fs::create_dir(&of_version).unwrap();
    for (key, byte) in keks {
        write(&of_version.join(key), &[*byte; KEY], 0o440);
        let _ = symlink(Path::new("..data").join(key), folder.join(key));
    }
    let data = folder.join("..data");
    let _ = std::fs::remove_file(&data);
    symlink(name, data).unwrap();
}

#[test]
fn in_a_folder_the_highest_number_wraps_and_all_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    mount(path, "..one", &[("kek-9", 9), ("other", 1)]);
    let files = Files::of_folder(path.to_owned(), crypto());
    let old = files.wrap(&files.kek().unwrap(), 1, &root()).unwrap();

    mount(path, "..two", &[("kek-9", 9), ("kek-10", 10)]);
    assert_eq!(files.kek().unwrap(), old.kek, "it is read again when it is told to");
    files.reload().unwrap();

    let new = files.wrap(&files.kek().unwrap(), 1, &root()).unwrap();
    assert_ne!(new.kek, old.kek);
    for wrapping in [&old, &new] {
        assert_eq!(files.unwrap(1, wrapping).unwrap().expose_bytes(), &[7; 32]);
    }
    // The same key in a file of its own is the same KEK.
    let alone = path.join("kek");
    write(&alone, &[9; KEY], 0o600);
    assert_eq!(Files::of_file(alone, crypto()).kek().unwrap(), old.kek);
}

#[test]
fn a_folder_that_is_empty_or_open_to_all_says_so_and_what_was_read_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let files = Files::of_folder(path.clone(), crypto());
    assert!(matches!(files.kek(), Err(KekError::Empty { .. })));
    write(&path.join("kek-1"), &[1; KEY], 0o440);
    let name = files.kek().unwrap();

    write(&path.join("kek-2"), &[2; KEY], 0o444);

    assert!(matches!(files.reload(), Err(KekError::File(_))));
    assert_eq!(files.kek().unwrap(), name);
}
