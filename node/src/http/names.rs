//! What names may be, beyond what the ledger's keys can take.

use super::problem::Fault;

/// A name that stands in paths: of a device, profile, or connector.
///
/// # Errors
/// A fault that names `field`.
pub(super) fn check_name(field: &str, name: &str) -> Result<(), Fault> {
    check_text(field, name, 255)?;
    // Clients resolve these two when they build a URL: nobody could ask for such a name.
    if name == "." || name == ".." {
        return Err(Fault::invalid(field, "it must not be \".\" or \"..\""));
    }
    Ok(())
}

/// A text of 1 to `limit` bytes without control characters.
///
/// # Errors
/// A fault that names `field`.
pub(super) fn check_text(field: &str, text: &str, limit: usize) -> Result<(), Fault> {
    if text.is_empty() || text.len() > limit {
        return Err(Fault::invalid(field, format_args!("it must have 1 to {limit} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::invalid(field, "it must have no control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_devices_are_called() {
        for name in ["urn:dev:1", "a/b%", "Gerät 7", &"x".repeat(255)] {
            assert_eq!(check_name("id", name), Ok(()), "{name}");
        }
    }

    #[test]
    fn refuses_what_no_path_can_hold_or_no_operator_can_see() {
        for name in ["", ".", "..", "a\nb", "\u{7f}", &"x".repeat(256)] {
            assert!(check_name("id", name).is_err(), "{name:?}");
        }
    }
}
