//! Where a webhook may be sent.

use core::net::IpAddr;
use reqwest::Url;

/// Checks a webhook's URL: `https`, or `http` where it does not leave the machine.
///
/// # Errors
/// The rule that it breaks.
pub fn check_url(url: &str) -> Result<(), &'static str> {
    if url.len() > 2048 {
        return Err("it must have at most 2048 bytes");
    }
    let url = Url::parse(url).map_err(|_| "it must be a URL")?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err("it must be https, because it carries keys; http is for loopback only");
        }
        _ => return Err("it must be an https URL"),
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("it must have no user, password or fragment; messages are signed instead");
    }
    Ok(())
}

/// True if the URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_and_loopback() {
        let urls =
            ["https://a.example/x?y", "http://127.0.0.1:1/", "http://[::1]/", "http://localhost"];
        for url in urls {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn refuses_what_would_carry_keys_in_the_clear_or_show_a_password() {
        let urls = [
            "http://a.example/",
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "ftp://127.0.0.1/",
            "https://user:password@a.example/",
            "https://a.example/#x",
            "a.example",
            "",
        ];
        for url in urls {
            assert!(check_url(url).is_err(), "{url}");
        }
    }
}
