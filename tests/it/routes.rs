//! Compares the list of routes with the OpenAPI document. `documents.rs` compares the list with docs/rest.md.

use std::collections::BTreeSet;

use stockmeter::app::{openapi, routes::ROUTES};

#[test]
fn the_openapi_document_has_the_listed_routes_and_statuses() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let mut documented = BTreeSet::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let statuses = operation["responses"].as_object().unwrap().keys();
            let statuses: BTreeSet<u16> = statuses.map(|status| status.parse().unwrap()).collect();
            documented.insert((method.to_uppercase(), template.clone(), statuses));
        }
    }
    let listed = ROUTES.iter().filter(|route| !route.is_console).map(|route| {
        let statuses = route.statuses.iter().copied().collect();
        (route.method.to_owned(), route.template.to_owned(), statuses)
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), documented);
}

#[test]
fn every_route_is_listed_once() {
    let names: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.template)).collect();
    assert_eq!(names.len(), ROUTES.len());
}
