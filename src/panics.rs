//! What a panic said, whoever caught it.

use std::any::Any;

/// The panic's message, which is a text of one kind or the other unless somebody threw something else.
pub fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}
