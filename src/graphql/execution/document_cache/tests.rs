use std::time::Duration;

use serde_json::json;

use super::*;
use crate::graphql::schema;

const LIMITS: Limits = Limits {
    bytes: 10_000,
    depth: 10,
    cost: 1000,
    values: 1000,
    root_fields: 10,
    aliases: 10,
    directives: 10,
    batch: 10,
    timeout: Duration::from_secs(1),
    introspection: true,
};

const QUERY: &str = "{ product(id: 1) { name } }";

/// Parses and caches a document in the same way as a valid request.
fn use_document(cache: &DocumentCache, text: &str) -> Arc<CachedDocument> {
    let document = cache.parse(text, &LIMITS).unwrap();
    if let Some((_, operation)) = document.single_operation() {
        document.field_order(operation);
    }
    cache.insert(None, text, &document);
    document
}

/// Resolves a request with this text and this value of `persistedQuery`. Returns the text and the hash.
fn resolve(
    cache: &DocumentCache,
    text: &str,
    persisted: serde_json::Value,
) -> Result<(String, Option<Hash>), GraphqlErrorCode> {
    let extensions = HashMap::from([("persistedQuery".to_owned(), Value::from_json(persisted).unwrap())]);
    let resolved = cache.resolve_persisted_query(text, &extensions).map_err(|(code, _)| code)?;
    Ok((resolved.0.into_owned(), resolved.1))
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn by_hash(hash: &str) -> serde_json::Value {
    json!({ "version": 1, "sha256Hash": hash })
}

#[test]
fn a_document_is_parsed_once() {
    let cache = DocumentCache::default();
    let first = cache.parse(QUERY, &LIMITS).unwrap();
    // Documents are cached only after they have passed the limits.
    assert!(!Arc::ptr_eq(&first, &cache.parse(QUERY, &LIMITS).unwrap()));
    cache.insert(None, QUERY, &first);
    assert!(Arc::ptr_eq(&first, &cache.parse(QUERY, &LIMITS).unwrap()));
    // A second insert, as from a concurrent request, changes nothing.
    let second = Arc::new(CachedDocument::new(parse_query(QUERY).unwrap()));
    cache.insert(None, QUERY, &second);
    assert!(Arc::ptr_eq(&first, &cache.parse(QUERY, &LIMITS).unwrap()));
    assert!(!Arc::ptr_eq(&first, &cache.parse("{ product(id: 2) { name } }", &LIMITS).unwrap()));
}

#[test]
fn texts_above_a_limit_and_invalid_ones_are_not_parsed() {
    let cache = DocumentCache::default();
    for text in ["{ a ".repeat(3000), "[".repeat(2000), "{".to_owned(), String::new()] {
        assert!(cache.parse(&text, &LIMITS).is_err(), "{text}");
    }
    assert!(cache.parsed.is_empty());
}

#[test]
fn old_documents_are_evicted_when_the_cache_is_full() {
    let cache = DocumentCache::default();
    let text = |n: usize| format!("{{ product(id: {n}) {{ name }} }} #{}", "x".repeat(4000));
    for n in 0..1000 {
        use_document(&cache, &text(n));
        assert!(cache.parsed.weight() <= MAX_BYTES, "{} bytes", cache.parsed.weight());
    }
    let cached = (0..1000).filter(|n| cache.parsed.peek(text(*n).as_str()).is_some()).count();
    assert_eq!(cached, cache.parsed.len());
    assert!((50..=128).contains(&cached), "{cached} documents");
}

#[test]
fn fields_of_repeated_fragments_count_towards_the_weight() {
    let cache = DocumentCache::default();
    // Each level doubles the number of fields.
    let levels: String = (0..12)
        .map(|n| {
            let next = n + 1;
            format!("fragment F{n} on Product {{ a{n}: x {{ ...F{next} }} b{n}: x {{ ...F{next} }} }} ")
        })
        .collect();
    let text = format!("{{ product(id: 1) {{ ...F0 }} }} {levels} fragment F12 on Product {{ name }}");
    let fields = (1..=12).map(|level| 2_u64.pow(level)).sum::<u64>() + 2_u64.pow(12) + 1;
    let document = cache.parse(&text, &LIMITS).unwrap();
    let (_, operation) = document.single_operation().unwrap();
    assert_eq!(document.field_order(operation).total_field_count() as u64, fields);
    let weight = TextWeighter.weight(&Arc::from(text.as_str()), &document);
    assert_eq!(weight, text.len() as u64 + fields * FIELD_WEIGHT as u64);
}

#[test]
fn only_documents_with_one_operation_keep_what_was_computed() {
    let cache = DocumentCache::default();
    let single = use_document(&cache, "query A { product(id: 1) { name } }");
    let (name, operation) = single.single_operation().unwrap();
    assert_eq!(name.map(Name::as_str), Some("A"));
    assert!(Arc::ptr_eq(&single.field_order(operation), &single.field_order(operation)));

    let several = use_document(&cache, "query A { a } query B { b }");
    assert!(several.single_operation().is_none());
    for (_, operation) in several.ast.operations.iter() {
        assert_eq!(several.field_order(&operation.node).root_field_count(), 1);
    }
    assert!(several.field_order.get().is_none());
}

#[tokio::test]
async fn a_document_is_validated_once() {
    let schema = schema::builder().extension(validation::SeparateValidation).finish();
    let valid = CachedDocument::new(parse_query("query A($id: ID!) { product(id: $id) { name } }").unwrap());
    assert!(valid.rules().is_none());
    let first: *const VariableRules = valid.validate(&schema).await.unwrap();
    assert!(std::ptr::eq(first, valid.validate(&schema).await.unwrap()));
    assert!(valid.rules().unwrap().of_operation(Some(&Name::new("A"))).is_some());

    let invalid = CachedDocument::new(parse_query("{ nothing }").unwrap());
    assert!(invalid.validate(&schema).await.is_err());
    assert!(invalid.rules().is_none());
}

#[test]
fn many_uses_of_a_variable_take_the_memory_of_one() {
    let uses = "products(filter: { id: { eq: $a, in: [$b], gt: $a, lt: $a } }) { totalCount } ".repeat(20);
    let document = parse_query(format!("query($a: ID, $b: ID!) {{ {uses} }}")).unwrap();
    let rules = VariableRules::new(&document).unwrap();
    assert_eq!(rules.of_operation(None).unwrap().non_null_uses.len(), 1);
}

#[test]
fn a_persisted_query_is_found_by_its_hash_once_inserted() {
    let cache = DocumentCache::default();
    let persisted = by_hash(&sha256(QUERY));
    assert_eq!(resolve(&cache, "", persisted.clone()), Err(GraphqlErrorCode::PersistedQueryNotFound));
    let (text, hash) = resolve(&cache, QUERY, persisted.clone()).unwrap();
    assert_eq!((text.as_str(), hash.is_some()), (QUERY, true));
    // The text is not cached yet, because the request may still be rejected.
    assert_eq!(resolve(&cache, "", persisted.clone()), Err(GraphqlErrorCode::PersistedQueryNotFound));
    cache.insert(hash, &text, &cache.parse(&text, &LIMITS).unwrap());
    assert_eq!(resolve(&cache, "", persisted), Ok((QUERY.to_owned(), None)));
    let upper_case = by_hash(&sha256(QUERY).to_uppercase());
    assert_eq!(resolve(&cache, "", upper_case), Ok((QUERY.to_owned(), None)));
}

#[test]
fn a_text_with_the_hash_of_another_text_is_rejected() {
    let cache = DocumentCache::default();
    use_document(&cache, QUERY);
    let persisted = by_hash(&sha256(QUERY));
    for text in ["{ product(id: 2) { name } }", "{ product(id: 1) { name } } "] {
        let result = resolve(&cache, text, persisted.clone());
        assert_eq!(result, Err(GraphqlErrorCode::PersistedQueryMismatch), "{text}");
    }
    assert!(cache.persisted.is_empty());
}

#[test]
fn a_malformed_hash_is_rejected() {
    let cache = DocumentCache::default();
    let hash = sha256(QUERY);
    for persisted in [
        json!({}),
        json!({ "sha256Hash": null }),
        json!({ "sha256Hash": 1 }),
        by_hash(""),
        by_hash(&hash[1..]),
        by_hash(&format!("{hash}0")),
        by_hash(&format!("g{}", &hash[1..])),
        by_hash(&format!("ä{}", &hash[2..])),
    ] {
        for text in ["", QUERY] {
            let result = resolve(&cache, text, persisted.clone());
            assert_eq!(result, Err(GraphqlErrorCode::Malformed), "{persisted}");
        }
    }
    // A `persistedQuery` that is not an object is ignored.
    assert_eq!(resolve(&cache, QUERY, json!(true)), Ok((QUERY.to_owned(), None)));
}

#[test]
fn old_persisted_queries_are_evicted_when_the_cache_is_full() {
    let cache = DocumentCache::default();
    let document = cache.parse(QUERY, &LIMITS).unwrap();
    for n in 0..1000 {
        let text = format!("{QUERY} #{n}{}", "x".repeat(4000));
        cache.insert(Some(Sha256::digest(text.as_bytes()).into()), &text, &document);
        assert!(cache.persisted.weight() <= MAX_BYTES, "{} bytes", cache.persisted.weight());
    }
    assert!((50..=128).contains(&cache.persisted.len()), "{} texts", cache.persisted.len());
}
