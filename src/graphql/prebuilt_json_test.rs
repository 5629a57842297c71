//! Tests that prebuilt JSON equals the results of the resolvers for any selection.

use std::{
    fmt::Write,
    sync::{Arc, LazyLock},
};

use async_graphql::{
    Context, EmptyMutation, EmptySubscription, Object, Request, Schema, ValidationMode, Value, Variables,
    parser::parse_query,
};
use futures_util::FutureExt;
use proptest::{prelude::*, sample::select};

use super::{
    execution::{field_order::FieldOrder, inputs::variables, selected_fields},
    prebuilt_json::{HasMergedFields, to_json},
    schema::{connection::ProductConnection, product::Product},
};
use crate::domain::{
    self, DecimalText, Filter, Listing, Page, SortColumn, SortDirection, SortKey, SortOrder, Version,
};

struct Root;

#[Object]
impl Root {
    async fn page(&self, ctx: &Context<'_>) -> ProductConnection {
        let by_price = SortKey { column: SortColumn::Price, direction: SortDirection::Descending };
        let by_name = SortKey { column: SortColumn::Name, direction: SortDirection::Ascending };
        let order = SortOrder::new([by_price, by_name]).unwrap();
        let listing = Listing { filter: Filter::default(), order };
        ProductConnection::new(ctx.data_unchecked::<Arc<Page>>().clone(), listing)
    }

    async fn product(&self, ctx: &Context<'_>) -> Option<Product> {
        ctx.data_unchecked::<Arc<Page>>().products.first().map(|product| product.clone().into())
    }
}

/// The schema of the tests. It accepts rewritten documents, in which variables may be unused.
static SCHEMA: LazyLock<Schema<Root, EmptyMutation, EmptySubscription>> = LazyLock::new(|| {
    let schema = Schema::build(Root, EmptyMutation, EmptySubscription);
    schema.validation_mode(ValidationMode::Fast).finish()
});

/// Executes a request and returns the response's data. No field waits, so one poll completes the execution.
fn data(request: Request, page: &Arc<Page>) -> Value {
    let response = SCHEMA.execute(request.data(page.clone())).now_or_never().unwrap();
    response.into_result().unwrap().data
}

/// A part of a selection set.
#[derive(Clone, Debug)]
struct Item {
    kind: Kind,
    directive: &'static str,
    selection: Vec<Item>,
}

#[derive(Clone, Debug)]
enum Kind {
    Field { name: &'static str, aliased: bool },
    InlineFragment { type_condition: bool },
    FragmentSpread,
}

fn directives() -> impl Strategy<Value = &'static str> {
    let conditions = [
        "@skip(if: true)",
        "@skip(if: false)",
        "@include(if: $yes)",
        "@include(if: $no)",
        "@skip(if: $no) @include(if: $yes)",
    ];
    prop_oneof![9 => Just(""), 1 => select(conditions.to_vec())]
}

/// Generates selections of a type: scalar fields, the given object fields, and fragments with these fields.
fn selections(
    scalars: &'static [&'static str],
    objects: Vec<(&'static str, BoxedStrategy<Vec<Item>>)>,
) -> BoxedStrategy<Vec<Item>> {
    let scalars = select(scalars).prop_map(|name| (name, vec![])).boxed();
    let objects = objects.into_iter().map(|(name, inner)| inner.prop_map(move |inner| (name, inner)).boxed());
    let fields = prop::strategy::Union::new([scalars].into_iter().chain(objects));
    let field = (fields, prop::bool::weighted(0.7), directives()).prop_map(
        |((name, selection), aliased, directive)| Item {
            kind: Kind::Field { name, aliased },
            directive,
            selection,
        },
    );
    let item = field.prop_recursive(2, 12, 4, |item| {
        let kinds = [
            Kind::FragmentSpread,
            Kind::InlineFragment { type_condition: true },
            Kind::InlineFragment { type_condition: false },
        ];
        let fragment = (select(kinds.to_vec()), directives(), prop::collection::vec(item, 1..4));
        fragment.prop_map(|(kind, directive, selection)| Item { kind, directive, selection })
    });
    prop::collection::vec(item, 1..6).boxed()
}

fn documents() -> impl Strategy<Value = String> {
    let product = || selections(&["id", "name", "price", "amount", "version", "__typename"], vec![]);
    let edge = selections(&["cursor", "__typename"], vec![("node", product())]);
    let page_info =
        selections(&["hasNextPage", "hasPreviousPage", "startCursor", "endCursor", "__typename"], vec![]);
    let connection =
        selections(&["__typename"], vec![("edges", edge), ("nodes", product()), ("pageInfo", page_info)]);
    let root = selections(&["__typename"], vec![("page", connection), ("product", product())]);
    root.prop_map(|root| {
        let mut writer = Writer::default();
        let root = writer.selection("Root", &root);
        format!("query($yes: Boolean = true, $no: Boolean = false) {{ {root} }} {}", writer.fragments)
    })
}

/// Writer of documents with unique aliases and fragment names.
#[derive(Default)]
struct Writer {
    count: usize,
    fragments: String,
}

impl Writer {
    fn selection(&mut self, object: &str, items: &[Item]) -> String {
        items.iter().map(|item| self.item(object, item)).collect()
    }

    fn item(&mut self, object: &str, Item { kind, directive, selection }: &Item) -> String {
        self.count += 1;
        let id = self.count;
        match kind {
            Kind::Field { name, aliased } => {
                let alias = if *aliased { format!("a{id}: ") } else { String::new() };
                let object = match *name {
                    "page" => "ProductConnection",
                    "edges" => "ProductEdge",
                    "pageInfo" => "PageInfo",
                    _ => "Product",
                };
                let selection = self.selection(object, selection);
                let selection = if selection.is_empty() { selection } else { format!("{{ {selection} }}") };
                format!("{alias}{name} {directive} {selection} ")
            }
            Kind::InlineFragment { type_condition } => {
                let condition = if *type_condition { format!("on {object}") } else { String::new() };
                format!("... {condition} {directive} {{ {} }} ", self.selection(object, selection))
            }
            Kind::FragmentSpread => {
                let selection = self.selection(object, selection);
                write!(self.fragments, "fragment f{id} on {object} {{ {selection} }} ").unwrap();
                format!("...f{id} {directive} ")
            }
        }
    }
}

fn products() -> impl Strategy<Value = domain::Product> {
    let price = (0..=9_999_999_999_i64, 0..=9999_u16).prop_map(|(whole, rest)| format!("{whole}.{rest:04}"));
    let fields = (1..=9_007_199_254_740_991_i64, "[a-z\"\\\\/é🦀<]{1,20}", price, 0..=i32::MAX, any::<u64>());
    fields.prop_map(|(id, name, price, amount, version)| domain::Product {
        id: (&DecimalText::from(id.to_string())).try_into().unwrap(),
        name: name.parse().unwrap(),
        price: price.parse().unwrap(),
        amount: (&DecimalText::from(amount)).try_into().unwrap(),
        version: Version::first(version),
    })
}

/// Executes a document as the server does, and returns the response's data as JSON. `resolved` disables
/// prebuilt JSON.
fn execute(page: &Arc<Page>, document: &str, resolved: bool) -> String {
    let mut parsed = parse_query(document).unwrap();
    let operation = &parsed.operations.iter().next().unwrap().1.node;
    let order = FieldOrder::new(&parsed, operation);
    let mut variables = Variables::default();
    variables::add_defaults(&mut variables, operation);
    selected_fields::rewrite(&mut parsed, None, &variables);
    let mut request = Request::new("").variables(variables);
    request.set_parsed_query(parsed);
    if resolved || order.has_merged_fields {
        request = request.data(HasMergedFields);
    }
    let mut data = data(request, page);
    order.sort(&mut data);
    String::from_utf8(to_json(&data)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn prebuilt_json_equals_resolved_fields(
        products in prop::collection::vec(products(), 0..3),
        document in documents(),
    ) {
        let page = Arc::new(Page { products, has_next: true, has_previous: false });
        prop_assert_eq!(execute(&page, &document, false), execute(&page, &document, true));
    }
}

#[test]
fn plain_selections_are_prebuilt() {
    let products = vec![domain::Product {
        id: "7".parse().unwrap(),
        name: "a".parse().unwrap(),
        price: "1.5".parse().unwrap(),
        amount: (&DecimalText::from(2)).try_into().unwrap(),
        version: Version::first(1),
    }];
    let page = Arc::new(Page { products, has_next: false, has_previous: false });
    let query = "{ page { edges { cursor node { id name price amount version } } } product { a: id } }";
    let text = format!("{:?}", data(Request::new(query), &page));
    assert_eq!(text.matches("Binary").count(), 2, "{text}");
}
