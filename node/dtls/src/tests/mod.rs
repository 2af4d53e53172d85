//! Two ends in virtual time, and what strangers do to them.

mod altered;
mod attack_table;
mod attacks;
mod bad_input;
mod client;
mod credential;
mod dice;
mod fuzz;
mod handshake;
mod hello;
mod keys;
mod limits;
mod lossy;
mod mutation;
mod numbering;
mod pair;
mod records;
mod resumption;
mod resumption_loss;
mod rrc;
mod state_machine;
mod state_machine_client;
mod suites;
mod takeover;
mod toy;
mod vectors;

/// A number of rounds, the second if the tests are to be long (`just long`).
pub(crate) fn rounds(short: u32, long: u32) -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one setting of tests, and none of the engine"
    )]
    let wanted = std::env::var_os("CLAVIGER_LONG");
    if wanted.is_some() { long } else { short }
}

/// Reads hexadecimal digits, skipping white space.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
