//! Looking for secrets where none may be.

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

/// The ways in which a secret may be written. Base64 depends on where it begins: of each of the
/// three alignments the digits that hold nothing else are taken.
pub fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms =
        vec![secret.to_vec(), HEXLOWER.encode(secret).into(), HEXUPPER.encode(secret).into()];
    for skip in 0..3 {
        let whole = &secret[skip..skip + (secret.len() - skip) / 3 * 3];
        forms.push(BASE64.encode(whole).into());
        forms.push(BASE64URL.encode(whole).into());
    }
    let list: Vec<String> = secret.iter().map(u8::to_string).collect();
    forms.push(list.join(", ").into());
    forms.push(list.join(",").into());
    forms
}

/// Whether `what` stands in `bytes`.
pub fn find(bytes: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(bytes, what).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANTED: [u8; 16] = *b"\xc1planted-key-01\xf0";

    #[test]
    fn the_search_finds_a_secret_in_each_form() {
        for form in forms(&PLANTED) {
            let page = [b"before ", form.as_slice(), b" behind"].concat();
            assert!(forms(&PLANTED).iter().any(|form| find(&page, form)));
        }
        for shift in 0..3 {
            let text = BASE64.encode(&[&b"xyz"[..shift], &PLANTED[..], b"tail"].concat());
            assert!(forms(&PLANTED).iter().any(|form| find(text.as_bytes(), form)), "{shift}");
        }
    }
}
