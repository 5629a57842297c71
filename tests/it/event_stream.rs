//! `GET /products/changes` for browsers, which send `Last-Event-ID` and do not reconnect after an error response.

use reqwest::header::HeaderValue;

use crate::harness::{Server, Store};

on_both_stores!(an_invalid_last_event_id_starts_with_a_resync);

async fn an_invalid_last_event_id_starts_with_a_resync(store: Store) {
    let server = Server::start(store).await;
    let add = async |id: u64| {
        let product = format!(r#"{{"id":{id},"name":"a","price":1,"amount":1}}"#);
        assert_eq!(server.post("/products", product).await.status, 201);
    };
    add(1).await;
    for (index, id) in
        ["garbage", "yesterday", "1", "-", "--", "1-2-3", "0x1-0x2", "-1--1", "ffffffffffffffffff-1", "%00"]
            .into_iter()
            .enumerate()
    {
        for query in ["", "?id=in.1,2,3,4,5,6,7,8,9,10,11,12"] {
            let mut events = server.follow(query, id).await;
            let resync = events.next().await.unwrap();
            assert_eq!(resync.kind, "resync", "{id}");
            // The id of the event is valid, so that the client misses nothing when it reconnects.
            if query.is_empty() {
                add(index as u64 + 2).await;
                let mut again = server.follow("", &resync.id).await;
                for events in [&mut events, &mut again] {
                    let event = events.next().await.unwrap();
                    assert_eq!(
                        (event.kind.as_str(), event.data["id"].as_u64()),
                        ("created", Some(index as u64 + 2))
                    );
                }
            }
        }
    }
    let not_text = HeaderValue::from_bytes(b"\xff").unwrap();
    let request = server.request("GET", "/products/changes").header("last-event-id", not_text);
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert!(response.chunk().await.unwrap().unwrap().starts_with(b"event: resync"));
    // The query is still checked.
    for path in ["/products/changes?after=garbage", "/products/changes?ids=1"] {
        let request = server.request("GET", path).header("last-event-id", "garbage");
        server.send(request).await.is_problem(400, "MALFORMED", &[]);
    }
}
