//! Change feed: subscribers receive every change, or a `resync` event if changes were missed.

use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use crate::harness::{Events, PASSWORD, Server, Setup, Store, TIMEOUT, cluster, eventually};

on_both_stores!(
    subscribers_receive_every_change_in_order,
    subscribers_receive_only_selected_products,
    reconnecting_subscribers_miss_no_change,
    subscriptions_resume_within_an_array,
    the_change_log_survives_migrating_down_and_up,
    rows_inserted_with_sql_are_published,
    custom_triggers_fire_for_new_products,
    changes_of_other_instances_are_published,
    expired_cursors_receive_a_resync_event,
    slow_subscribers_are_disconnected,
    the_number_of_subscriptions_is_limited,
    subscriptions_end_when_the_server_stops,
    invalid_subscriptions_are_rejected,
);

const CHANGES: &str = "subscription Changes($ids: [ID!], $after: String) {
    productChanged(ids: $ids, after: $after) { kind id version at product { name amount } cursor } }";

fn product(id: i32) -> Value {
    json!({ "id": id, "name": "a", "price": 1, "amount": 1 })
}

/// Creates products 1 and 2, changes product 1 with every kind of update, and deletes it.
async fn make_changes(server: &Server) {
    server.post("/products", json!([product(2), product(1)]).to_string()).await;
    server.put("/products/1", r#"{"name":"b","price":2,"amount":2}"#).await;
    server.post("/products/1/stock", r#"{"delta":5}"#).await;
    server.graphql("mutation { updateProduct(id: 1, input: { amount: 9 }) { id } }", json!({})).await;
    server.graphql("mutation { updateProduct(id: 1, input: { name: \"c\" }) { id } }", json!({})).await;
    server.post("/products/1/stock", r#"{"delta":-50}"#).await;
    server.delete("/products/1").await;
}

const KINDS: [(&str, i32); 7] = [
    ("created", 1),
    ("created", 2),
    ("updated", 1),
    ("stock_moved", 1),
    ("stock_moved", 1),
    ("updated", 1),
    ("deleted", 1),
];

async fn subscribers_receive_every_change_in_order(store: Store) {
    let server = Server::start(store).await;
    let mut rest = server.follow("", "").await;
    let mut graphql = server.subscribe(CHANGES, json!({})).await;
    make_changes(&server).await;
    let mut version = String::new();
    for (kind, id) in KINDS {
        let event = rest.next().await.unwrap();
        assert_eq!((event.kind.as_str(), &event.data["id"]), (kind, &json!(id)));
        let change = graphql.next().await.unwrap().data["data"]["productChanged"].clone();
        assert_eq!(change["kind"], kind.to_uppercase());
        assert_eq!((&change["id"], &change["cursor"]), (&json!(id.to_string()), &json!(event.id)));
        for field in ["version", "at"] {
            assert_eq!(change[field], event.data[field]);
        }
        assert!(event.data["at"].as_str().unwrap().ends_with('Z'), "{event:?}");
        // `product` is the state at delivery. It may be newer than the change, or null if deleted since.
        assert!(kind != "deleted" || (change["product"].is_null() && event.data["product"].is_null()));
        if id == 1 {
            // A deletion reports the last version.
            assert_eq!(event.data["version"] == version, kind == "deleted", "{kind}");
            version = event.data["version"].as_str().unwrap().to_owned();
        }
    }
    // Events contain the product's fields.
    server.post("/products", product(3).to_string()).await;
    let event = rest.next().await.unwrap();
    assert_eq!(event.data["product"], json!({ "id": 3, "name": "a", "price": 1.0, "amount": 1 }));
    assert_eq!(
        server.get("/products/3").await.header("etag"),
        format!("\"{}\"", event.data["version"].as_str().unwrap())
    );
}

async fn subscribers_receive_only_selected_products(store: Store) {
    let server = Server::start(store).await;
    let mut rest = server.follow("?id=in.2,3", "").await;
    let mut graphql = server.subscribe(CHANGES, json!({ "ids": ["2", "3"] })).await;
    make_changes(&server).await;
    server.post("/products", product(3).to_string()).await;
    for id in [2, 3] {
        assert_eq!(rest.next().await.unwrap().data["id"], id);
        assert_eq!(graphql.next().await.unwrap().data["data"]["productChanged"]["id"], id.to_string());
    }
}

async fn reconnecting_subscribers_miss_no_change(store: Store) {
    let server = Server::start(store).await;
    let mut first = server.follow("", "").await;
    server.post("/products", product(9).to_string()).await;
    let cursor = first.next().await.unwrap().id;
    drop(first);
    make_changes(&server).await;
    let server = server.kill_and_restart().await;
    let expected = KINDS.map(|(kind, _)| kind);
    assert_eq!(server.follow("", &cursor).await.next_kinds(7).await, expected);
    let mut graphql = server.subscribe(CHANGES, json!({ "after": cursor })).await;
    let event = graphql.next().await.unwrap();
    assert_eq!(event.data["data"]["productChanged"]["id"], "1");
    // New changes follow the missed ones.
    let mut rest = server.follow("", &cursor).await;
    server.delete("/products/2").await;
    assert_eq!(rest.next_kinds(8).await[7], "deleted");
}

async fn subscriptions_resume_within_an_array(store: Store) {
    let server = Server::start(store).await;
    let mut first = server.follow("", "").await;
    server.post("/products", product(9000).to_string()).await;
    let cursor = first.next().await.unwrap().id;
    drop(first);
    server.post("/products", (1..=2500).rev().map(product).collect::<Value>().to_string()).await;
    let mut again = server.follow("", &cursor).await;
    let mut cursor = String::new();
    for id in 1..=1200 {
        let event = again.next().await.unwrap();
        assert_eq!((event.kind.as_str(), &event.data["id"]), ("created", &json!(id)));
        cursor = event.id;
    }
    let mut again = server.follow("", &cursor).await;
    for id in 1201..=2500 {
        assert_eq!(again.next().await.unwrap().data["id"], id);
    }
}

async fn the_change_log_survives_migrating_down_and_up(store: Store) {
    let mut server = Server::start(store).await;
    let mut first = server.follow("", "").await;
    server.post("/products", json!([product(1), product(2), product(3)]).to_string()).await;
    let cursor = first.next().await.unwrap().id;
    server.signal(rustix::process::Signal::TERM);
    server.wait_for_exit().await;
    for direction in ["down", "down", "down", "up"] {
        let output = server.setup.command().args(["migrate", direction]).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let server = server.setup.clone().start().await;
    let mut again = server.follow("", &cursor).await;
    if store == Store::Sqlite {
        // The migration has changed the format of the log, so the position is no longer in it.
        assert_eq!(again.next().await.unwrap().kind, "resync");
        server.post("/products", product(4).to_string()).await;
        assert_eq!(again.next().await.unwrap().data["id"], 4);
        return;
    }
    server.post("/products", product(4).to_string()).await;
    for id in 2..=4 {
        assert_eq!(again.next().await.unwrap().data["id"], id);
    }
}

async fn rows_inserted_with_sql_are_published(store: Store) {
    let server = Server::start(store).await;
    let mut events = server.follow("", "").await;
    server.post("/products", product(1).to_string()).await;
    let insert = "INSERT INTO product (id, name, price, amount) VALUES (2, 'a', 1, 1), (3, 'a', 1, 1)";
    let database = server.direct_connection().await;
    database.execute_unprepared(insert).await.unwrap();
    if store == Store::Sqlite {
        // Without this row, the database is like one restored without SQLite's internal tables.
        database.execute_unprepared("DELETE FROM sqlite_sequence").await.unwrap();
    }
    server.post("/products", product(4).to_string()).await;
    for id in 1..=4 {
        assert_eq!(events.next().await.unwrap().data["id"], id);
    }
}

async fn custom_triggers_fire_for_new_products(store: Store) {
    let server = Server::start(store).await;
    let trigger = match store {
        Store::Sqlite => {
            "CREATE TRIGGER seen AFTER INSERT ON product BEGIN INSERT INTO seen VALUES (NEW.id); END"
        }
        Store::PostgreSql => {
            "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO seen VALUES (NEW.id); RETURN NULL; END $$;
            CREATE TRIGGER seen AFTER INSERT ON product FOR EACH ROW EXECUTE FUNCTION seen()"
        }
    };
    let mut events = server.follow("", "").await;
    server.post("/products", product(1).to_string()).await;
    let database = server.direct_connection().await;
    database.execute_unprepared("CREATE TABLE seen (id bigint PRIMARY KEY)").await.unwrap();
    database.execute_unprepared(trigger).await.unwrap();
    server.post("/products", json!((2..=40).map(product).collect::<Vec<_>>()).to_string()).await;
    for id in 1..=40 {
        assert_eq!(events.next().await.unwrap().data["id"], id);
    }
    let seen = database
        .query_one_raw(Statement::from_string(database.get_database_backend(), "SELECT count(*) FROM seen"));
    assert_eq!(seen.await.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap(), 39);
}

async fn changes_of_other_instances_are_published(store: Store) {
    let server = Server::start(store).await;
    let other = server.setup.clone().start().await;
    let mut events = server.follow("", "").await;
    make_changes(&other).await;
    assert_eq!(events.next_kinds(7).await, KINDS.map(|(kind, _)| kind));
}

async fn expired_cursors_receive_a_resync_event(store: Store) {
    let server = Server::start(store).await;
    let mut events = server.follow("", "").await;
    server.post("/products", product(1).to_string()).await;
    let old = events.next().await.unwrap().id;
    server.delete("/products/1").await;
    events.next().await.unwrap();
    let database = server.direct_connection().await;
    database.execute_unprepared("DELETE FROM product_change_log WHERE kind = 1").await.unwrap();

    // The first cursor has been pruned. The second is newer than the log, as if an older backup was restored.
    for (id, cursor) in [(2, old.as_str()), (3, "ffffffff-ffffffff")] {
        let mut again = server.follow("", cursor).await;
        let mut graphql = server.subscribe(CHANGES, json!({ "after": cursor })).await;
        assert_eq!(again.next().await.unwrap().kind, "resync");
        assert_eq!(graphql.next().await.unwrap().data["data"]["productChanged"]["kind"], "RESYNC");
        server.post("/products", product(id).to_string()).await;
        assert_eq!(again.next().await.unwrap().kind, "created");
        assert_eq!(graphql.next().await.unwrap().data["data"]["productChanged"]["kind"], "CREATED");
    }
}

async fn slow_subscribers_are_disconnected(store: Store) {
    let server = Server::start(store).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(server.address.parse().unwrap()).await.unwrap();
    slow.write_all(b"GET /products/changes HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut status_line = [0; 15];
    slow.read_exact(&mut status_line).await.unwrap();
    assert_eq!(status_line, *b"HTTP/1.1 200 OK");

    // A fast subscriber still receives every change.
    let mut fast = server.follow("", "").await;
    for round in 0..6 {
        let products: Value = (1..=5000).map(|n| product(round * 5000 + n)).collect();
        assert_eq!(server.post("/products", products.to_string()).await.status, 201);
        assert!(fast.next_kinds(5000).await.iter().all(|kind| kind == "created"));
    }
    // The slow subscriber receives the buffered changes, followed by the reason for the disconnect.
    let mut received = Vec::new();
    let disconnected = async {
        while !received.windows(8).rev().take(1000).any(|text| text == b"TOO_SLOW") {
            slow.read_buf(&mut received).await.unwrap();
        }
    };
    tokio::time::timeout(TIMEOUT, disconnected).await.expect("the reason arrives in time");
}

async fn the_number_of_subscriptions_is_limited(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_SUBSCRIPTIONS", 2).start().await;
    let _rest = server.follow("", "").await;
    let graphql = server.subscribe(CHANGES, json!({})).await;
    let rejected = server.get("/products/changes").await;
    rejected.is_problem(503, "TOO_MANY_SUBSCRIPTIONS", &[]);
    server.log.wait_for_failure(rejected.header("x-request-id"), "TOO_MANY_SUBSCRIPTIONS").await;
    assert_eq!(rejected.header("retry-after"), "1");
    let rejected = server.request("POST", "/graphql").header("accept", "text/event-stream");
    let rejected = rejected.header("content-type", "application/json");
    let rejected = server.send(rejected.body(json!({ "query": CHANGES }).to_string())).await;
    rejected.is_graphql_error(503, "TOO_MANY_SUBSCRIPTIONS");
    server.log.wait_for_failure(rejected.header("x-request-id"), "TOO_MANY_SUBSCRIPTIONS").await;
    drop(graphql);
    eventually("a closed subscription makes space for another one", async || {
        server.request("GET", "/products/changes").send().await.unwrap().status() == 200
    })
    .await;
}

async fn subscriptions_end_when_the_server_stops(store: Store) {
    let mut server = Server::start(store).await;
    let mut rest = server.follow("", "").await;
    let mut graphql = server.subscribe(CHANGES, json!({})).await;
    server.signal(rustix::process::Signal::TERM);
    // The server sends no `complete` event, because clients should reconnect.
    assert_eq!((rest.next().await, graphql.next().await), (None, None));
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
}

async fn invalid_subscriptions_are_rejected(store: Store) {
    let server = Server::start(store).await;
    server.get("/products/changes?id=gt.1").await.is_problem(422, "INVALID", &["/id"]);
    server.get("/products/changes?id=in.x").await.is_problem(422, "INVALID", &["/id"]);
    let many: Vec<_> = (1..=1001).map(|id| id.to_string()).collect();
    server.get(&format!("/products/changes?id=in.{}", many.join(","))).await.is_problem(
        422,
        "INVALID",
        &["/id"],
    );
    server.get("/products/changes?ids=1").await.is_problem(400, "MALFORMED", &[]);
    for (variables, pointer) in
        [(json!({ "ids": ["x"] }), "/ids"), (json!({ "after": "yesterday" }), "/after")]
    {
        let event = server.subscribe(CHANGES, variables).await.next().await.unwrap();
        let error = &event.data["errors"][0]["extensions"];
        assert_eq!((&error["code"], &error["errors"][0]["pointer"]), (&json!("INVALID"), &json!(pointer)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_postgresql_connection_loses_no_change() {
    let server = Server::start(Store::PostgreSql).await;
    let mut events: Events = server.follow("", "").await;
    let name = server.setup.database.clone().unwrap();
    let postgres = cluster().await.connect("postgres").await;
    for round in 1..=3 {
        let terminate =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        let terminate = Statement::from_string(postgres.get_database_backend(), terminate);
        assert!(!postgres.query_all_raw(terminate).await.unwrap().is_empty());
        // The first requests may fail on a terminated connection.
        eventually("the server reconnects", async || {
            server.post("/products", product(round).to_string()).await.status == 201
        })
        .await;
        assert_eq!(events.next().await.unwrap().data["id"], round);
    }
}

/// Some databases and poolers have no notifications. The other instances then read the log every second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_other_instances_need_no_postgresql_notifications() {
    let mut setup = Setup::new(Store::PostgreSql).await.with("STOCKMETER_LOG", "debug");
    let (cluster, name) = (cluster().await, setup.database.clone().unwrap());
    let role = format!("{name}_owner");
    let admin = cluster.connect(&name).await;
    for sql in [
        format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"),
        format!("ALTER DATABASE {name} OWNER TO {role}"),
        "REVOKE EXECUTE ON FUNCTION pg_notify(text, text) FROM PUBLIC".to_owned(),
    ] {
        admin.execute_unprepared(&sql).await.unwrap();
    }
    setup.database_url = setup.database_url.replace("postgres:", &format!("{role}:"));
    let server = setup.clone().start().await;
    let other = setup.start().await;
    let mut events = server.follow("", "").await;
    make_changes(&other).await;
    other.log.wait_for_line("failed to notify other instances").await;
    assert_eq!(events.next_kinds(7).await, KINDS.map(|(kind, _)| kind));
}

/// Newer changes are delayed while an older transaction is open, because it may still commit an earlier
/// change. A metric shows the delay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_wait_for_older_postgresql_transactions() {
    let setup = Setup::new(Store::PostgreSql).await.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms");
    let server = setup.start().await;
    let mut events: Events = server.follow("", "").await;
    let older = server.direct_connection().await.begin().await.unwrap();
    older.execute_unprepared("SELECT pg_current_xact_id()").await.unwrap();
    server.post("/products", product(1).to_string()).await;
    let delay = async || server.metric("catalog_changes_delay_seconds").await;
    eventually("the metric shows the delay", async || delay().await >= Some(1.0)).await;
    older.rollback().await.unwrap();
    assert_eq!(events.next().await.unwrap().data["id"], 1);
    eventually("the delay ends", async || delay().await == Some(0.0)).await;
}
