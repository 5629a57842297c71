//! A TCP proxy between the server and PostgreSQL. It can reject connections and delay responses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

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
    pub async fn open(self, delay: Duration) -> Network {
        let listener = self.0.listen(1024).unwrap();
        let cluster = cluster().await.port();
        let network = Network::default();
        let frozen = network.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from_client, mut to_client) = client.into_split();
                let database = TcpStream::connect(("127.0.0.1", cluster)).await.unwrap();
                let (mut from_database, mut to_database) = database.into_split();
                let accepted_at = frozen.0.load(Ordering::SeqCst);
                let (requests, responses) = (frozen.clone(), frozen.clone());
                tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
                        requests.wait_if_frozen(accepted_at).await;
                        if to_database.write_all(&buffer[..length]).await.is_err() {
                            break;
                        }
                    }
                });
                tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(length @ 1..) = from_database.read(&mut buffer).await {
                        tokio::time::sleep(delay).await;
                        responses.wait_if_frozen(accepted_at).await;
                        if to_client.write_all(&buffer[..length]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        network
    }
}

/// The connections of an open proxy. Holds the number of times that they were frozen.
#[derive(Clone, Debug, Default)]
pub struct Network(Arc<AtomicUsize>);

impl Network {
    /// Stops forwarding over the open connections, without closing them. New connections work.
    pub fn freeze(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Never returns if the connection was accepted before the network was frozen.
    async fn wait_if_frozen(&self, accepted_at: usize) {
        if self.0.load(Ordering::SeqCst) != accepted_at {
            std::future::pending::<()>().await;
        }
    }
}
