//! Which HTTP a client speaks: one that knows that we speak HTTP/2 begins with its preface (RFC 9113 section 3.4).
//!
//! Looked at without taking it: what is read ahead reaches hyper in two pieces, for which it keeps a buffer of twice the
//! size as long as the connection lasts.

use std::io;

use tokio::{io::Interest, net::TcpStream};

/// The preface begins with a method that HTTP/1.1 must not have (RFC 9113 section 11.6).
const START: &[u8; 4] = b"PRI ";

/// Waits for the first bytes, and tells whether they are those of HTTP/2.
///
/// # Errors
/// The connection breaks.
pub async fn is_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut start = [0; START.len()];
    loop {
        let length = stream.peek(&mut start).await?;
        if length == 0 || length == START.len() || !START.starts_with(&start[..length]) {
            return Ok(start == *START);
        }
        // Too few to tell. To have looked at all that is there makes the next look wait for more.
        let _ = stream.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}
