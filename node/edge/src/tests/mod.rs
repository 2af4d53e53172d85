//! An edge between devices and actors that are played here.

mod cluster;
mod frames;
mod lost;
mod play;
mod strangers;
