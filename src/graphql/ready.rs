//! Lists whose items are there already. The library makes a future for each field of each item; what needs no waiting is
//! written at once instead.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value,
    indexmap::IndexMap,
    parser::types::{Field, Selection, SelectionSet},
    registry::Registry,
};

/// A list of such items.
pub struct Ready<T>(pub Vec<T>);

/// What has fields that are there already.
pub trait Item: OutputType {
    /// The value of a field; none where the library has to find it.
    fn value(&self, field: &Field) -> Option<Value>;
}

/// An object with the fields that are asked for; none where there is more to it than names: fragments, directives, a field
/// that comes twice.
pub fn object(item: &impl Item, asked: &SelectionSet) -> Option<Value> {
    let mut object = IndexMap::with_capacity(asked.items.len());
    for selection in &asked.items {
        let Selection::Field(field) = &selection.node else {
            return None;
        };
        let value = item.value(&field.node).filter(|_| field.node.directives.is_empty())?;
        if object.insert(field.node.response_key().node.clone(), value).is_some() {
            return None;
        }
    }
    Some(Value::Object(object))
}

/// In the schema it is a list like any other.
impl<T: Item> OutputType for Ready<T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let objects = self.0.iter().map(|item| object(item, &ctx.item.node)).collect();
        match objects {
            Some(objects) => Ok(Value::List(objects)),
            None => self.0.resolve(ctx, field).await,
        }
    }
}
