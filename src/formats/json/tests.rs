//! Tests that the fast path changes neither the values that are read nor the texts that are rejected.

use proptest::{prelude::*, sample::select};

use super::*;

type Fields<'a> = [Value<'a>; 4];

fn fields(draft: Draft) -> Fields {
    [draft.id, draft.name, draft.price, draft.amount]
}

/// Parses an object with `serde_json`, as [`parse_object`] does without the fast path.
fn object_by_serde(text: &str) -> Result<Option<Fields<'_>>, serde_json::Error> {
    serde_json::from_str(text).map(|ObjectOrOther(draft)| draft.map(fields))
}

/// Parses an array with `serde_json`, as [`parse_array`] does without the fast path. Returns the products and
/// their errors as text, for comparison.
fn array_by_serde(text: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str(text).map(|CheckedArray(products)| format!("{products:?}"))
}

fn array_by_fast_path(text: &str) -> Option<String> {
    let mut products = NewProducts::default();
    fast_path::parse_array(text, |draft| products.push(Some(draft)))?;
    Some(format!("{products:?}"))
}

fn white_space() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just(""), 1 => select(vec![" ", "\t", "\r\n", "  \n "])]
}

/// Generates the quoted names of known and unknown fields.
fn field_name() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => select(vec!["id", "name", "price", "amount"]).prop_map(|name| format!("\"{name}\"")),
        1 => select(vec!["\"\"", "\"Id\"", "\"n\\u0061me\"", "\"größe\""]).prop_map(str::to_owned),
    ]
}

/// Generates numbers of at most 18 digits without an exponent.
fn plain_number() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,9})(\\.[0-9]{1,8})?"
}

/// Generates strings without escapes.
fn plain_string() -> impl Strategy<Value = String> {
    "\"[ !#-\\[\\]-~\u{7f}\u{80}äß名🦀]{0,20}\""
}

/// Values at the limits of the fast path, values that only `serde_json` reads, and invalid JSON.
const SPECIAL_VALUES: [&str; 40] = [
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "[1,{}]",
    "{\"id\":1}",
    "01",
    "-01",
    "00",
    "-00",
    "-",
    "1.",
    ".5",
    "+1",
    "1e5",
    "1E-2",
    "1.5e+3",
    "1e",
    "NaN",
    "0x1",
    "\"a\nb\"",
    "\"\t\"",
    "\"a\\nb\"",
    "\"\\ud83e\\udd80\"",
    "\"\\ud83e\"",
    "\"\\x\"",
    "\"\\\"",
    "\"",
    "'a'",
    "",
    "1 2",
    "-0",
    "-0.0",
    "1\u{a0}",
    "999999999999999999",
    "1234567890123456789",
    "0.000000000000000001",
    "1,2",
    "1}",
];

fn special_value() -> impl Strategy<Value = String> {
    prop_oneof![
        select(&SPECIAL_VALUES[..]).prop_map(str::to_owned),
        "-?[0-9]{15,22}(\\.[0-9]{1,20})?",
        "\"([a-z]|\\\\[\"\\\\/bfnrtu0-9a-f]){0,8}\"",
    ]
}

fn plain_value() -> impl Strategy<Value = String> {
    prop_oneof![plain_number(), plain_string()]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![8 => plain_value(), 1 => special_value()]
}

/// Generates objects in which fields may be repeated.
fn any_object() -> impl Strategy<Value = String> {
    let field = (white_space(), field_name(), white_space(), value(), white_space())
        .prop_map(|(before, name, colon, value, after)| format!("{before}{name}{colon}:{value}{after}"));
    (white_space(), prop::collection::vec(field, 0..6), white_space())
        .prop_map(|(before, fields, after)| format!("{before}{{{}}}{after}", fields.join(",")))
}

/// Generates objects without repeated fields.
fn distinct_object<S: Strategy<Value = String>>(value: impl Fn() -> S) -> impl Strategy<Value = String> {
    let fields = ["id", "name", "price", "amount", "other"].map(|name| {
        prop::option::of((white_space(), value(), white_space())).prop_map(move |value| {
            value.map(|(colon, value, after)| format!("\"{name}\":{colon}{value}{after}"))
        })
    });
    Vec::from(fields)
        .prop_shuffle()
        .prop_map(|fields| format!("{{{}}}", fields.into_iter().flatten().collect::<Vec<_>>().join(",")))
}

fn object() -> impl Strategy<Value = String> {
    prop_oneof![distinct_object(plain_value), distinct_object(value), any_object()]
}

fn array() -> impl Strategy<Value = String> {
    let item = prop_oneof![9 => distinct_object(plain_value), 3 => object(), 1 => value()];
    (white_space(), prop::collection::vec(item, 0..5), white_space())
        .prop_map(|(before, items, after)| format!("{before}[{}]{after}", items.join(",")))
}

/// Replaces up to three characters with other pieces of syntax, or deletes them.
fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let pieces = vec![
        "", "", "{", "}", "[", "]", ",", ":", "\"", "\\", "-", ".", "0", "e", " ", "\u{0}", "\u{a0}",
        "\u{feff}", "null", "ä",
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), select(pieces)), 0..4);
    (text, edits).prop_map(|(text, edits)| {
        let mut pieces: Vec<String> = text.chars().map(String::from).collect();
        for (index, piece) in edits {
            if !pieces.is_empty() {
                let index = index.index(pieces.len());
                piece.clone_into(&mut pieces[index]);
            }
        }
        pieces.concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_fast_path_reads_objects_as_serde_json_does(text in damaged(object())) {
        if let Some(draft) = fast_path::parse_object(&text) {
            let by_serde = object_by_serde(&text);
            prop_assert!(by_serde.is_ok(), "serde_json: {:?}", by_serde);
            prop_assert_eq!(Some(fields(draft)), by_serde.unwrap());
        }
        let parsed = parse_object::<Draft>(&text);
        prop_assert_eq!(parsed.ok().map(|draft| draft.map(fields)), object_by_serde(&text).ok());
    }

    #[test]
    fn the_fast_path_reads_arrays_as_serde_json_does(text in damaged(array())) {
        if let Some(products) = array_by_fast_path(&text) {
            let by_serde = array_by_serde(&text);
            prop_assert!(by_serde.is_ok(), "serde_json: {:?}", by_serde);
            prop_assert_eq!(products, by_serde.unwrap());
        }
        let parsed = parse_array(&text).map(|products| format!("{products:?}"));
        prop_assert_eq!(parsed.ok(), array_by_serde(&text).ok());
    }

    #[test]
    fn the_fast_path_supports_plain_objects(text in distinct_object(plain_value)) {
        let draft = fast_path::parse_object(&text).map(fields);
        prop_assert!(draft.is_some());
        prop_assert_eq!(draft, object_by_serde(&text).unwrap());
    }

    #[test]
    fn syntax_is_checked_as_serde_json_does(text in damaged(object())) {
        // The reverse is false: only `parse_object` accepts a string with an unpaired surrogate.
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(parse_object::<Draft>(&text).is_ok());
        }
    }
}

#[test]
fn special_values_are_read_as_serde_json_reads_them() {
    for value in SPECIAL_VALUES {
        for text in [format!("{{\"price\":{value}}}"), format!("{{\"name\":{value},\"other\":{value}}}")] {
            if let Some(draft) = fast_path::parse_object(&text) {
                assert_eq!(object_by_serde(&text).unwrap(), Some(fields(draft)), "{text}");
            }
            let array = format!("[{text}]");
            if let Some(products) = array_by_fast_path(&array) {
                assert_eq!(products, array_by_serde(&array).unwrap(), "{array}");
            }
        }
    }
}

#[test]
fn names_and_prices_survive_writing_and_reading() {
    let text = r#"{"id":1,"name":"a \"b\" \\ 🦀","price":0.0001,"amount":2147483647}"#;
    let draft = parse_object::<Draft>(text).unwrap().unwrap();
    assert_eq!(draft.name, Value::Text("a \"b\" \\ 🦀".into()));
    assert_eq!(draft.price, Value::Number("0.0001".into()));
}
