//! The rate of requests of each caller.

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::{
    access::token,
    harness::{Response, Server, Setup, Store, eventually},
    websocket::Socket,
};

on_both_stores!(
    requests_above_the_rate_are_rejected,
    graphql_operations_count_by_their_cost,
    operations_on_a_socket_count,
);

const LOOKUP: &str = "{ product(id: 1) { id name price amount } }";

/// Returns the setup of a server with this burst, and with a rate at which no allowance grows during a test. Clients choose
/// their address with `X-Forwarded-For`.
async fn setup(store: Store, burst: u32) -> Setup {
    let setup = Setup::new(store).await.with("STOCKMETER_REQUEST_RATE", "6/h");
    let setup = setup.with("STOCKMETER_REQUEST_BURST", burst).with("STOCKMETER_GRAPHQL_BATCH", 10);
    setup.with("STOCKMETER_TRUSTED_PROXIES", "127.0.0.0/8")
}

/// Asserts that the response has the headers of the rate, with this number of requests left. Returns the seconds until
/// there is one more.
#[track_caller]
fn assert_left(response: &Response, requests: u32, policy: &str) -> u32 {
    let (left, seconds) = response.header("ratelimit").split_once(";t=").unwrap_or_default();
    assert_eq!((left, response.header("ratelimit-policy")), (&*format!("\"default\";r={requests}"), policy));
    let seconds = seconds.parse().unwrap();
    assert!((1..=600).contains(&seconds), "{seconds}");
    seconds
}

#[track_caller]
fn assert_has_no_rate(response: &Response) {
    let names = ["ratelimit", "ratelimit-policy", "retry-after"];
    assert_eq!(names.map(|name| response.headers.get(name)), [None; 3], "{response:?}");
}

async fn requests_above_the_rate_are_rejected(store: Store) {
    const POLICY: &str = r#""default";q=3;w=1800"#;
    let server = setup(store, 3).await.start().await;
    assert_left(&server.get("/products").await, 2, POLICY);
    assert_left(&server.post("/products", "{}").await, 1, POLICY);
    assert_left(&server.get("/products/7").await, 0, POLICY);
    let rejected = [
        server.get("/products").await,
        server.post("/products", "{").await,
        server.send(server.request("GET", "/graphql").query(&[("query", LOOKUP)])).await,
    ];
    for response in &rejected {
        response.is_problem(429, "RATE_LIMITED", &[]);
        let (next, wait) = (assert_left(response, 0, POLICY), response.header("retry-after"));
        // The headers are written a moment later.
        assert!([0, 1].contains(&(wait.parse::<u32>().unwrap() - next)), "{response:?}");
    }
    for path in
        ["/", "/health", "/health/live", "/health/ready", "/metrics", "/metrics/slow", "/openapi.json"]
    {
        let response = server.get(path).await;
        assert_eq!(response.status, 200, "{path}");
        assert_has_no_rate(&response);
    }
    server.get("/unknown").await.is_problem(404, "NOT_FOUND", &[]);
    let rejections = server.metric(r#"http_rejections_total{limit="request_rate",party="caller"}"#).await;
    assert_eq!(rejections, Some(3.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_caller_has_its_own_rate() {
    const POLICY: &str = r#""default";q=2;w=1200"#;
    let setup = setup(Store::Sqlite, 2).await.with("STOCKMETER_ANONYMOUS", "read");
    let create = ["create", "--name", "test", "--scope", "read"];
    let tokens = [token(&setup, &create).await, token(&setup, &create).await];
    let server = setup.start().await;
    let get = || server.request("GET", "/products");
    let from = |address: &str| get().header("x-forwarded-for", address);
    let exhaust = async |request: &dyn Fn() -> RequestBuilder| {
        for left in [1, 0] {
            assert_left(&server.send(request()).await, left, POLICY);
        }
        server.send(request()).await.is_problem(429, "RATE_LIMITED", &[]);
    };
    exhaust(&|| get().bearer_auth(&tokens[0])).await;
    // The holder of a token has one rate at all addresses.
    let elsewhere = server.send(from("203.0.113.9").bearer_auth(&tokens[0])).await;
    elsewhere.is_problem(429, "RATE_LIMITED", &[]);
    exhaust(&|| get().bearer_auth(&tokens[1])).await;
    exhaust(&|| from("203.0.113.1")).await;
    exhaust(&|| from("203.0.113.2")).await;
    exhaust(&|| from("2001:db8::1")).await;
    server.send(from("2001:db8::2")).await.is_problem(429, "RATE_LIMITED", &[]);
    exhaust(&|| from("2001:db8:0:1::1")).await;
    exhaust(&get).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_permission_count() {
    const POLICY: &str = r#""default";q=2;w=1200"#;
    let setup = setup(Store::Sqlite, 2).await;
    let token = token(&setup, &["create", "--name", "test", "--scope", "read"]).await;
    let server = setup.start().await;
    let delete = |token: &str| server.request("DELETE", "/products/1").bearer_auth(token).send();
    for (left, status) in [(1, 403), (0, 403), (0, 429)] {
        let response = server.send(server.request("DELETE", "/products/1").bearer_auth(&token)).await;
        assert_eq!(response.status, status);
        assert_left(&response, left, POLICY);
    }
    // Failed authentications have their own limit, and strangers learn nothing of others at their address.
    let invalid = delete("stk_unknown").await.unwrap();
    assert_eq!((invalid.status().as_u16(), invalid.headers().get("ratelimit")), (401, None));
    let anonymous = server.get("/products").await;
    anonymous.is_problem(401, "UNAUTHORIZED", &[]);
    assert_left(&anonymous, 1, POLICY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowance_grows_again() {
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_REQUEST_RATE", "2/s");
    let server = setup.start().await;
    let responses = join_all((0..20).map(|_| server.get("/products"))).await;
    let rejected = responses.iter().find(|response| response.status == 429).expect("the burst is used up");
    assert_eq!(rejected.header("ratelimit-policy"), r#""default";q=2;w=1"#);
    assert_eq!(rejected.header("retry-after"), "1");
    eventually("requests are accepted", async || server.get("/products").await.status == 200).await;
}

async fn graphql_operations_count_by_their_cost(store: Store) {
    const POLICY: &str = r#""default";q=20;w=12000"#;
    let server = setup(store, 20).await.start().await;
    let send = async |address: &str, body: &Value| {
        let request = server.request("POST", "/graphql").header("x-forwarded-for", address);
        server.send(request.header("content-type", "application/json").body(body.to_string())).await
    };
    let query = |query: &str| json!({ "query": query });
    let filter = query("{ products(first: 1, filter: { amount: { gt: 1 } }) { nodes { id } } }");
    for (body, left) in [
        // The second lookup bypasses the executor.
        (query(LOOKUP), 19),
        (query(LOOKUP), 18),
        (query("{ a: product(id: 1) { id } b: product(id: 2) { id } }"), 16),
        (query("{ products(first: 100) { nodes { id name price amount } } }"), 12),
        (query("{"), 11),
        (json!([query(LOOKUP), query(LOOKUP), query("{ products(first: 100) { nodes { id } } }")]), 7),
    ] {
        let response = send("203.0.113.1", &body).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert_left(&response, left, POLICY);
    }
    // An operation that costs more than a burst needs a complete allowance.
    let rejected = send("203.0.113.1", &filter).await;
    rejected.is_graphql_error(429, "RATE_LIMITED");
    let next = assert_left(&rejected, 6, POLICY);
    let wait: u32 = rejected.header("retry-after").parse().unwrap();
    assert_eq!(rejected.json()["errors"][0]["extensions"]["retryAfter"], wait);
    // 6 are left, and the next attempt needs 20. The headers are written a moment later.
    assert!([0, 1].contains(&(wait - next - 13 * 600)), "{rejected:?}");
    let accepted = send("203.0.113.2", &filter).await;
    assert_eq!(accepted.json()["data"], json!({ "products": { "nodes": [] } }));
    assert_left(&accepted, 0, POLICY);

    // Requests of an array are rejected one by one.
    for left in (2..20).rev() {
        assert_left(&send("203.0.113.3", &query(LOOKUP)).await, left, POLICY);
    }
    let batch = send("203.0.113.3", &vec![query(LOOKUP); 3].into()).await;
    let codes = [0, 1, 2].map(|index| batch.json()[index]["errors"][0]["extensions"]["code"].clone());
    assert_eq!((batch.status, codes), (200, [Value::Null, Value::Null, "RATE_LIMITED".into()]));

    let streamed = server.request("GET", "/graphql").header("accept", "text/event-stream");
    let streamed = streamed.header("x-forwarded-for", "203.0.113.4");
    let scans = "{ a: products(filter: { amount: { gt: 1 } }) { totalCount } product(id: 1) { id } }";
    assert_eq!(server.send(streamed.try_clone().unwrap().query(&[("query", LOOKUP)])).await.status, 200);
    server.send(streamed.query(&[("query", scans)])).await.is_graphql_error(429, "RATE_LIMITED");
    let errors = server.metric(r#"graphql_errors_total{code="RATE_LIMITED"}"#).await;
    assert_eq!(errors, Some(3.0));
}

async fn operations_on_a_socket_count(store: Store) {
    let server = setup(store, 5).await.start().await;
    // The connection counts as one request.
    let mut socket = Socket::initialized(&server).await;
    let mut responses = Vec::new();
    for query in [LOOKUP, LOOKUP, "{", LOOKUP, LOOKUP, "{"] {
        socket.subscribe("1", query).await;
        let response = socket.receive().await;
        if response["type"] == "next" {
            assert_eq!(socket.receive().await["type"], "complete");
        }
        let extensions = response["payload"][0]["extensions"].clone();
        assert_eq!(extensions["retryAfter"].is_u64(), extensions["code"] == "RATE_LIMITED", "{response}");
        responses.push((response["type"].clone(), extensions["code"].clone()));
    }
    let next = (json!("next"), Value::Null);
    let error = |code: &str| (json!("error"), json!(code));
    let limited = error("RATE_LIMITED");
    let expected = [next.clone(), next.clone(), error("MALFORMED"), next, limited.clone(), limited];
    assert_eq!(responses, expected);

    // An operation counts by its cost, too.
    let other = setup(store, 20).await.start().await;
    let mut socket = Socket::initialized(&other).await;
    socket.subscribe("1", "{ products(first: 1, filter: { amount: { gt: 1 } }) { nodes { id } } }").await;
    assert_eq!(socket.receive().await["payload"][0]["extensions"]["code"], "RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_is_not_limited_by_default() {
    let server = Server::start(Store::Sqlite).await;
    let query = json!({ "query": LOOKUP }).to_string();
    for response in [server.get("/products").await, server.post("/graphql", query).await] {
        assert_eq!(response.status, 200);
        assert_has_no_rate(&response);
    }
}
