//! Stock adjustments, which are exact under concurrency and never make an amount negative.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Server, Store};

on_both_stores!(stock_can_be_added_and_removed, concurrent_adjustments_add_up);

async fn stock_can_be_added_and_removed(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1.5,"amount":10}"#).await;
    let adjust = async |delta: &str| server.post("/products/1/stock", format!("{{\"delta\":{delta}}}")).await;
    adjust("-3.0").await.is(200, r#"{"id":1,"name":"a","price":1.5,"amount":7}"#);
    adjust("5.0").await.is(200, r#"{"id":1,"name":"a","price":1.5,"amount":12}"#);
    adjust("-12").await.is(200, r#"{"id":1,"name":"a","price":1.5,"amount":0}"#);

    let rejected = adjust("-1").await;
    rejected.is_problem(409, "INSUFFICIENT_STOCK", &[]);
    assert_eq!(rejected.json()["detail"], "insufficient stock: 0 available");
    adjust("2147483647").await.is(200, r#"{"id":1,"name":"a","price":1.5,"amount":2147483647}"#);
    adjust("1").await.is_problem(409, "TOO_MUCH_STOCK", &[]);
    adjust("2147483647").await.is_problem(409, "TOO_MUCH_STOCK", &[]);
    for bad in ["0.5", "2147483648", "-2147483648", "\"1\"", "null", "{}"] {
        adjust(bad).await.is_problem(422, "INVALID", &["/delta"]);
    }
    server.post("/products/1/stock", "{}").await.is_problem(422, "INVALID", &["/delta"]);
    server.post("/products/1/stock", "[]").await.is_problem(422, "INVALID", &[""]);
    server.post("/products/2/stock", r#"{"delta":1}"#).await.is_problem(404, "NOT_FOUND", &[]);

    let mutation = "mutation($delta: Int!) { adjustStock(id: 1, delta: $delta) { amount } }";
    let response = server.graphql(mutation, json!({ "delta": -2_147_483_600 })).await;
    assert_eq!(response["data"]["adjustStock"]["amount"], 47);
    let response = server.graphql(mutation, json!({ "delta": -48 })).await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "INSUFFICIENT_STOCK");
}

async fn concurrent_adjustments_add_up(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":100}"#).await;
    let client = async |client: i64| {
        let (mut applied, mut rejected) = (0, 0);
        for round in 0..20 {
            // More stock is removed than added, so some removals must fail.
            let delta = if (client + round) % 3 == 0 { 7 } else { -5 };
            let response = server.post("/products/1/stock", json!({ "delta": delta }).to_string()).await;
            match response.status {
                200 => applied += delta,
                409 => rejected += 1,
                _ => panic!("{response:?}"),
            }
        }
        (applied, rejected)
    };
    let applied = join_all((0..64).map(client)).await;
    let sum: i64 = applied.iter().map(|(applied, _)| applied).sum();
    let rejected: i64 = applied.iter().map(|(_, rejected)| rejected).sum();
    assert_eq!(server.get("/products/1").await.json()["amount"], 100 + sum);
    assert!(rejected > 0);
}
