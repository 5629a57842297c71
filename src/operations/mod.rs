//! The routes for operators: the index, health and metrics.

pub mod health;
pub mod index;
pub mod metrics;
pub mod slow_requests;
