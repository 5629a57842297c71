//! The way between a server and its database: a forwarder that can be late, and slow.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{Setup, cluster};

impl Setup {
    /// The same database, but at an address where nothing listens yet.
    pub async fn at_a_port_of_its_own(mut self) -> (Self, u16) {
        let port = super::free_port();
        self.database_url = self.database_url.replace(&cluster().await.port().to_string(), &port.to_string());
        (self, port)
    }
}

/// Forwards what comes to the port to the cluster; answers take this much longer.
pub async fn forward(port: u16, delay: Duration) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let cluster = cluster().await.port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let (mut from_near, mut to_near) = near.into_split();
            let far = TcpStream::connect(("127.0.0.1", cluster)).await.unwrap();
            let (mut from_far, mut to_far) = far.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_near, &mut to_far).await });
            tokio::spawn(async move {
                let mut answer = vec![0; 1 << 16];
                while let Ok(length @ 1..) = from_far.read(&mut answer).await {
                    tokio::time::sleep(delay).await;
                    if to_near.write_all(&answer[..length]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
}
