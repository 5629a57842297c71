//! Many clients at once: no lost write, no duplicate, no 500.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::harness::{NORTHWIND, Server, Store, TIMEOUT};

on_both_stores!(
    one_of_many_wins_an_id,
    generated_and_chosen_ids_never_meet,
    crossing_arrays_do_not_deadlock,
    arrays_that_come_at_the_same_time_are_answered_each_by_itself,
    a_product_that_comes_and_goes_is_there_or_not,
    deletions_and_replacements_of_many_do_not_deadlock,
    pages_that_are_read_at_the_same_time_are_not_mixed_up,
);

async fn one_of_many_wins_an_id(store: Store) {
    let server = Server::start(store).await;
    for id in 1..=10 {
        let create = |name: usize| {
            server.post(
                "/products",
                json!({ "id": id, "name": name.to_string(), "price": 1, "amount": 1 }).to_string(),
            )
        };
        let mut statuses = BTreeMap::new();
        for answer in join_all((0..16).map(create)).await {
            *statuses.entry(answer.status).or_insert(0) += 1;
        }
        assert_eq!(statuses, BTreeMap::from([(201, 1), (409, 15)]));
    }
}

async fn generated_and_chosen_ids_never_meet(store: Store) {
    let server = Server::start(store).await;
    let create = async |client: usize| {
        let mut ids = Vec::new();
        for round in 0..20 {
            // Chosen ids run just ahead of the generated ones.
            let chosen = client.is_multiple_of(2).then_some(client * 7 + round * 40 + 1);
            let answer = server
                .post("/products", json!({ "id": chosen, "name": "x", "price": 1, "amount": 1 }).to_string())
                .await;
            match answer.status {
                201 => ids.push(answer.json()["id"].as_u64().unwrap()),
                409 => assert!(chosen.is_some(), "a generated id was taken: {answer:?}"),
                _ => panic!("{answer:?}"),
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

async fn crossing_arrays_do_not_deadlock(store: Store) {
    let server = Server::start(store).await;
    for round in 0..5 {
        let ids: Vec<u64> = (1..=200).map(|n| round * 1000 + n).collect();
        let array = |reverse: bool| {
            let products = ids.iter().map(|id| json!({ "id": id, "name": "x", "price": 1, "amount": 1 }));
            let products: Vec<Value> = if reverse { products.rev().collect() } else { products.collect() };
            server.post("/products", Value::from(products).to_string())
        };
        let mut statuses: Vec<u16> =
            join_all((0..4).map(|n| array(n % 2 == 0))).await.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409]);
    }
}

async fn arrays_that_come_at_the_same_time_are_answered_each_by_itself(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"x","price":1,"amount":1}"#).await;
    let product = |id: usize| json!({ "id": id, "name": format!("n {id}"), "price": 1.5, "amount": 1 });
    let is_refused = |n: usize| n.is_multiple_of(4);
    for round in 1..=5 {
        let array = |n: usize| {
            let first = round * 1000 + n * 10;
            json!([product(first + 1), product(if is_refused(n) { 1 } else { first }), product(first + 2)])
        };
        let post = |n| server.post("/products", array(n).to_string());
        for (n, answer) in join_all((0..16).map(post)).await.into_iter().enumerate() {
            if is_refused(n) {
                answer.is_problem(409, "DUPLICATE_ID", &["/1/id"]);
            } else {
                assert_eq!((answer.status, answer.json()), (201, array(n)));
            }
        }
    }
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 1 + 5 * 12 * 3);
}

async fn a_product_that_comes_and_goes_is_there_or_not(store: Store) {
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
            let answer = server.send(request).await;
            assert!([200, 201, 204, 404, 412].contains(&answer.status), "{answer:?}");
        }
    };
    join_all((0..16).map(client)).await;
}

async fn deletions_and_replacements_of_many_do_not_deadlock(store: Store) {
    let server = Server::start(store).await;
    let ids: Vec<String> = (1..=200).rev().map(|id: u32| id.to_string()).collect();
    let products: Value =
        (1..=200).map(|id| json!({ "id": id, "name": "x", "price": 1, "amount": 1 })).collect();
    let client = async |client: usize| {
        for _ in 0..5 {
            let answer = if client.is_multiple_of(2) {
                server.delete(&format!("/products?id=in.{}", ids.join(","))).await
            } else {
                let merge =
                    server.request("POST", "/products").header("prefer", "resolution=merge-duplicates");
                server.send(merge.header("content-type", "application/json").body(products.to_string())).await
            };
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    join_all((0..8).map(client)).await;
}

/// The last ones by id and the first ones by falling id are the same to the database.
async fn pages_that_are_read_at_the_same_time_are_not_mixed_up(store: Store) {
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

/// Somebody has taken an id and not said yet whether he keeps it: only who wants the same one has to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_an_id_keeps_nobody_else_waiting() {
    let server = Server::start(Store::PostgreSql).await;
    // No id is generated below this one.
    server.post("/products", r#"{"id":10,"name":"x","price":1,"amount":1}"#).await;
    let holder = server.behind_the_back().await.begin().await.unwrap();
    let hold = "INSERT INTO product (id, name, price, amount) SELECT id, 'held', 1, 1 FROM generate_series(1, 4) AS id";
    holder.execute_unprepared(hold).await.unwrap();
    let create = |id: Option<i64>| {
        server.post("/products", json!({ "id": id, "name": "x", "price": 1, "amount": 1 }).to_string())
    };
    let (mut ids, mut waiting) = (BTreeSet::new(), FuturesUnordered::new());
    let everything = async {
        for held in 1..=4 {
            // Those from 2^52 on are never generated.
            let other = |n: i64| create((n % 2 == 0).then_some((1 << 52) + held * 1000 + n));
            waiting.push(create(Some(held)));
            let answers = tokio::select! {
                answers = join_all((0..20).map(other)) => answers,
                early = waiting.select_next_some() => panic!("its id is held: {early:?}"),
            };
            assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
            ids.extend(answers.iter().map(|answer| answer.json()["id"].as_u64().unwrap()));
        }
        assert_eq!(ids.len(), 4 * 20, "{ids:?}");
        holder.rollback().await.unwrap();
        while let Some(answer) = waiting.next().await {
            assert_eq!(answer.status, 201);
        }
    };
    tokio::time::timeout(TIMEOUT, everything).await.expect("nobody waits for the holder");
}

/// SQLite lets others store what is no price and no name: such a product can't be read, but its neighbours can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_that_can_not_be_read_is_alone_with_that() {
    for (id, fault) in [(7, "price = 19.99"), (8, "name = x'00ff'"), (9, "name = x'1bff'")] {
        let server = Server::start(Store::Sqlite).await;
        server.post("/products", NORTHWIND).await;
        let database = server.behind_the_back().await;
        let update = format!("UPDATE product SET {fault} WHERE id = {id}");
        database.execute_unprepared(&update).await.unwrap();
        for _ in 0..10 {
            let paths: Vec<_> = (1..=20).map(|id| format!("/products/{id}")).collect();
            for (one, answer) in (1..).zip(join_all(paths.iter().map(|path| server.get(path))).await) {
                assert_eq!(answer.status, if one == id { 500 } else { 200 }, "{fault}: {one}");
            }
        }
        server.get("/products").await.is_problem(500, "INTERNAL", &[]);
    }
}
