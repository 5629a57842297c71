//! Detects HTTP/2 by its connection preface (RFC 9113 section 3.4).
//!
//! The bytes are peeked, not read. Otherwise hyper would receive them as a separate chunk. For that chunk, it
//! would allocate a buffer of twice the size and keep it until the connection closes.

use std::io;

use rustix::net::{RecvFlags, recv};
use tokio::{io::Interest, net::TcpStream};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Waits for the first bytes of a connection and returns whether they are the HTTP/2 preface.
///
/// # Errors
/// Returns an error if the connection fails.
pub async fn detect_http2(stream: &TcpStream) -> io::Result<bool> {
    loop {
        // Readiness is requested before each peek, so that bytes that arrive after the peek make the stream
        // ready again.
        let ready = stream.ready(Interest::READABLE).await?;
        let peek = || {
            let mut start = [0; PREFACE.len()];
            let (length, _) = recv(stream, &mut start, RecvFlags::PEEK)?;
            let is_incomplete = (1..PREFACE.len()).contains(&length) && PREFACE.starts_with(&start[..length]);
            if is_incomplete && !ready.is_read_closed() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(start == *PREFACE)
        };
        match stream.try_io(Interest::READABLE, peek) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}
