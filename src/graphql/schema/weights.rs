//! Weights of all fields. The weights of an object's fields are defined in its own module.

use super::{connection, field_weight::FieldWeight, mutation, query};

/// Returns the weight of a field by its name only, because its type is unknown before validation.
pub fn weight_of(field: &str) -> FieldWeight {
    all().find(|(name, _)| *name == field).map_or(FieldWeight::DEFAULT, |(_, weight)| *weight)
}

/// Weights of the introspection fields that return lists.
const INTROSPECTION: &[(&str, FieldWeight)] = &[
    ("types", FieldWeight::about(20)),
    ("fields", FieldWeight::about(5)),
    ("inputFields", FieldWeight::about(5)),
    ("enumValues", FieldWeight::about(5)),
    ("directives", FieldWeight::about(5)),
    ("args", FieldWeight::about(2)),
    ("interfaces", FieldWeight::about(2)),
    ("possibleTypes", FieldWeight::about(2)),
    // Locations are enum values, which have no selection.
    ("locations", FieldWeight::DEFAULT),
];

fn all() -> impl Iterator<Item = &'static (&'static str, FieldWeight)> {
    [query::WEIGHTS, mutation::WEIGHTS, connection::WEIGHTS, INTROSPECTION].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Returns the names and types of all fields, including the fields of introspection.
    async fn fields() -> Vec<(String, String)> {
        let query = "{ __schema { types { name fields { name type { kind ofType { kind } } } } } }";
        let response = crate::graphql::schema::builder().finish().execute(query).await;
        let schema = response.into_result().unwrap().data.into_json().unwrap();
        let types = schema["__schema"]["types"].as_array().unwrap().iter();
        let fields = types.filter_map(|object| object["fields"].as_array()).flatten();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        fields.map(|field| (text(&field["name"]), field["type"].to_string())).collect()
    }

    #[tokio::test]
    async fn every_list_has_a_weight() {
        let fields = fields().await;
        let lists: Vec<_> = fields.iter().filter(|(_, kind)| kind.contains("LIST")).collect();
        assert!(lists.iter().any(|(name, _)| name == "possibleTypes") && lists.len() > 10, "{lists:?}");
        for (list, _) in lists {
            assert!(all().any(|(name, _)| name == list), "{list} has no weight");
        }
    }

    #[tokio::test]
    async fn every_weight_has_a_field() {
        let fields: BTreeSet<_> = fields().await.into_iter().map(|(name, _)| name).collect();
        let mut weighted = BTreeSet::new();
        for (name, _) in all() {
            assert!(weighted.insert(*name), "{name} has two weights");
            assert!(fields.contains(*name), "{name} is not a field");
        }
    }
}
