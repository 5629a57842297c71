//! Paging, sorting and filtering of `GET /products`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{NORTHWIND, Response, Server, Store};

on_both_stores!(
    page_links_cover_every_sort_order_both_ways,
    filters_select_matching_products,
    invalid_parameters_are_rejected_by_name,
    paging_misses_nothing_during_writes,
);

fn ids(response: &Response) -> Vec<u64> {
    assert_eq!(response.status, 200, "{response:?}");
    response.json().as_array().unwrap().iter().map(|product| product["id"].as_u64().unwrap()).collect()
}

/// Returns the URL of the `Link` (RFC 8288) with this relation, or `None` if the response has no such link.
fn link(response: &Response, relation: &str) -> Option<String> {
    let mut links = response.header("link").split(", ");
    let link = links.find_map(|link| link.strip_suffix(&format!(">; rel=\"{relation}\"")))?;
    Some(link.trim_start_matches('<').to_owned())
}

async fn page_links_cover_every_sort_order_both_ways(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", NORTHWIND).await;
    let file: Value = serde_json::from_str(NORTHWIND).unwrap();
    let products = file.as_array().unwrap();
    // Numbers are padded to texts of equal length, which have the same order as the numbers.
    let key = |product: &Value, field: &str| match &product[field] {
        Value::String(name) => name.clone(),
        number => format!("{:020.4}", number.as_f64().unwrap()),
    };
    for sort in
        ["id", "-id", "price", "-price", "name", "-name", "amount,-name", "price,-id", "-amount,price,name"]
    {
        let mut expected: Vec<&Value> = products.iter().collect();
        // The sort is stable. The id is the least significant field, so the products are sorted by it first.
        expected.sort_by_key(|product| product["id"].as_u64());
        for field in sort.split(',').rev() {
            match field.strip_prefix('-') {
                Some(field) => expected.sort_by_key(|product| std::cmp::Reverse(key(product, field))),
                None => expected.sort_by_key(|product| key(product, field)),
            }
        }
        let expected: Vec<u64> = expected.iter().map(|product| product["id"].as_u64().unwrap()).collect();
        assert_eq!(ids(&server.get(&format!("/products?sort={sort}&limit=1000")).await), expected, "{sort}");

        let first = format!("/products?sort={sort}&limit=10");
        let (mut forward, mut next) = (Vec::new(), Some(first.clone()));
        let mut last = None;
        while let Some(address) = next {
            let page = server.get(&address).await;
            assert_eq!(ids(&server.get(&link(&page, "first").unwrap()).await), expected[..10]);
            forward.extend(ids(&page));
            next = link(&page, "next");
            last = Some(page);
        }
        assert_eq!(forward, expected, "{sort}");
        let (mut backward, mut previous) = (Vec::new(), link(&last.unwrap(), "prev"));
        while let Some(address) = previous {
            let page = server.get(&address).await;
            backward.splice(0..0, ids(&page));
            previous = link(&page, "prev");
        }
        assert_eq!(backward, expected[..70], "{sort}");
    }
}

async fn filters_select_matching_products(store: Store) {
    let server = Server::start(store).await;
    let product = |id: u64, name: &str, price: f64, amount: u64| json!({ "id": id, "name": name, "price": price, "amount": amount });
    let products = json!([
        product(1, "Laptop", 999.99, 10),
        product(2, "laptop stand", 0.1, 0),
        product(3, "100% wool", 10.0, 5),
        product(4, "1000 wool_", 10.0001, 5),
        product(5, "Äpfel", 9.9999, 7),
        product(6, "äpfel\\", 10.0, 7),
    ]);
    server.post("/products", products.to_string()).await;
    for (query, expected) in [
        ("name=contains.LAP", &[1, 2][..]),
        ("name=prefix.laptop%20", &[2]),
        ("name=prefix.top", &[]),
        ("name=eq.LAPTOP", &[1]),
        ("name=contains.0%25", &[3]),
        ("name=contains.l_", &[4]),
        ("name=contains.%5C", &[6]),
        // Case is ignored only for ASCII letters.
        ("name=prefix.%C3%84", &[5]),
        ("name=contains.%C3%A4PFEL", &[6]),
        ("price=eq.10.0", &[3, 6]),
        ("price=gt.10", &[1, 4]),
        ("price=gte.10", &[1, 3, 4, 6]),
        ("price=lt.1e1", &[2, 5]),
        ("price=lte.10", &[2, 3, 5, 6]),
        ("price=in.0.1,9.9999", &[2, 5]),
        ("amount=gte.5&amount=lt.10&name=contains.wool", &[3, 4]),
        ("amount=eq.0", &[2]),
        ("id=in.6,1,77", &[1, 6]),
        ("id=gt.4&sort=-id", &[6, 5]),
        ("price=gte.10&sort=-amount&limit=3", &[1, 6, 3]),
        ("id=eq.9007199254740991", &[]),
    ] {
        let response = server.get(&format!("/products?{query}&count=exact")).await;
        assert_eq!(ids(&response), expected, "{query}");
        if !query.contains("limit") {
            assert_eq!(response.header("x-total-count"), expected.len().to_string(), "{query}");
        }
    }
    let page = server.get("/products?price=gte.10&limit=2&count=exact").await;
    assert_eq!((ids(&page), page.header("x-total-count")), (vec![1, 3], "4"));
    assert_eq!(ids(&server.get(&link(&page, "next").unwrap()).await), [4, 6]);
    assert_eq!(
        server.get("/products?limit=2").await.header("x-total-count"),
        "",
        "the total is sent only on request"
    );
}

async fn invalid_parameters_are_rejected_by_name(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", NORTHWIND).await;
    let by_price = link(&server.get("/products?sort=price&limit=5").await, "next").unwrap();
    let cursor = by_price.split("after=").nth(1).unwrap();
    for (query, status, name) in [
        ("limt=5", 400, "limt"),
        ("offset=5", 400, "offset"),
        ("limit=5&limit=6", 400, "limit"),
        ("before=x", 400, "before"),
        ("count=all", 400, "count"),
        ("sort=price", 400, "sort"),
        ("limit=5&after=x&before=x", 400, "after and before"),
        (&format!("{}id=gt.1", "id=gt.1&".repeat(50)), 422, "id"),
        (&format!("{}id=gt.1", "id=gt.1&".repeat(3500)), 422, "id"),
        ("limit=0", 422, "limit"),
        ("limit=1001", 422, "limit"),
        ("limit=x", 422, "limit"),
        ("limit=5&after=x", 422, "after"),
        (&format!("limit=5&after={cursor}"), 422, "after"),
        ("sort=colour", 422, "sort"),
        ("sort=", 422, "sort"),
        ("sort=price,-price", 422, "sort"),
        ("price=10", 422, "price"),
        ("price=gte.cheap", 422, "price"),
        ("price=contains.1", 422, "price"),
        ("price=in.1,x", 422, "price"),
        ("amount=eq.2147483648", 422, "amount"),
        ("id=eq.0", 422, "id"),
        ("name=gt.a", 422, "name"),
        ("name=contains.", 422, "name"),
        ("name=contains.%00", 422, "name"),
    ] {
        let response = server.get(&format!("/products?{query}")).await;
        assert_eq!(response.status, status, "{query}: {response:?}");
        assert!(response.json()["detail"].as_str().unwrap().contains(name), "{query}: {response:?}");
    }
}

async fn paging_misses_nothing_during_writes(store: Store) {
    let server = Server::start(store).await;
    // Products with even ids stay. Products with odd ids are created and deleted while the pages are read.
    // Many products have equal prices, so their order depends on the id.
    let product = |id: u64| json!({ "id": id, "name": "x", "price": id % 7, "amount": 1 });
    let permanent: Vec<_> = (1..=300).map(|n| product(2 * n)).collect();
    server.post("/products", Value::from(permanent).to_string()).await;
    for sort in ["id", "-price", "price,-id"] {
        let read_pages = async {
            let (mut seen, mut next) = (Vec::new(), Some(format!("/products?sort={sort}&limit=7")));
            while let Some(address) = next {
                let page = server.get(&address).await;
                seen.extend(ids(&page));
                next = link(&page, "next");
            }
            seen
        };
        let writes = async {
            for n in 1..300 {
                server.post("/products", product(2 * n + 1).to_string()).await;
                server.delete(&format!("/products/{}", 2 * (n * 71 % 300) + 1)).await;
            }
        };
        let (seen, ()) = tokio::join!(read_pages, writes);
        let distinct: BTreeSet<u64> = seen.iter().copied().collect();
        assert_eq!(distinct.len(), seen.len(), "{sort}: duplicate products");
        assert_eq!(distinct.iter().filter(|id| **id % 2 == 0).count(), 300, "{sort}: missing products");
    }
}
