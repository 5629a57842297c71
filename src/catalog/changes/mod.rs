//! The feed of changes and its subscribers.

pub(super) mod broadcast;
pub(super) mod feed;
pub(super) mod subscription;
