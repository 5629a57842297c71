//! The way between a server and its database: closed at first, and perhaps slow.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::{Setup, cluster};

/// A port where nothing listens yet, kept so that nobody else takes it.
#[derive(Debug)]
pub struct Way(TcpSocket);

impl Setup {
    /// The same database, at an address that can't be reached before the way is opened.
    pub async fn over_a_way_of_its_own(mut self) -> (Self, Way) {
        let way = Way::new();
        let port = cluster().await.port().to_string();
        self.database_url = self.database_url.replace(&port, &way.port().to_string());
        (self, way)
    }
}

impl Way {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self(socket)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// From now on what comes to the port goes to the cluster; answers take this much longer.
    pub async fn open(self, delay: Duration) {
        let listener = self.0.listen(1024).unwrap();
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
}
