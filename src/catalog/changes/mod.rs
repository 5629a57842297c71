//! The change log, and those who follow it.

pub(super) mod broadcast;
pub(super) mod feed;
pub(super) mod log;
pub(super) mod subscription;
