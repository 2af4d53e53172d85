//! Hellos that differ in one thing from those of our client.

use crate::wire::handshake::{self, kind};
use crate::wire::hello::ClientHello;

/// A ClientHello whose suite `from` is one that nobody knows.
pub(super) fn strip(hello: &[u8], from: &[u8; 2]) -> Vec<u8> {
    let mut hello = hello.to_vec();
    let at = hello.windows(2).rposition(|pair| pair == from).expect("it is offered");
    hello[at..at + 2].copy_from_slice(&[0x5A, 0x5A]);
    hello
}

/// A ClientHello with a server_name extension at its end.
pub(super) fn with_host_name(hello: &[u8], name: &[u8]) -> Vec<u8> {
    let (head, body) = hello.split_at(handshake::HEADER);
    let mut extension = vec![0, 0];
    extension.extend((name.len() as u16 + 5).to_be_bytes());
    extension.extend((name.len() as u16 + 3).to_be_bytes());
    extension.push(0);
    extension.extend((name.len() as u16).to_be_bytes());
    extension.extend_from_slice(name);
    let mut body = body.to_vec();
    let parsed = ClientHello::decode(&body).expect("a hello");
    let at = body.len() - parsed.raw_extensions.len();
    let length = (parsed.raw_extensions.len() - 2 + extension.len()) as u16;
    body[at..at + 2].copy_from_slice(&length.to_be_bytes());
    body.extend(extension);
    let sequence = u16::from_be_bytes([head[4], head[5]]);
    let mut message = Vec::new();
    handshake::put_message(&mut message, kind::CLIENT_HELLO, sequence, &body);
    message
}
