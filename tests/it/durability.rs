//! Durability: no acknowledged write is lost if the server is killed or clients disconnect.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{Server, Setup, Store, eventually_within, http_client};

on_both_stores!(a_killed_server_keeps_acknowledged_writes, disconnecting_clients_leave_no_open_transaction);

async fn stored_ids(server: &Server) -> BTreeSet<u64> {
    let products = server.get("/products").await.json();
    products.as_array().unwrap().iter().map(|product| product["id"].as_u64().unwrap()).collect()
}

async fn a_killed_server_keeps_acknowledged_writes(store: Store) {
    let server = Server::start(store).await;
    let (acknowledged, mut progress) = tokio::sync::watch::channel(BTreeSet::new());
    let acknowledged = Arc::new(acknowledged);
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (http, url, acknowledged) =
                (server.http.clone(), server.url("/products"), acknowledged.clone());
            tokio::spawn(async move {
                // The loop ends when the server is killed.
                while let Ok(response) =
                    http.post(&url).body(r#"{"name":"x","price":1,"amount":1}"#).send().await
                {
                    assert_eq!(response.status(), 201);
                    let Ok(product) = response.json::<Value>().await else { break };
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

/// Clients disconnect at any moment of a write, as in sqlx issue 4393. Later writes over the same database
/// connections must be stored.
async fn disconnecting_clients_leave_no_open_transaction(store: Store) {
    let mut setup = Setup::new(store).await;
    if store == Store::PostgreSql {
        // With this delay, most disconnects happen while a request waits for the database.
        let (proxied, proxy) = setup.through_proxy().await;
        proxy.open(Duration::from_millis(5)).await;
        setup = proxied;
    }
    let server = setup.start().await;
    let database = server.direct_connection().await;
    let product = json!({ "name": "cut", "price": 1, "amount": 1 });
    let [single, array] = [product.to_string(), Value::from(vec![product; 20]).to_string()];
    for round in 1..=5 {
        // All clients post continuously until they are aborted together.
        let (completed, mut progress) = tokio::sync::watch::channel(0);
        let completed = Arc::new(completed);
        let clients: Vec<_> = (0..16)
            .map(|client| {
                let body = if client % 2 == 0 { array.clone() } else { single.clone() };
                let request = http_client().build().unwrap().post(server.url("/products")).body(body);
                let completed = completed.clone();
                tokio::spawn(async move {
                    loop {
                        let response = request.try_clone().unwrap().send().await.unwrap();
                        assert_eq!(response.status(), 201);
                        completed.send_modify(|count| *count += 1);
                    }
                })
            })
            .collect();
        progress.wait_for(|count| *count >= 5 * round).await.unwrap();
        clients.iter().for_each(JoinHandle::abort);
        for client in clients {
            assert!(client.await.unwrap_err().is_cancelled());
        }
        assert_no_open_transaction(&database).await;
    }

    let before = stored_ids(&server).await.len();
    let create = || async {
        let response = server.post("/products", single.clone()).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.json()["id"].as_u64().unwrap()
    };
    let mut created = BTreeSet::new();
    for _ in 0..25 {
        created.extend(join_all((0..16).map(|_| create())).await);
    }
    assert_eq!(created.len(), 400);
    let stored = stored_ids(&server).await;
    assert_eq!(created.difference(&stored).collect::<Vec<_>>(), Vec::<&u64>::new());
    assert!(stored.len() >= before + 400);
}

/// Asserts that all transactions of the server end soon. An abandoned transaction would stay open until a
/// timeout of the database.
async fn assert_no_open_transaction(database: &DatabaseConnection) {
    let backend = database.get_database_backend();
    if backend == DbBackend::Sqlite {
        // SQLite allows one writer at a time, so this write succeeds only if no transaction is left open.
        database.execute_unprepared("UPDATE product_id SET last = last").await.unwrap();
        return;
    }
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'stockmeter' AND xact_start IS NOT NULL";
    let open = Statement::from_string(backend, open);
    let count = async || database.query_one_raw(open.clone()).await.unwrap().unwrap().try_get_by_index(0);
    eventually_within(Duration::from_secs(5), "all transactions end", async || count().await == Ok(0_i64))
        .await;
}
