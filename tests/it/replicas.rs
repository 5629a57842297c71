//! `DATABASE_READ_URL`: a streaming replica serves reads, and no client reads an older state than its own writes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::{
    access::token,
    harness::{Cluster, PASSWORD, Response, Server, Setup, Store, eventually, eventually_within},
    websocket::Socket,
};

const PRODUCT: &str = r#"{"id":1,"name":"old","price":1,"amount":100}"#;
const RENAMED: &str = r#"{"name":"new"}"#;

/// Maximum time of a read while a server fails. The server checks its replica at least every 1.5 s.
const READ_TIME: Duration = Duration::from_secs(4);

/// A primary, its replica and a server on both, with one product.
struct Replicated {
    primary: Cluster,
    replica: Cluster,
    database: String,
    server: Server,
}

impl Replicated {
    async fn start() -> Self {
        Self::start_with(|setup| setup).await
    }

    async fn start_with(configure: impl FnOnce(Setup) -> Setup) -> Self {
        let primary = Cluster::start().await;
        let database = primary.new_database().await;
        let replica = primary.start_standby().await;
        let setup = Setup::on(primary.url(&database)).await;
        let setup = setup.with("DATABASE_READ_URL", replica.url(&database));
        let setup = setup.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms");
        let server = configure(setup).start().await;
        server.log.wait_for_line("reads ask the replica").await;
        let this = Self { primary, replica, database, server };
        let created = this.server.post("/products", PRODUCT).await;
        // A server that requires tokens has no product yet.
        assert!(matches!(created.status, 201 | 401), "{created:?}");
        this.primary.wait_for_standby(&this.replica).await;
        this
    }

    /// Makes the replica keep its state.
    async fn pause(&self) {
        self.primary.wait_for_standby(&self.replica).await;
        self.control("SELECT pg_wal_replay_pause()").await;
        let is_paused = async || {
            self.replica.value("postgres", "SELECT pg_get_wal_replay_pause_state()").await == "paused"
        };
        eventually("the replay is paused", is_paused).await;
    }

    async fn resume(&self) {
        self.control("SELECT pg_wal_replay_resume()").await;
    }

    async fn control(&self, sql: &str) {
        let connection = self.replica.connect("postgres").await;
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Sends a GET request with a position.
    async fn get_after(&self, path: &str, position: &str) -> Response {
        self.server.send(self.server.request("GET", path).header("x-read-after", position)).await
    }

    async fn reads(&self, role: &str) -> Option<f64> {
        self.server.metric(&format!("database_reads_total{{role=\"{role}\"}}")).await
    }

    /// Reads until the condition holds. Each read must succeed in time.
    async fn read_until(&self, what: &str, mut is_done: impl AsyncFnMut() -> bool) {
        let read = async || {
            for path in ["/products/1", "/products?limit=3", "/products?limit=1&count=exact"] {
                let start = Instant::now();
                assert_eq!(self.server.get(path).await.status, 200, "{path}");
                assert!(start.elapsed() < READ_TIME, "{path}: {:?}", start.elapsed());
            }
            is_done().await
        };
        eventually(what, read).await;
    }

    async fn is_replica_up(&self) -> bool {
        self.server.metric("database_replica_up").await == Some(1.0)
    }
}

fn name(response: &Response) -> String {
    let product = response.json();
    let product = if product.is_array() { product[0].clone() } else { product };
    product["name"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_makes_reads_include_own_writes() {
    let this = Replicated::start().await;
    assert_eq!(name(&this.server.get("/products/1").await), "old");
    this.pause().await;
    let renamed = this.server.patch("/products/1", RENAMED).await;
    assert_eq!(renamed.status, 200);
    let position = renamed.header("x-read-after");
    this.server.post("/products", r#"{"id":2,"name":"second","price":1,"amount":1}"#).await;
    // Reads with and without the position at the same time do not share a result.
    for path in ["/products/1", "/products?limit=1", "/products?sort=id", "/products?price=gte.0&sort=id"] {
        let old = join_all((0..4).map(|_| this.server.get(path)));
        let new = join_all((0..4).map(|_| this.get_after(path, position)));
        let (old, new) = tokio::join!(old, new);
        assert!(old.iter().all(|response| name(response) == "old"), "{path}: {old:?}");
        assert!(new.iter().all(|response| name(response) == "new"), "{path}: {new:?}");
    }
    let total =
        async |request: RequestBuilder| this.server.send(request).await.header("x-total-count").to_owned();
    let count = || this.server.request("GET", "/products?limit=1&count=exact");
    assert_eq!(total(count()).await, "1");
    assert_eq!(total(count().header("x-read-after", position)).await, "2");
    let graphql = async |query: &str, position: Option<&str>| {
        let request = this.server.request("POST", "/graphql").header("content-type", "application/json");
        let request = position.into_iter().fold(request, |request, at| request.header("x-read-after", at));
        this.server.send(request.body(json!({ "query": query }).to_string())).await.json()["data"].clone()
    };
    let lookup = "{ product(id: 1) { name } }";
    assert_eq!(graphql(lookup, None).await["product"]["name"], "old");
    assert_eq!(graphql(lookup, Some(position)).await["product"]["name"], "new");
    let list = "{ products { nodes { name } totalCount } }";
    assert_eq!(graphql(list, None).await["products"]["totalCount"], 1);
    assert_eq!(graphql(list, Some(position)).await["products"]["totalCount"], 2);

    // Once the replica has the write, it serves the read.
    this.resume().await;
    this.primary.wait_for_standby(&this.replica).await;
    let asks_replica = async || {
        let before = this.reads("replica").await;
        assert_eq!(name(&this.get_after("/products/1", position).await), "new");
        this.reads("replica").await == before.map(|reads| reads + 1.0)
    };
    eventually("the replica is asked", asks_replica).await;
}

/// The replica gets the write only while the read waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_waits_for_the_replica() {
    let this = Replicated::start_with(|setup| setup.with("STOCKMETER_DATABASE_READ_WAIT", "30s")).await;
    this.pause().await;
    let renamed = this.server.patch("/products/1", RENAMED).await;
    let primary_reads = this.reads("primary").await;
    let resume = async {
        // The other request is the one for the metrics.
        let waits = async || this.server.metric("http_requests_in_flight").await == Some(2.0);
        eventually("the read waits", waits).await;
        this.resume().await;
    };
    let start = Instant::now();
    let (read, ()) = tokio::join!(this.get_after("/products/1", renamed.header("x-read-after")), resume);
    assert_eq!(name(&read), "new");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(this.reads("primary").await, primary_reads);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_response_to_a_write_has_a_position() {
    let this = Replicated::start().await;
    this.pause().await;
    let send = async |method: &str, path: &str, header: (&str, &str), body: &'static str| {
        let media_type = if header.0 == "content-type" { header.1 } else { "application/json" };
        let request = this.server.request(method, path).header("content-type", media_type).body(body);
        let request = if header.0 == "content-type" { request } else { request.header(header.0, header.1) };
        this.server.send(request).await
    };
    let none = ("x-none", "");
    let key = ("idempotency-key", "k");
    for (method, path, header, body, status) in [
        ("POST", "/products", none, r#"{"id":5,"name":"x","price":1,"amount":1}"#, 201),
        ("POST", "/products", none, r#"{"id":5,"name":"x","price":1,"amount":1}"#, 409),
        ("POST", "/products", none, r#"[{"id":6,"name":"x","price":1,"amount":1}]"#, 201),
        ("POST", "/products", key, r#"{"id":7,"name":"x","price":1,"amount":1}"#, 201),
        ("POST", "/products", key, r#"{"id":7,"name":"x","price":1,"amount":1}"#, 201),
        ("POST", "/products", ("content-type", "text/csv"), "name,price,amount\nx,1,1\n", 201),
        ("PUT", "/products", none, r#"[{"id":6,"name":"y","price":1,"amount":1}]"#, 200),
        ("PUT", "/products/5", none, r#"{"name":"y","price":1,"amount":1}"#, 200),
        ("PATCH", "/products/5", ("if-match", "\"0\""), r#"{"amount":2}"#, 412),
        ("POST", "/products/5/stock", none, r#"{"delta":1}"#, 200),
        ("POST", "/graphql", none, r#"{"query":"mutation { adjustStock(id: 5, delta: 1) { id } }"}"#, 200),
        ("DELETE", "/products?id=eq.6", none, "", 200),
        ("DELETE", "/products/7", none, "", 204),
    ] {
        let response = send(method, path, header, body).await;
        let what = format!("{method} {path} {header:?} {body}: {response:?}");
        assert_eq!(response.status, status, "{what}");
        let written = this.primary.value("postgres", "SELECT pg_current_wal_lsn()::text").await;
        let position = response.header("x-read-after");
        let is_included = format!("SELECT ('{position}'::pg_lsn <= '{written}')::text");
        assert_eq!(this.primary.value("postgres", &is_included).await, "true", "{what}");
        // The state is that after this write.
        let stored = this.primary.value(&this.database, "SELECT sum(amount)::text FROM product").await;
        let read = this.get_after("/products", position).await.json();
        let amounts = read.as_array().unwrap().iter().map(|product| product["amount"].as_i64().unwrap());
        assert_eq!(amounts.sum::<i64>().to_string(), stored, "{what}");
    }
    for path in ["/products", "/products/1", "/products/changes"] {
        let response = this.server.request("GET", path).send().await.unwrap();
        assert_eq!(response.headers().contains_key("x-read-after"), path == "/products/changes", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_position_is_rejected() {
    for store in [Store::Sqlite, Store::PostgreSql] {
        let server = Server::start(store).await;
        server.post("/products", PRODUCT).await;
        for position in ["", "0", "0/", "/0", "0/g", "0/123456789", "+0/1", "0/1,0/2", "0/1 "] {
            for path in ["/products", "/products/1", "/graphql?query={__typename}"] {
                let request = server.request("GET", path).header("x-read-after", position);
                let response = server.send(request).await;
                if position == "0/1 " {
                    // HTTP removes the space.
                    assert_eq!(response.status, 200);
                } else {
                    response.is_problem(400, "MALFORMED", &[]);
                    assert!(response.text.contains("X-Read-After must be"), "{response:?}");
                }
            }
        }
        // Without a replica, positions have no effect.
        let read = server.request("GET", "/products/1").header("x-read-after", "FFFFFFFF/FFFFFFFF");
        assert_eq!(server.send(read).await.status, 200);
        let written = server.patch("/products/1", RENAMED).await;
        assert_eq!(written.header("x-read-after"), "");
    }
}

/// The server remembers the writes of authenticated callers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_with_tokens_read_their_own_writes() {
    let this = Replicated::start().await;
    let setup = &this.server.setup;
    let tokens = [
        token(setup, &["create", "--name", "a", "--scope", "write"]).await,
        token(setup, &["create", "--name", "b", "--scope", "write"]).await,
    ];
    let request =
        |method: &str, path: &str, token: &str| this.server.request(method, path).bearer_auth(token);
    let get = async |token: &str| this.server.send(request("GET", "/products/1", token)).await;
    for token in &tokens {
        eventually("the token is known", async || get(token).await.status == 200).await;
    }
    this.pause().await;
    let patch = request("PATCH", "/products/1", &tokens[0]).header("content-type", "application/json");
    assert_eq!(this.server.send(patch.body(RENAMED)).await.status, 200);
    assert_eq!(name(&get(&tokens[0]).await), "new");
    assert_eq!(name(&get(&tokens[1]).await), "old");
}

/// Several operations of one request, and of one socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_operations_of_a_request_include_its_mutations() {
    let this = Replicated::start_with(|setup| setup.with("STOCKMETER_GRAPHQL_BATCH", "3")).await;
    this.pause().await;
    let query = "{ product(id: 1) { name } }";
    let mutation =
        |name: &str| format!("mutation {{ updateProduct(id: 1, input: {{ name: \"{name}\" }}) {{ id }} }}");
    let batch = [query.to_owned(), mutation("new"), query.to_owned()].map(|query| json!({ "query": query }));
    let response = this.server.post("/graphql", Value::from(batch.to_vec()).to_string()).await.json();
    assert_eq!(response[0]["data"]["product"]["name"], "old", "{response}");
    assert_eq!(response[2]["data"]["product"]["name"], "new", "{response}");

    let mut socket = Socket::initialized(&this.server).await;
    let mut execute = async |id: &str, query: &str| {
        socket.subscribe(id, query).await;
        let next = socket.receive().await;
        assert_eq!(socket.receive().await["type"], "complete");
        next["payload"]["data"].clone()
    };
    assert_eq!(execute("1", query).await["product"]["name"], "old");
    execute("2", &mutation("newer")).await;
    assert_eq!(execute("3", query).await["product"]["name"], "newer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_without_the_replica() {
    let this = Replicated::start().await;
    let frozen = this.replica.freeze();
    this.read_until("the frozen replica is noticed", async || !this.is_replica_up().await).await;
    let replica_reads = this.reads("replica").await;
    this.read_until("the primary serves reads", async || true).await;
    assert_eq!(this.reads("replica").await, replica_reads);
    assert_eq!(this.server.get("/health").await.status, 200);
    drop(frozen);
    let is_asked = async || this.reads("replica").await > replica_reads;
    this.read_until("the replica is asked again", is_asked).await;

    this.replica.kill();
    this.read_until("the dead replica is noticed", async || !this.is_replica_up().await).await;
    assert_eq!(this.server.patch("/products/1", RENAMED).await.status, 200);
    assert_eq!(name(&this.server.get("/products/1").await), "new");
    assert_eq!(this.server.get("/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_without_the_primary() {
    let this = Replicated::start().await;
    this.pause().await;
    let renamed = this.server.patch("/products/1", RENAMED).await;
    this.primary.kill();
    assert_eq!(this.server.patch("/products/1", RENAMED).await.status, 503);
    // The replica lacks the write, but no other server has it.
    let read = this.get_after("/products/1", renamed.header("x-read-after")).await;
    assert_eq!((read.status, name(&read).as_str()), (200, "old"));
    this.read_until("reads go on", async || true).await;
    assert_eq!(this.server.get("/health/ready").await.status, 200);
    let health = this.server.get("/health").await;
    assert_eq!((health.status, &health.json()["database"]["reads"]), (503, &json!("ok")));
    assert_eq!(health.json()["database"]["writes"], "unavailable");
    let is_reported = async || this.server.metric("database_up").await == Some(0.0);
    eventually("the metrics report the primary", is_reported).await;
    this.replica.kill();
    let is_ready = async || this.server.get("/health/ready").await.status == 200;
    eventually("the server is not ready", async || !is_ready().await).await;
    assert_eq!(this.server.get("/products/1").await.status, 503);
}

/// Both URLs name both servers. The replica becomes the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_serves_reads_and_writes() {
    let primary = Cluster::start().await;
    let database = primary.new_database().await;
    let replica = primary.start_standby().await;
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), replica.port());
    let url = |attribute: &str| {
        format!("postgresql://postgres:{PASSWORD}@{hosts}/{database}?target_session_attrs={attribute}")
    };
    let setup = Setup::on(url("read-write")).await.with("DATABASE_READ_URL", url("prefer-standby"));
    let server = setup.start().await;
    server.log.wait_for_line("reads ask the replica").await;
    server.post("/products", PRODUCT).await;
    primary.wait_for_standby(&replica).await;
    primary.kill();
    replica.promote().await;
    let renames = async || server.patch("/products/1", RENAMED).await.status == 200;
    eventually_within(Duration::from_secs(5), "writes succeed", renames).await;
    let position = server.patch("/products/1", RENAMED).await.header("x-read-after").to_owned();
    let request = || server.request("GET", "/products/1").header("x-read-after", &position);
    let replica_reads = "database_reads_total{role=\"replica\"}";
    let asks_replica = async || {
        let before = server.metric(replica_reads).await;
        assert_eq!(name(&server.send(request()).await), "new");
        server.metric(replica_reads).await > before
    };
    eventually("the promoted server serves reads with positions", asks_replica).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lag_of_the_replica_is_measured() {
    let this = Replicated::start().await;
    let lag = async || {
        let (age, size) = ("database_replica_lag_seconds", "database_replica_lag_size_bytes");
        (this.server.metric(age).await, this.server.metric(size).await)
    };
    eventually("there is no lag", async || lag().await == (Some(0.0), Some(0.0))).await;
    this.pause().await;
    this.server.patch("/products/1", RENAMED).await;
    let grows = async || matches!(lag().await, (Some(age), Some(size)) if age > 0.2 && size > 50.0);
    eventually("the lag grows", grows).await;
    this.resume().await;
    eventually("there is no lag again", async || lag().await == (Some(0.0), Some(0.0))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusable_replicas_are_rejected_or_ignored() {
    let postgres = Setup::new(Store::PostgreSql).await;
    let replica = postgres.database_url.clone();
    let sqlite = Setup::new(Store::Sqlite).await;
    let only_postgres = "only PostgreSQL has replicas: unset DATABASE_READ_URL";
    let malformed = format!("postgres://a:{PASSWORD}@localhost:port/db");
    for (setup, url, reason) in [
        (sqlite, &*replica, only_postgres),
        (postgres.clone(), "sqlite://replica.db", only_postgres),
        (postgres.clone(), &malformed, "DATABASE_READ_URL is not a valid PostgreSQL URL"),
    ] {
        let (mut child, log) = setup.with("DATABASE_READ_URL", url).spawn();
        assert_eq!(child.wait().await.unwrap().code(), Some(1));
        let text = log.read_to_end().await;
        assert!(text.contains(reason) && !text.contains(PASSWORD), "{text}");
    }
    // A replica that is not available at startup is used later.
    let missing = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:1/db");
    let server = postgres.with("DATABASE_READ_URL", missing).start().await;
    let line = server.log.wait_for_line("the replica is unavailable, reads ask the primary").await;
    assert!(line.contains("127.0.0.1:1/db") && !line.contains(PASSWORD), "{line}");
    assert_eq!(server.post("/products", PRODUCT).await.status, 201);
    assert_eq!(server.get("/products/1").await.status, 200);
}
