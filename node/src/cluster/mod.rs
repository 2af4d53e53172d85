//! How the nodes of a cluster work together: edges with the leader, whichever node that is.
//!
//! [`certificate`] is how an edge comes to belong to it. [`hub`] is the leader's side and [`uplink`] the edge's; [`serve`] joins the two where a stream
//! between nodes lies between them, and [`way`] says what passes.

pub mod certificate;
pub mod hub;
pub mod link;
pub mod operator;
mod serve;
#[cfg(test)]
mod tests;
pub mod uplink;
pub mod way;
