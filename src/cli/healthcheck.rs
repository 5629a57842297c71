//! `stockmeter healthcheck`: checks whether a running server is ready, for containers without curl.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// Timeout for connecting, and for each read.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Checks that the server that listens on `address` is ready.
///
/// # Errors
/// Returns a message if the server does not respond or is not ready.
pub fn run(mut address: SocketAddr) -> Result<(), String> {
    // Servers can listen on the unspecified address, but not all systems let clients connect to it.
    address.set_ip(match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    });
    let response = fetch(address).map_err(|error| format!("no response from {address}: {error}"))?;
    let status = response.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(format!("{address} is not ready: {status}"))
    }
}

fn fetch(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // Every listener serves this host, even if `STOCKMETER_HOSTS` does not have the address.
    write!(stream, "GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
