//! Writes that share a transaction: each has its own result, and no other write waits for one.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::harness::{Response, Server, Setup, Store, TIMEOUT};

on_both_stores!(
    each_write_of_a_batch_has_its_own_result,
    each_adjustment_of_a_batch_is_published,
    the_change_log_is_the_same_with_a_trigger_of_another_program,
    a_read_returns_every_acknowledged_write,
);

fn product(id: i64, amount: i64) -> Value {
    json!({ "id": id, "name": "a", "price": 1, "amount": amount })
}

async fn create(server: &Server, ids: impl Iterator<Item = i64>) {
    let products: Vec<Value> = ids.map(|id| product(id, 100)).collect();
    assert_eq!(server.post("/products", Value::from(products).to_string()).await.status, 201);
}

async fn adjust(server: &Server, id: i64, delta: i64) -> Response {
    server.post(&format!("/products/{id}/stock"), json!({ "delta": delta }).to_string()).await
}

/// Sends writes of all kinds at the same time, some of which fail. The writes of each product are known, so
/// each response is known, too.
async fn each_write_of_a_batch_has_its_own_result(store: Store) {
    let server = Server::start(store).await;
    create(&server, 1..=80).await;
    let stale = r#""0123456789abcdef""#;
    let body = r#"{"name":"b","price":2.5,"amount":7}"#;
    let write = async |id: i64| {
        let path = format!("/products/{id}");
        match id % 10 {
            0 => server
                .put(&path, body)
                .await
                .is(200, &format!(r#"{{"id":{id},"name":"b","price":2.5,"amount":7}}"#)),
            1 => server
                .patch(&path, r#"{"name":"c"}"#)
                .await
                .is(200, &format!(r#"{{"id":{id},"name":"c","price":1.0,"amount":100}}"#)),
            2 => adjust(&server, id, -100)
                .await
                .is(200, &format!(r#"{{"id":{id},"name":"a","price":1.0,"amount":0}}"#)),
            3 => adjust(&server, id, -101).await.is_problem(409, "INSUFFICIENT_STOCK", &[]),
            4 => server.delete(&path).await.is(204, ""),
            5 => {
                let request = server
                    .http
                    .put(server.url(&path))
                    .header("if-match", stale)
                    .header("content-type", "application/json")
                    .body(body);
                assert_eq!(request.send().await.unwrap().status(), 412);
            }
            6 => {
                server.put(&format!("/products/{}", id + 1000), body).await.is_problem(404, "NOT_FOUND", &[]);
            }
            7 => server.post("/products", product(id, 1).to_string()).await.is_problem(
                409,
                "DUPLICATE_ID",
                &["/id"],
            ),
            8 => {
                let request =
                    server.http.post(server.url("/products")).header("prefer", "resolution=merge-duplicates");
                let response = request.json(&product(id, 5)).send().await.unwrap();
                assert_eq!(response.status(), 200);
                assert_eq!(response.json::<Value>().await.unwrap()["amount"], 5);
            }
            _ => {
                let delete = format!(
                    "mutation {{ deleteProduct(id: {id}, expectedVersion: \"0123456789abcdef\") {{ id }} }}"
                );
                let response = server.graphql(&delete, json!({})).await;
                assert_eq!(response["errors"][0]["extensions"]["code"], "VERSION_MISMATCH");
            }
        }
    };
    join_all((1..=80).map(write)).await;
    let deleted = (1..=80).filter(|id| id % 10 == 4).count();
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 80 - deleted);
}

/// Many adjustments of one product share an update, but each is a change with its own version.
async fn each_adjustment_of_a_batch_is_published(store: Store) {
    let server = Server::start(store).await;
    create(&server, 1..=1).await;
    let mut events = server.follow("", "").await;
    let responses =
        join_all((0..100).map(|round| adjust(&server, 1, if round % 2 == 0 { 1 } else { -1 }))).await;
    let versions: BTreeSet<String> =
        responses.iter().map(|response| response.header("etag").trim_matches('"').to_owned()).collect();
    assert_eq!(versions.len(), 100);
    for version in versions {
        let event = events.next().await.unwrap();
        assert_eq!((event.kind.as_str(), &event.data["version"]), ("stock_moved", &json!(version)));
    }
}

/// With a trigger of another program, SQLite's triggers write the change log instead of the server.
async fn the_change_log_is_the_same_with_a_trigger_of_another_program(store: Store) {
    let trigger = match store {
        Store::Sqlite => "CREATE TRIGGER other AFTER UPDATE ON product BEGIN SELECT 1; END",
        Store::PostgreSql => {
            "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER other BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION other()"
        }
    };
    let mut logs = Vec::new();
    for has_trigger in [false, true] {
        let server = Server::start(store).await;
        if has_trigger {
            server.direct_connection().await.execute_unprepared(trigger).await.unwrap();
        }
        let mut events = server.follow("", "").await;
        create(&server, 1..=3).await;
        server.put("/products/1", r#"{"name":"b","price":1,"amount":100}"#).await;
        server.put("/products/1", r#"{"name":"b","price":1,"amount":99}"#).await;
        server.put("/products/1", r#"{"name":"b","price":1,"amount":99}"#).await;
        server.patch("/products/2", r#"{"price":3}"#).await;
        server.patch("/products/2", "{}").await;
        adjust(&server, 3, -7).await;
        let merge = server.http.post(server.url("/products")).header("prefer", "resolution=merge-duplicates");
        merge.json(&json!([product(3, 1), product(4, 1)])).send().await.unwrap();
        let array = json!([product(1, 5), product(4, 6)]);
        server.http.put(server.url("/products")).json(&array).send().await.unwrap();
        server.delete("/products/2").await;
        server.delete("/products?id=gte.3").await;
        let mut log = Vec::new();
        while log.len() < 14 {
            let event = events.next().await.unwrap();
            log.push((event.kind, event.data["id"].as_i64().unwrap()));
        }
        logs.push(log);
    }
    assert_eq!(logs[0], logs[1]);
}

/// Reads on any connection return at least what was acknowledged before they were sent.
async fn a_read_returns_every_acknowledged_write(store: Store) {
    let server = Server::start(store).await;
    create(&server, 1..=4).await;
    let acknowledged: Vec<AtomicI64> = (0..4).map(|_| AtomicI64::new(100)).collect();
    let write = async |client: usize| {
        let id = client % 4;
        for _ in 0..30 {
            let response = adjust(&server, i64::try_from(id).unwrap() + 1, 1).await;
            acknowledged[id].fetch_max(response.json()["amount"].as_i64().unwrap(), Ordering::SeqCst);
        }
    };
    let read = async |client: usize| {
        let id = client % 4;
        let mut last = 0;
        for round in 0..30 {
            let before = acknowledged[id].load(Ordering::SeqCst);
            let amount = match round % 3 {
                0 => server.get(&format!("/products/{}", id + 1)).await.json()["amount"].as_i64(),
                1 => server.get(&format!("/products?limit=1&id=eq.{}", id + 1)).await.json()[0]["amount"]
                    .as_i64(),
                _ => {
                    let query = format!("{{ product(id: {}) {{ amount }} }}", id + 1);
                    server.graphql(&query, json!({})).await["data"]["product"]["amount"].as_i64()
                }
            };
            let amount = amount.unwrap();
            assert!(amount >= before && amount >= last, "{amount} after {before} and {last}");
            last = amount;
        }
    };
    tokio::join!(join_all((0..16).map(write)), join_all((0..16).map(read)));
    for acknowledged in acknowledged {
        assert_eq!(acknowledged.into_inner(), 100 + 4 * 30);
    }
}

/// Three servers change one product in the same database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adjustments_through_several_servers_add_up() {
    let setup = Setup::new(Store::PostgreSql).await;
    let servers = join_all((0..3).map(|_| setup.clone().start())).await;
    create(&servers[0], 1..=1).await;
    let client = async |client: usize| {
        let mut applied = 0;
        for round in 0..15 {
            let delta = if (client + round).is_multiple_of(3) { 7 } else { -5 };
            let response = adjust(&servers[client % 3], 1, delta).await;
            match response.status {
                200 => {
                    assert!(response.json()["amount"].as_i64().unwrap() >= 0);
                    applied += delta;
                }
                409 => {}
                _ => panic!("{response:?}"),
            }
        }
        applied
    };
    let applied: i64 = join_all((0..64).map(client)).await.into_iter().sum();
    for server in &servers {
        assert_eq!(server.get("/products/1").await.json()["amount"], 100 + applied);
    }
}

/// Another program has locked some rows. Only writes to these products wait, more of them than the pool has
/// connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_delays_no_other_product() {
    for connections in [4, 8] {
        let setup = Setup::new(Store::PostgreSql).await;
        let setup = setup.with("STOCKMETER_DATABASE_CONNECTIONS", connections);
        check_locked_rows(&setup.start().await).await;
    }
}

async fn check_locked_rows(server: &Server) {
    create(server, 1..=40).await;
    let holder = server.direct_connection().await.begin().await.unwrap();
    holder.execute_unprepared("UPDATE product SET amount = 50 WHERE id <= 12").await.unwrap();
    let waiting = join_all((0..48).map(|client| adjust(server, client % 12 + 1, 1)));
    let others = async {
        for _ in 0..5 {
            let responses = join_all((13..=40).map(|id| adjust(server, id, 1))).await;
            assert!(responses.iter().all(|response| response.status == 200), "{responses:?}");
        }
        holder.commit().await.unwrap();
    };
    let both = async { tokio::join!(waiting, others) };
    let (responses, ()) = tokio::time::timeout(TIMEOUT, both).await.expect("no other product waits");
    assert!(responses.iter().all(|response| response.status == 200), "{responses:?}");
    for id in 1..=12 {
        assert_eq!(server.get(&format!("/products/{id}")).await.json()["amount"], 54);
    }
}

/// On SQLite, an import holds the only write lock. Other writes wait for it, longer than for a connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_wait_for_an_import() {
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_DATABASE_ACQUIRE_TIMEOUT", "1ms");
    let server = setup.start().await;
    create(&server, 1..=4).await;
    let rows: String = (10..30_000).map(|id| format!("{id},x,1,1\r\n")).collect();
    let csv = format!("id,name,price,amount\r\n{rows}");
    let import =
        server.http.post(server.url("/products")).header("content-type", "text/csv").body(csv).send();
    let imported = AtomicI64::new(0);
    let import = async {
        assert_eq!(import.await.unwrap().status(), 201);
        imported.store(1, Ordering::SeqCst);
    };
    let writes = async {
        let mut longest = Duration::ZERO;
        while imported.load(Ordering::SeqCst) == 0 {
            let start = Instant::now();
            let responses = join_all((1..=4).map(|id| adjust(&server, id, 1))).await;
            longest = longest.max(start.elapsed());
            assert!(responses.iter().all(|response| response.status == 200), "{responses:?}");
        }
        longest
    };
    let ((), longest) = tokio::join!(import, writes);
    assert!(longest > Duration::from_millis(50), "no write waited for the import: {longest:?}");
}
