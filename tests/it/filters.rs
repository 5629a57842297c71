//! Filters that are not valid: the error says whether the operator is missing or unknown.

use crate::harness::{Server, Store};

#[tokio::test]
async fn missing_and_unknown_operators_are_named() {
    let server = Server::start(Store::Sqlite).await;
    let numbers = "use one of eq, gt, gte, lt, lte, in";
    let names = "use one of eq, contains, prefix";
    for (query, problem, remedy) in [
        ("name=laptop", "name needs an operator, such as eq.laptop", names),
        ("name=St.%20John", "name needs an operator, such as eq.St. John", names),
        ("name=in.a,b", r#"name has the unknown operator "in""#, names),
        ("name=a,b", "name needs an operator, such as eq.a,b", names),
        ("name=like.a*", r#"name has the unknown operator "like""#, names),
        ("name=EQ.a", r#"name has the unknown operator "EQ""#, names),
        ("name=", "name needs an operator and a value", names),
        ("price=10", "price needs an operator, such as eq.10", numbers),
        ("price=9.99", "price needs an operator, such as eq.9.99", numbers),
        ("price=%3E10", "price needs an operator, such as eq.>10", numbers),
        ("price=neq.10", r#"price has the unknown operator "neq""#, numbers),
        ("price=not.eq.10", r#"price has the unknown operator "not""#, numbers),
        ("amount=0", "amount needs an operator, such as eq.0", numbers),
        ("amount=contains.1", r#"amount has the unknown operator "contains""#, numbers),
        ("id=7", "id needs an operator, such as eq.7", numbers),
        ("id=1,2", "id needs an operator, such as in.1,2", numbers),
        ("id=.7", "id needs an operator, such as eq..7", numbers),
    ] {
        let field = format!("/{}", query.split('=').next().unwrap());
        for response in [
            server.get(&format!("/products?{query}")).await,
            server.delete(&format!("/products?{query}")).await,
        ] {
            response.is_problem(422, "INVALID", &[&field]);
            assert_eq!(response.json()["detail"], format!("{problem}: {remedy}"), "{query}");
        }
    }
    for (query, detail) in [
        ("id=7", "id needs an operator, such as eq.7: use one of eq, in"),
        ("id=1,2", "id needs an operator, such as in.1,2: use one of eq, in"),
        ("id=gt.7", r#"id has the unknown operator "gt": use one of eq, in"#),
    ] {
        let response = server.get(&format!("/products/changes?{query}")).await;
        response.is_problem(422, "INVALID", &["/id"]);
        assert_eq!(response.json()["detail"], detail);
    }
    // A long value is not repeated completely.
    let response = server.get(&format!("/products?name={}", "x".repeat(5_000))).await;
    assert!(response.json()["detail"].as_str().unwrap().len() < 150);
    // The operator is present, but its value is missing.
    for (query, detail) in
        [("name=eq", "name must be compared with 1 to 255"), ("price=gt.", "price must be a number")]
    {
        let response = server.get(&format!("/products?{query}")).await;
        assert!(response.json()["detail"].as_str().unwrap().starts_with(detail), "{response:?}");
    }
}
