//! What was acknowledged is there, whatever happens to the server or its clients.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Server, Store};

on_both_stores!(a_killed_server_keeps_what_it_acknowledged, clients_that_hang_up_leave_nothing_behind);

async fn stored_ids(server: &Server) -> BTreeSet<u64> {
    let products = server.get("/products").await.json();
    products.as_array().unwrap().iter().map(|product| product["id"].as_u64().unwrap()).collect()
}

async fn a_killed_server_keeps_what_it_acknowledged(store: Store) {
    let server = Server::start(store).await;
    let (acknowledged, mut progress) = tokio::sync::watch::channel(BTreeSet::new());
    let acknowledged = Arc::new(acknowledged);
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (http, url, acknowledged) =
                (server.http.clone(), server.url("/products"), acknowledged.clone());
            tokio::spawn(async move {
                // Until the server is gone.
                while let Ok(answer) =
                    http.post(&url).body(r#"{"name":"x","price":1,"amount":1}"#).send().await
                {
                    assert_eq!(answer.status(), 201);
                    let Ok(product) = answer.json::<Value>().await else { break };
                    acknowledged.send_modify(|ids| {
                        assert!(ids.insert(product["id"].as_u64().unwrap()));
                    });
                }
            })
        })
        .collect();
    progress.wait_for(|ids| ids.len() >= 500).await.unwrap();
    let server = server.kill_and_restart().await;
    for client in join_all(clients).await {
        client.unwrap();
    }
    let lost: Vec<_> = progress.borrow().difference(&stored_ids(&server).await).copied().collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

/// The way of sqlx's issue 4393: requests cut off at every moment of a write, then writes on the same
/// connections, each of which must be there.
async fn clients_that_hang_up_leave_nothing_behind(store: Store) {
    let server = Server::start(store).await;
    let product = json!({ "name": "cut", "price": 1, "amount": 1 });
    let array = Value::from(vec![product.clone(); 1000]).to_string();
    let single = product.to_string();
    for round in 0..10 {
        let cut = |body: &str| {
            let request =
                format!("POST /products HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let address = server.address.clone();
            async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                // Gone at once, or when the first of them is answered.
                stream
            }
        };
        let mut waiting = join_all((0..16).map(|n| cut(if n % 2 == 0 { &array } else { &single }))).await;
        if round % 2 == 0 {
            waiting[round].read_u8().await.unwrap();
        }
        drop(waiting);
    }

    let before = stored_ids(&server).await.len();
    let create = || async {
        let answer = server.post("/products", single.clone()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_u64().unwrap()
    };
    let mut created = BTreeSet::new();
    for _ in 0..25 {
        created.extend(join_all((0..16).map(|_| create())).await);
    }
    assert_eq!(created.len(), 400);
    let stored = stored_ids(&server).await;
    assert_eq!(created.difference(&stored).collect::<Vec<_>>(), Vec::<&u64>::new());
    assert!(stored.len() >= before + 400);
    assert_nobody_is_in_a_transaction(&server).await;
}

async fn assert_nobody_is_in_a_transaction(server: &Server) {
    let database = server.behind_the_back().await;
    let backend = database.get_database_backend();
    if backend == sea_orm::DbBackend::Sqlite {
        // A second writer gets in at once: nobody holds the file.
        database.execute_unprepared("PRAGMA busy_timeout = 0").await.unwrap();
        database.execute_unprepared("UPDATE product_id SET last = last").await.unwrap();
        return;
    }
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'stockmeter' AND xact_start IS NOT NULL";
    let row = database.query_one_raw(Statement::from_string(backend, open)).await.unwrap().unwrap();
    assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 0);
}
