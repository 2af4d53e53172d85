//! An edge between devices and actors that are played here.

mod frames;
mod play;
mod strangers;
