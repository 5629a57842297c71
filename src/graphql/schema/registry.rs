//! Access to the registry, in which async-graphql keeps the schema's types. The library shows it only to types
//! that are registered.

use std::{borrow::Cow, cell::RefCell, marker::PhantomData, mem, sync::LazyLock};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value, parser::types::Field,
    registry::Registry,
};

thread_local! {
    static TAKEN: RefCell<Registry> = RefCell::default();
}

/// All types and directives of the schema, including introspection.
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    drop(super::builder().register_output_type::<Hook<TakeRegistry>>());
    TAKEN.take()
});

struct TakeRegistry;

impl RegistryHook for TakeRegistry {
    fn run(registry: &mut Registry) {
        TAKEN.set(mem::take(registry));
    }
}

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
