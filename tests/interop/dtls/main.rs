//! The DTLS engine itself against clients that are not ours, over real sockets: sessions that
//! another edge continues, and sessions that are resumed.
//!
//! OpenSSL and GnuTLS run as processes; `tests/setup` installs them, and without them these tests
//! fail. Whole nodes meet the same clients in `tests/interop/openssl`.

mod peer;
mod resumption;
mod server;
mod takeover;
