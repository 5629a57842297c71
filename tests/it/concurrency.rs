//! Concurrent clients: no lost write, no duplicate id, no internal error.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::harness::{NORTHWIND, Server, Store, TIMEOUT};

on_both_stores!(
    only_one_of_many_creates_gets_an_id,
    generated_ids_never_clash_with_client_ids,
    arrays_in_opposite_orders_do_not_deadlock,
    concurrent_arrays_succeed_or_fail_independently,
    repeated_creates_and_deletes_cause_no_internal_error,
    bulk_deletes_and_upserts_do_not_deadlock,
    concurrent_page_requests_are_not_mixed_up,
);

async fn only_one_of_many_creates_gets_an_id(store: Store) {
    let server = Server::start(store).await;
    for id in 1..=10 {
        let create = |name: usize| {
            server.post(
                "/products",
                json!({ "id": id, "name": name.to_string(), "price": 1, "amount": 1 }).to_string(),
            )
        };
        let mut statuses = BTreeMap::new();
        for response in join_all((0..16).map(create)).await {
            *statuses.entry(response.status).or_insert(0) += 1;
        }
        assert_eq!(statuses, BTreeMap::from([(201, 1), (409, 15)]));
    }
}

async fn generated_ids_never_clash_with_client_ids(store: Store) {
    let server = Server::start(store).await;
    let create = async |client: usize| {
        let mut ids = Vec::new();
        for round in 0..20 {
            // The client chooses ids slightly above the generated ids.
            let client_id = client.is_multiple_of(2).then_some(client * 7 + round * 40 + 1);
            let response = server
                .post(
                    "/products",
                    json!({ "id": client_id, "name": "x", "price": 1, "amount": 1 }).to_string(),
                )
                .await;
            match response.status {
                201 => ids.push(response.json()["id"].as_u64().unwrap()),
                409 => assert!(client_id.is_some(), "a generated id was taken: {response:?}"),
                _ => panic!("{response:?}"),
            }
        }
        ids
    };
    let created: Vec<u64> = join_all((0..16).map(create)).await.concat();
    let distinct: BTreeSet<u64> = created.iter().copied().collect();
    assert_eq!(distinct.len(), created.len());
    let listed = server.get("/products").await.json();
    let listed = listed.as_array().unwrap().iter().map(|product| product["id"].as_u64().unwrap());
    assert_eq!(listed.collect::<BTreeSet<_>>(), distinct);
}

async fn arrays_in_opposite_orders_do_not_deadlock(store: Store) {
    let server = Server::start(store).await;
    for round in 0..5 {
        let ids: Vec<u64> = (1..=200).map(|n| round * 1000 + n).collect();
        let array = |reverse: bool| {
            let products = ids.iter().map(|id| json!({ "id": id, "name": "x", "price": 1, "amount": 1 }));
            let products: Vec<Value> = if reverse { products.rev().collect() } else { products.collect() };
            server.post("/products", Value::from(products).to_string())
        };
        let mut statuses: Vec<u16> = join_all((0..4).map(|n| array(n % 2 == 0)))
            .await
            .iter()
            .map(|response| response.status)
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409]);
    }
}

async fn concurrent_arrays_succeed_or_fail_independently(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"x","price":1,"amount":1}"#).await;
    let product = |id: usize| json!({ "id": id, "name": format!("n {id}"), "price": 1.5, "amount": 1 });
    let is_duplicate = |n: usize| n.is_multiple_of(4);
    for round in 1..=5 {
        let array = |n: usize| {
            let first = round * 1000 + n * 10;
            json!([product(first + 1), product(if is_duplicate(n) { 1 } else { first }), product(first + 2)])
        };
        let post = |n| server.post("/products", array(n).to_string());
        for (n, response) in join_all((0..16).map(post)).await.into_iter().enumerate() {
            if is_duplicate(n) {
                response.is_problem(409, "DUPLICATE_ID", &["/1/id"]);
            } else {
                assert_eq!((response.status, response.json()), (201, array(n)));
            }
        }
    }
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 1 + 5 * 12 * 3);
}

async fn repeated_creates_and_deletes_cause_no_internal_error(store: Store) {
    let server = Server::start(store).await;
    let product = r#"{"name":"x","price":1,"amount":1}"#;
    let client = async |client: usize| {
        for round in 0..30 {
            let json =
                |method| server.request(method, "/products/9").header("content-type", "application/json");
            let request = match (client + round) % 4 {
                0 => json("PUT").header("if-none-match", "*").body(product),
                1 => json("PUT").body(product),
                2 => json("PATCH").body(r#"{"amount":2}"#),
                _ => server.request("DELETE", "/products/9"),
            };
            let response = server.send(request).await;
            assert!([200, 201, 204, 404, 412].contains(&response.status), "{response:?}");
        }
    };
    join_all((0..16).map(client)).await;
}

async fn bulk_deletes_and_upserts_do_not_deadlock(store: Store) {
    let server = Server::start(store).await;
    let ids: Vec<String> = (1..=200).rev().map(|id: u32| id.to_string()).collect();
    let products: Value =
        (1..=200).map(|id| json!({ "id": id, "name": "x", "price": 1, "amount": 1 })).collect();
    let client = async |client: usize| {
        for _ in 0..5 {
            let response = if client.is_multiple_of(2) {
                server.delete(&format!("/products?id=in.{}", ids.join(","))).await
            } else {
                let merge =
                    server.request("POST", "/products").header("prefer", "resolution=merge-duplicates");
                server.send(merge.header("content-type", "application/json").body(products.to_string())).await
            };
            assert_eq!(response.status, 200, "{response:?}");
        }
    };
    join_all((0..8).map(client)).await;
}

/// The last page by ascending id and the first page by descending id have the same rows, in different order.
async fn concurrent_page_requests_are_not_mixed_up(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", NORTHWIND).await;
    let page = "nodes { id } pageInfo { hasNextPage hasPreviousPage }";
    let both = format!(
        "{{ last: products(last: 3) {{ {page} }}
            first: products(first: 3, orderBy: [{{ field: ID, direction: DESC }}]) {{ {page} }} }}"
    );
    let ids = |page: &Value| -> Vec<String> {
        page["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
    };
    for _ in 0..10 {
        let data = &server.graphql(&both, json!({})).await["data"];
        assert_eq!(
            (ids(&data["last"]), ids(&data["first"])),
            (["75", "76", "77"].map(str::to_owned).to_vec(), ["77", "76", "75"].map(str::to_owned).to_vec())
        );
        assert_eq!(data["last"]["pageInfo"], json!({ "hasNextPage": false, "hasPreviousPage": true }));
        assert_eq!(data["first"]["pageInfo"], json!({ "hasNextPage": true, "hasPreviousPage": false }));
    }
}

/// An open transaction has inserted some ids. Only requests for these ids wait for the transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_that_wait_for_an_id_do_not_delay_others() {
    let server = Server::start(Store::PostgreSql).await;
    // This product advances the id counter beyond the ids of the transaction.
    server.post("/products", r#"{"id":10,"name":"x","price":1,"amount":1}"#).await;
    let holder = server.direct_connection().await.begin().await.unwrap();
    let hold = "INSERT INTO product (id, name, price, amount) SELECT id, 'held', 1, 1 FROM generate_series(1, 4) AS id";
    holder.execute_unprepared(hold).await.unwrap();
    let create = |id: Option<i64>| {
        server.post("/products", json!({ "id": id, "name": "x", "price": 1, "amount": 1 }).to_string())
    };
    let (mut ids, mut waiting) = (BTreeSet::new(), FuturesUnordered::new());
    let scenario = async {
        for held in 1..=4 {
            // Ids of 2^52 and above are never generated.
            let other = |n: i64| create((n % 2 == 0).then_some((1 << 52) + held * 1000 + n));
            waiting.push(create(Some(held)));
            let responses = tokio::select! {
                responses = join_all((0..20).map(other)) => responses,
                early = waiting.select_next_some() => panic!("response while the id is held: {early:?}"),
            };
            assert!(responses.iter().all(|response| response.status == 201), "{responses:?}");
            ids.extend(responses.iter().map(|response| response.json()["id"].as_u64().unwrap()));
        }
        assert_eq!(ids.len(), 4 * 20, "{ids:?}");
        holder.rollback().await.unwrap();
        while let Some(response) = waiting.next().await {
            assert_eq!(response.status, 201);
        }
    };
    tokio::time::timeout(TIMEOUT, scenario).await.expect("no other request waits for the holder");
}

/// SQLite accepts SQL updates that set an invalid price or name. Only requests that read such a product fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_product_affects_no_other_product() {
    for (id, assignment) in [(7, "price = 19.99"), (8, "name = x'00ff'"), (9, "name = x'1bff'")] {
        let server = Server::start(Store::Sqlite).await;
        server.post("/products", NORTHWIND).await;
        let database = server.direct_connection().await;
        let update = format!("UPDATE product SET {assignment} WHERE id = {id}");
        database.execute_unprepared(&update).await.unwrap();
        for _ in 0..10 {
            let paths: Vec<_> = (1..=20).map(|id| format!("/products/{id}")).collect();
            for (requested, response) in (1..).zip(join_all(paths.iter().map(|path| server.get(path))).await)
            {
                assert_eq!(
                    response.status,
                    if requested == id { 500 } else { 200 },
                    "{assignment}: {requested}"
                );
            }
        }
        server.get("/products").await.is_problem(500, "INTERNAL", &[]);
    }
}
