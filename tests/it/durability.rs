//! Durability: no acknowledged write is lost if the server is killed or clients disconnect.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{Cluster, Server, Setup, Store, eventually, eventually_within, http_client};

on_both_stores!(
    a_killed_server_keeps_acknowledged_writes,
    a_killed_server_applies_each_change_once,
    disconnecting_clients_leave_no_open_transaction,
);

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
                    http.post(&url).json(&json!({ "name": "x", "price": 1, "amount": 1 })).send().await
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

/// Amounts that a product may have, as its only client knows: the one after the last acknowledged change, and
/// the one after a change whose response did not arrive. The amount of a deleted product is `None`.
type PossibleAmounts = Vec<Option<i64>>;

/// Changes one product with all kinds of writes until the server is gone. Returns its possible amounts.
async fn change_until_killed(
    http: reqwest::Client,
    url: String,
    id: usize,
    changes: Arc<AtomicUsize>,
) -> PossibleAmounts {
    let mut possible = vec![Some(0)];
    for round in 1.. {
        let product = format!("{url}/{id}");
        let (request, after) = match (round % 5, possible[0]) {
            (_, None) => (
                http.post(&url).json(&json!({ "id": id, "name": "x", "price": 1, "amount": round })),
                Some(round),
            ),
            (0, _) => {
                (http.put(&product).json(&json!({ "name": "y", "price": 2, "amount": round })), Some(round))
            }
            (1, _) => (http.patch(&product).json(&json!({ "amount": round })), Some(round)),
            (4, _) if round % 3 == 0 => (http.delete(&product), None),
            (_, Some(amount)) => {
                (http.post(format!("{product}/stock")).json(&json!({ "delta": 3 })), Some(amount + 3))
            }
        };
        possible.push(after);
        let Ok(response) = request.send().await else { break };
        if response.status() == 503 {
            break;
        }
        assert!(response.status().is_success(), "{response:?}");
        let Ok(_) = response.bytes().await else { break };
        possible = vec![after];
        changes.fetch_add(1, Ordering::Relaxed);
    }
    possible
}

/// Starts a client per product, calls `kill` in the middle of the changes, and compares what is stored with
/// what each client knows.
async fn assert_changes_survive(server: Server, kill: impl AsyncFnOnce(Server) -> Server) {
    let products: Vec<Value> =
        (1..=24).map(|id| json!({ "id": id, "name": "x", "price": 1, "amount": 0 })).collect();
    assert_eq!(server.post("/products", Value::from(products).to_string()).await.status, 201);
    let changes = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (1..=24)
        .map(|id| {
            let (http, url) = (http_client().build().unwrap(), server.url("/products"));
            tokio::spawn(change_until_killed(http, url, id, changes.clone()))
        })
        .collect();
    eventually("the clients are at work", async || changes.load(Ordering::Relaxed) >= 600).await;
    let server = kill(server).await;
    for (id, client) in (1..).zip(join_all(clients).await) {
        let possible = client.unwrap();
        let path = format!("/products/{id}");
        // Reads fail while the server still replaces its connections.
        let mut stored = server.get(&path).await;
        while stored.status == 503 {
            stored = server.get(&path).await;
        }
        let amount = (stored.status == 200).then(|| stored.json()["amount"].as_i64().unwrap());
        assert!(possible.contains(&amount), "{id}: {amount:?}, {possible:?}");
    }
}

async fn a_killed_server_applies_each_change_once(store: Store) {
    assert_changes_survive(Server::start(store).await, Server::kill_and_restart).await;
}

/// After the loss of one of its processes, PostgreSQL ends all connections and recovers from its log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_applies_each_change_once() {
    let cluster = Cluster::start().await;
    let mut setup = Setup::new(Store::PostgreSql).await;
    setup.database_url = cluster.url(&cluster.new_database().await);
    let admin = cluster.connect("postgres").await;
    assert_changes_survive(setup.start().await, async |server| {
        let pid =
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'stockmeter' AND state <> 'idle'";
        let select = Statement::from_string(DbBackend::Postgres, pid);
        let pid = loop {
            // The server is idle for moments.
            if let Some(row) = admin.query_one_raw(select.clone()).await.unwrap() {
                break row.try_get_by_index::<i32>(0).unwrap();
            }
        };
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        eventually("the database has recovered", async || server.get("/products/1").await.status != 503)
            .await;
        server
    })
    .await;
}

/// SQLite's file alone holds everything after an orderly stop, so that it can be copied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_leaves_only_the_database_file() {
    for round in 0..4 {
        let mut server = Server::start(Store::Sqlite).await;
        let work = join_all((0..40).map(async |client: i32| {
            let product = json!({ "name": "x", "price": 1, "amount": client }).to_string();
            assert_eq!(server.post("/products", product).await.status, 201);
            server.get(if client % 2 == 0 { "/products" } else { "/products?name=contains.x&limit=5" }).await;
        }));
        if round > 0 {
            work.await;
        } else {
            drop(work);
        }
        server.signal(Signal::TERM);
        assert!(server.wait_for_exit().await.success());
        let files = std::fs::read_dir(server.setup.folder.path()).unwrap();
        let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names, ["stockmeter.db"]);
        let copy = Setup::new(Store::Sqlite).await;
        std::fs::copy(server.setup.file(), copy.file()).unwrap();
        let products = copy.start().await.get("/products").await.json();
        assert_eq!(products.as_array().unwrap().len(), if round > 0 { 40 } else { 0 });
    }
}

/// Clients disconnect at any moment of a write, as in sqlx issue 4393. Later writes over the same database
/// connections must be stored.
async fn disconnecting_clients_leave_no_open_transaction(store: Store) {
    let mut setup = Setup::new(store).await;
    if store == Store::PostgreSql {
        // With this delay, most disconnects happen while a request waits for the database.
        let (proxied, proxy) = setup.through_proxy().await;
        let _network = proxy.open(Duration::from_millis(5)).await;
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
                let request = http_client()
                    .build()
                    .unwrap()
                    .post(server.url("/products"))
                    .header("content-type", "application/json")
                    .body(body);
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
