//! Access to the registry, in which async-graphql keeps the schema's types. The library shows it only to types
//! that are registered.

use std::{borrow::Cow, marker::PhantomData};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value, parser::types::Field,
    registry::Registry,
};

/// Access to the registry while the schema is built.
pub trait RegistryHook {
    fn run(registry: &mut Registry);
}

/// Type that runs the hook `T` when it is registered. It does not appear in the schema.
pub struct Hook<T>(PhantomData<fn() -> T>);

impl<T: RegistryHook> OutputType for Hook<T> {
    fn type_name() -> Cow<'static, str> {
        "Hook".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::run(registry);
        Self::type_name().into_owned()
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Null)
    }
}
