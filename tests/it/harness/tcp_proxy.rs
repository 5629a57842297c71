//! A TCP proxy between the server and PostgreSQL. It can reject connections and delay responses.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::{Setup, cluster};

/// A proxy to the PostgreSQL cluster. Its port is reserved, but rejects connections until [`TcpProxy::open`]
/// is called.
#[derive(Debug)]
pub struct TcpProxy(TcpSocket);

impl Setup {
    /// Routes the database connections through a new proxy. Returns the setup and the unopened proxy.
    pub async fn through_proxy(mut self) -> (Self, TcpProxy) {
        let proxy = TcpProxy::new();
        let port = cluster().await.port().to_string();
        self.database_url = self.database_url.replace(&port, &proxy.port().to_string());
        (self, proxy)
    }
}

impl TcpProxy {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self(socket)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Accepts connections and forwards them to the cluster. Delays each chunk from the cluster by `delay`.
    pub async fn open(self, delay: Duration) {
        let listener = self.0.listen(1024).unwrap();
        let cluster = cluster().await.port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from_client, mut to_client) = client.into_split();
                let database = TcpStream::connect(("127.0.0.1", cluster)).await.unwrap();
                let (mut from_database, mut to_database) = database.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_database).await });
                tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(length @ 1..) = from_database.read(&mut buffer).await {
                        tokio::time::sleep(delay).await;
                        if to_client.write_all(&buffer[..length]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
    }
}
