//! Stock movements: exact however many come at once, and never below zero.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Server, Store};

on_both_stores!(stock_moves_both_ways, movements_of_many_clients_add_up);

async fn stock_moves_both_ways(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1.5,"amount":10}"#).await;
    let shift = async |delta: &str| server.post("/products/1/stock", format!("{{\"delta\":{delta}}}")).await;
    shift("-3.0").await.is(200, r#"{"id":1,"name":"a","price":1.5,"amount":7}"#);
    shift("5.0").await.is(200, r#"{"id":1,"name":"a","price":1.5,"amount":12}"#);
    shift("-12").await.is(200, r#"{"id":1,"name":"a","price":1.5,"amount":0}"#);

    let refused = shift("-1").await;
    refused.is_problem(409, "INSUFFICIENT_STOCK", &[]);
    assert_eq!(refused.json()["detail"], "not enough in stock: there are 0");
    shift("2147483647").await.is(200, r#"{"id":1,"name":"a","price":1.5,"amount":2147483647}"#);
    shift("1").await.is_problem(409, "TOO_MUCH_STOCK", &[]);
    shift("2147483647").await.is_problem(409, "TOO_MUCH_STOCK", &[]);
    for bad in ["0.5", "2147483648", "-2147483648", "\"1\"", "null", "{}"] {
        shift(bad).await.is_problem(422, "INVALID", &["/delta"]);
    }
    server.post("/products/1/stock", "{}").await.is_problem(422, "INVALID", &["/delta"]);
    server.post("/products/1/stock", "[]").await.is_problem(422, "INVALID", &[""]);
    server.post("/products/2/stock", r#"{"delta":1}"#).await.is_problem(404, "NOT_FOUND", &[]);

    let adjust = "mutation($delta: Int!) { adjustStock(id: 1, delta: $delta) { amount } }";
    let answer = server.graphql(adjust, json!({ "delta": -2_147_483_600 })).await;
    assert_eq!(answer["data"]["adjustStock"]["amount"], 47);
    let answer = server.graphql(adjust, json!({ "delta": -48 })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INSUFFICIENT_STOCK");
}

async fn movements_of_many_clients_add_up(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":100}"#).await;
    let client = async |client: i64| {
        let (mut moved, mut refused) = (0, 0);
        for round in 0..20 {
            // More go than come, so that some find nothing.
            let delta = if (client + round) % 3 == 0 { 7 } else { -5 };
            let answer = server.post("/products/1/stock", json!({ "delta": delta }).to_string()).await;
            match answer.status {
                200 => moved += delta,
                409 => refused += 1,
                _ => panic!("{answer:?}"),
            }
        }
        (moved, refused)
    };
    let moved = join_all((0..64).map(client)).await;
    let sum: i64 = moved.iter().map(|(moved, _)| moved).sum();
    let refused: i64 = moved.iter().map(|(_, refused)| refused).sum();
    assert_eq!(server.get("/products/1").await.json()["amount"], 100 + sum);
    assert!(refused > 0);
}
