//! Two ends in virtual time, and what strangers do to them.

mod bad_input;
mod client;
mod credential;
mod handshake;
mod hello;
mod lossy;
mod mutation;
mod pair;
mod records;
mod suites;
mod vectors;

/// Reads hexadecimal digits, skipping white space.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
