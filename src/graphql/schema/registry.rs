//! The schema's types, as async-graphql registers them.

use std::{cell::RefCell, mem, sync::LazyLock};

use async_graphql::registry::Registry;

use super::registry_hook::{Hook, RegistryHook};

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
