//! The change log and its subscribers.

pub(super) mod broadcast;
pub(super) mod feed;
pub(super) mod log;
pub(super) mod subscription;
