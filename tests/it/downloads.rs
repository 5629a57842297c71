//! `GET /products?format=…`, which a browser saves as a file.

use crate::harness::{Server, Store};

on_both_stores!(the_format_parameter_names_a_file);

async fn the_format_parameter_names_a_file(store: Store) {
    let server = Server::start(store).await;
    let products: Vec<_> =
        (1..=2_500).map(|id| format!(r#"{{"id":{id},"name":"a","price":1.0,"amount":1}}"#)).collect();
    let json = format!("[{}]", products.join(","));
    server.post("/products", json.clone()).await;
    let csv = (1..=2_500)
        .fold("id,name,price,amount\r\n".to_owned(), |file, id| file + &format!("{id},a,1.0,1\r\n"));
    let ndjson = products.iter().fold(String::new(), |file, product| file + product + "\n");
    for (format, kind, text) in [
        ("csv", "text/csv; charset=utf-8; header=present", csv),
        ("ndjson", "application/x-ndjson", ndjson),
        ("json", "application/json", json),
    ] {
        // The parameter has priority over the header, which a link cannot set.
        for accept in ["text/html,application/xhtml+xml,*/*;q=0.8", "text/csv", "application/json"] {
            let request = server.request("GET", &format!("/products?format={format}"));
            let response = server.send(request.header("accept", accept)).await;
            response.is(200, &text);
            assert_eq!(response.header("content-type"), kind);
            let disposition = format!("attachment; filename=products.{format}");
            assert_eq!(response.header("content-disposition"), disposition);
        }
        let head = server.send(server.request("HEAD", &format!("/products?format={format}"))).await;
        assert_eq!((head.status, head.header("content-type")), (200, kind));
    }
    // Links to other pages keep the format.
    let page = server.get("/products?limit=1&format=csv&sort=-id").await;
    page.is(200, "id,name,price,amount\r\n2500,a,1.0,1\r\n");
    assert!(page.header("link").contains("limit=1&format=csv&sort=-id"), "{page:?}");
    assert_eq!(page.header("content-disposition"), "attachment; filename=products.csv");
    assert_eq!(server.get("/products?limit=1").await.header("content-disposition"), "");
    for query in ["format=xml", "format=CSV", "format=", "format=csv&format=json"] {
        let response = server.get(&format!("/products?{query}")).await;
        response.is_problem(400, "MALFORMED", &[]);
        assert!(response.json()["detail"].as_str().unwrap().starts_with("format must be"), "{response:?}");
        assert_eq!(response.header("content-disposition"), "");
    }
    let error = server.get("/products?format=csv&price=x").await;
    error.is_problem(422, "INVALID", &["/price"]);
    server.delete("/products?format=csv&id=eq.1").await.is_problem(400, "MALFORMED", &[]);
}
