//! Which HTTP a client speaks: one that knows that we speak HTTP/2 begins with its preface (RFC 9113 section 3.4).
//!
//! Looked at without taking it: what is read ahead reaches hyper in two pieces, for which it keeps a buffer of twice the
//! size as long as the connection lasts.

use std::io;

use rustix::net::{RecvFlags, recv};
use tokio::{io::Interest, net::TcpStream};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Waits for the first bytes, as many as it takes to tell whether they are those of HTTP/2.
///
/// # Errors
/// The connection breaks.
pub async fn detect_http2(stream: &TcpStream) -> io::Result<bool> {
    loop {
        // Asked before each look: what comes behind it wakes us again.
        let ready = stream.ready(Interest::READABLE).await?;
        let look = || {
            let mut start = [0; PREFACE.len()];
            let (length, _) = recv(stream, &mut start, RecvFlags::PEEK)?;
            let is_too_short = (1..PREFACE.len()).contains(&length) && PREFACE.starts_with(&start[..length]);
            if is_too_short && !ready.is_read_closed() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(start == *PREFACE)
        };
        match stream.try_io(Interest::READABLE, look) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            told => return told,
        }
    }
}
