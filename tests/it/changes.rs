//! Who follows products is told of every change, or that it can't be told.

use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use crate::harness::{Events, Server, Setup, Store, TIMEOUT, cluster};

on_both_stores!(
    every_change_is_told_in_order,
    only_the_products_asked_for_are_told_of,
    who_comes_back_misses_nothing,
    who_comes_back_goes_on_within_an_array,
    changes_outlive_a_migration_down_and_up,
    what_is_inserted_past_the_server_is_told,
    triggers_of_ones_own_see_new_products,
    what_another_copy_changes_is_told,
    who_was_away_too_long_is_told_to_read_again,
    a_slow_subscriber_is_let_go,
    there_is_room_for_so_many_subscribers,
    subscriptions_end_when_the_server_stops,
    bad_subscriptions_are_refused,
);

const CHANGES: &str = "subscription Changes($ids: [ID!], $after: String) {
    productChanged(ids: $ids, after: $after) { kind id version at product { name amount } cursor } }";

fn product(id: i32) -> Value {
    json!({ "id": id, "name": "a", "price": 1, "amount": 1 })
}

/// Creates products 1 and 2, changes one in every way there is, and deletes it.
async fn change(server: &Server) {
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

async fn every_change_is_told_in_order(store: Store) {
    let server = Server::start(store).await;
    let mut rest = server.follow("", "").await;
    let mut graphql = server.subscribe(CHANGES, json!({})).await;
    change(&server).await;
    let mut version = String::new();
    for (kind, id) in KINDS {
        let told = rest.next().await.unwrap();
        assert_eq!((told.kind.as_str(), &told.data["id"]), (kind, &json!(id)));
        let change = graphql.next().await.unwrap().data["data"]["productChanged"].clone();
        assert_eq!(change["kind"], kind.to_uppercase());
        assert_eq!((&change["id"], &change["cursor"]), (&json!(id.to_string()), &json!(told.id)));
        for field in ["version", "at"] {
            assert_eq!(change[field], told.data[field]);
        }
        assert!(told.data["at"].as_str().unwrap().ends_with('Z'), "{told:?}");
        // The product as it is when it is told, which by then may be a later state, or gone.
        assert!(kind != "deleted" || (change["product"].is_null() && told.data["product"].is_null()));
        if id == 1 {
            // A deletion tells the last one.
            assert_eq!(told.data["version"] == version, kind == "deleted", "{kind}");
            version = told.data["version"].as_str().unwrap().to_owned();
        }
    }
    // What a product is like is told too.
    server.post("/products", product(3).to_string()).await;
    let told = rest.next().await.unwrap();
    assert_eq!(told.data["product"], json!({ "id": 3, "name": "a", "price": 1.0, "amount": 1 }));
    assert_eq!(
        server.get("/products/3").await.header("etag"),
        format!("\"{}\"", told.data["version"].as_str().unwrap())
    );
}

async fn only_the_products_asked_for_are_told_of(store: Store) {
    let server = Server::start(store).await;
    let mut rest = server.follow("?id=in.2,3", "").await;
    let mut graphql = server.subscribe(CHANGES, json!({ "ids": ["2", "3"] })).await;
    change(&server).await;
    server.post("/products", product(3).to_string()).await;
    for id in [2, 3] {
        assert_eq!(rest.next().await.unwrap().data["id"], id);
        assert_eq!(graphql.next().await.unwrap().data["data"]["productChanged"]["id"], id.to_string());
    }
}

async fn who_comes_back_misses_nothing(store: Store) {
    let server = Server::start(store).await;
    let mut first = server.follow("", "").await;
    server.post("/products", product(9).to_string()).await;
    let place = first.next().await.unwrap().id;
    drop(first);
    change(&server).await;
    let server = server.kill_and_restart().await;
    let expected = KINDS.map(|(kind, _)| kind);
    assert_eq!(server.follow("", &place).await.kinds(7).await, expected);
    let mut graphql = server.subscribe(CHANGES, json!({ "after": place })).await;
    let told = graphql.next().await.unwrap();
    assert_eq!(told.data["data"]["productChanged"]["id"], "1");
    // And what comes after that.
    let mut rest = server.follow("", &place).await;
    server.delete("/products/2").await;
    assert_eq!(rest.kinds(8).await[7], "deleted");
}

async fn who_comes_back_goes_on_within_an_array(store: Store) {
    let server = Server::start(store).await;
    let mut first = server.follow("", "").await;
    server.post("/products", product(9000).to_string()).await;
    let place = first.next().await.unwrap().id;
    drop(first);
    server.post("/products", (1..=2500).rev().map(product).collect::<Value>().to_string()).await;
    let mut again = server.follow("", &place).await;
    let mut place = String::new();
    for id in 1..=1200 {
        let told = again.next().await.unwrap();
        assert_eq!((told.kind.as_str(), &told.data["id"]), ("created", &json!(id)));
        place = told.id;
    }
    let mut again = server.follow("", &place).await;
    for id in 1201..=2500 {
        assert_eq!(again.next().await.unwrap().data["id"], id);
    }
}

async fn changes_outlive_a_migration_down_and_up(store: Store) {
    let mut server = Server::start(store).await;
    let mut first = server.follow("", "").await;
    server.post("/products", json!([product(1), product(2), product(3)]).to_string()).await;
    let place = first.next().await.unwrap().id;
    server.signal(rustix::process::Signal::TERM);
    server.ended().await;
    for direction in ["down", "down", "up"] {
        let output = server.setup.command().args(["migrate", direction]).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let server = server.setup.clone().start().await;
    let mut again = server.follow("", &place).await;
    server.post("/products", product(4).to_string()).await;
    for id in 2..=4 {
        assert_eq!(again.next().await.unwrap().data["id"], id);
    }
}

async fn what_is_inserted_past_the_server_is_told(store: Store) {
    let server = Server::start(store).await;
    let mut events = server.follow("", "").await;
    server.post("/products", product(1).to_string()).await;
    let insert = "INSERT INTO product (id, name, price, amount) VALUES (2, 'a', 1, 1), (3, 'a', 1, 1)";
    let database = server.behind_the_back().await;
    database.execute_unprepared(insert).await.unwrap();
    if store == Store::Sqlite {
        // As in a database that was restored without SQLite's own tables.
        database.execute_unprepared("DELETE FROM sqlite_sequence").await.unwrap();
    }
    server.post("/products", product(4).to_string()).await;
    for id in 1..=4 {
        assert_eq!(events.next().await.unwrap().data["id"], id);
    }
}

async fn triggers_of_ones_own_see_new_products(store: Store) {
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
    let database = server.behind_the_back().await;
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

async fn what_another_copy_changes_is_told(store: Store) {
    let server = Server::start(store).await;
    let copy = server.setup.clone().start().await;
    let mut events = server.follow("", "").await;
    change(&copy).await;
    assert_eq!(events.kinds(7).await, KINDS.map(|(kind, _)| kind));
}

async fn who_was_away_too_long_is_told_to_read_again(store: Store) {
    let server = Server::start(store).await;
    let mut events = server.follow("", "").await;
    server.post("/products", product(1).to_string()).await;
    let old = events.next().await.unwrap().id;
    server.delete("/products/1").await;
    events.next().await.unwrap();
    let database = server.behind_the_back().await;
    let log = if store == Store::Sqlite { "product_change" } else { "product_change_log" };
    database.execute_unprepared(&format!("DELETE FROM {log} WHERE kind = 1")).await.unwrap();

    // A place that was forgotten, and one that the log has not come to, as of a database that was restored.
    for (id, place) in [(2, old.as_str()), (3, "ffffffff-ffffffff")] {
        let mut again = server.follow("", place).await;
        let mut graphql = server.subscribe(CHANGES, json!({ "after": place })).await;
        assert_eq!(again.next().await.unwrap().kind, "resync");
        assert_eq!(graphql.next().await.unwrap().data["data"]["productChanged"]["kind"], "RESYNC");
        server.post("/products", product(id).to_string()).await;
        assert_eq!(again.next().await.unwrap().kind, "created");
        assert_eq!(graphql.next().await.unwrap().data["data"]["productChanged"]["kind"], "CREATED");
    }
}

async fn a_slow_subscriber_is_let_go(store: Store) {
    let server = Server::start(store).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(server.address.parse().unwrap()).await.unwrap();
    slow.write_all(b"GET /products/changes HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    slow.read_exact(&mut head).await.unwrap();
    assert_eq!(head, *b"HTTP/1.1 200 OK");

    // One that keeps up is told everything meanwhile.
    let mut quick = server.follow("", "").await;
    for round in 0..6 {
        let products: Value = (1..=5000).map(|n| product(round * 5000 + n)).collect();
        assert_eq!(server.post("/products", products.to_string()).await.status, 201);
        assert!(quick.kinds(5000).await.iter().all(|kind| kind == "created"));
    }
    // It reads what had been on its way, and why there is no more.
    let mut rest = Vec::new();
    let told_why = async {
        while !rest.windows(8).rev().take(1000).any(|text| text == b"TOO_SLOW") {
            slow.read_buf(&mut rest).await.unwrap();
        }
    };
    tokio::time::timeout(TIMEOUT, told_why).await.expect("the reason comes");
}

async fn there_is_room_for_so_many_subscribers(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_SUBSCRIPTIONS", 2).start().await;
    let _rest = server.follow("", "").await;
    let graphql = server.subscribe(CHANGES, json!({})).await;
    let refused = server.get("/products/changes").await;
    refused.is_problem(503, "TOO_MANY_SUBSCRIPTIONS", &[]);
    server.log.failure(refused.header("x-request-id"), "TOO_MANY_SUBSCRIPTIONS").await;
    assert_eq!(refused.header("retry-after"), "1");
    let refused = server.request("POST", "/graphql").header("accept", "text/event-stream");
    let refused = refused.header("content-type", "application/json");
    let refused = server.send(refused.body(json!({ "query": CHANGES }).to_string())).await;
    refused.is_graphql_error(503, "TOO_MANY_SUBSCRIPTIONS");
    server.log.failure(refused.header("x-request-id"), "TOO_MANY_SUBSCRIPTIONS").await;
    drop(graphql);
    let room =
        async { while server.request("GET", "/products/changes").send().await.unwrap().status() != 200 {} };
    tokio::time::timeout(TIMEOUT, room).await.expect("one leaves room for another");
}

async fn subscriptions_end_when_the_server_stops(store: Store) {
    let mut server = Server::start(store).await;
    let mut rest = server.follow("", "").await;
    let mut graphql = server.subscribe(CHANGES, json!({})).await;
    server.signal(rustix::process::Signal::TERM);
    // Not that it is complete: clients come back.
    assert_eq!((rest.next().await, graphql.next().await), (None, None));
    assert_eq!(server.ended().await.code(), Some(0));
}

async fn bad_subscriptions_are_refused(store: Store) {
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
    let bad_place = server.request("GET", "/products/changes").header("last-event-id", "yesterday");
    server.send(bad_place).await.is_problem(422, "INVALID", &["/Last-Event-ID"]);
    for (variables, pointer) in
        [(json!({ "ids": ["x"] }), "/ids"), (json!({ "after": "yesterday" }), "/after")]
    {
        let told = server.subscribe(CHANGES, variables).await.next().await.unwrap();
        let error = &told.data["errors"][0]["extensions"];
        assert_eq!((&error["code"], &error["errors"][0]["pointer"]), (&json!("INVALID"), &json!(pointer)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_to_postgresql_loses_no_change() {
    let server = Server::start(Store::PostgreSql).await;
    let mut events: Events = server.follow("", "").await;
    let name = server.setup.database.clone().unwrap();
    let postgres = cluster().await.connect("postgres").await;
    for round in 1..=3 {
        let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        let cut = Statement::from_string(postgres.get_database_backend(), cut);
        assert!(!postgres.query_all_raw(cut).await.unwrap().is_empty());
        // The first ones may find a connection that is none any more.
        let created =
            async { while server.post("/products", product(round).to_string()).await.status != 201 {} };
        tokio::time::timeout(TIMEOUT, created).await.expect("the server connects again");
        assert_eq!(events.next().await.unwrap().data["id"], round);
    }
}

/// Something could still come before it, so nobody is told; the metrics say how long that has been so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_waits_for_older_transactions_of_postgresql() {
    let setup = Setup::new(Store::PostgreSql).await.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms");
    let server = setup.start().await;
    let mut events: Events = server.follow("", "").await;
    let older = server.behind_the_back().await.begin().await.unwrap();
    older.execute_unprepared("SELECT pg_current_xact_id()").await.unwrap();
    server.post("/products", product(1).to_string()).await;
    let waits = async { while server.metric("catalog_changes_delay_seconds").await < Some(1.0) {} };
    tokio::time::timeout(TIMEOUT, waits).await.expect("the delay is seen");
    older.rollback().await.unwrap();
    assert_eq!(events.next().await.unwrap().data["id"], 1);
    let ended = async { while server.metric("catalog_changes_delay_seconds").await != Some(0.0) {} };
    tokio::time::timeout(TIMEOUT, ended).await.expect("its end is seen");
}
