//! The server's side of one listener: cookies, half-open handshakes, sessions.

mod client_flight;
mod endpoint;
mod half_open;
mod hello;
mod limits;
mod output;
mod pending;
mod record;
mod restore;
mod resuming;
mod resumption;
mod session;
mod spare;

pub use endpoint::{Endpoint, EndpointConfig};
pub use limits::PrefixLimits;
pub use output::{
    CallId, Claim, Content, FailureReason, HandshakeEvent, OpenCall, Opened, Output, Record,
    Refusal, ResumptionStep, SealError, SessionCall, SignCall,
};
pub use resumption::NotResumed;
pub use session::SessionName;
