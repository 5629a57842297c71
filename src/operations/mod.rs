//! Routes for operators: index, health, metrics and slow requests.

pub mod health;
pub mod index;
pub mod metrics;
pub mod slow_requests;
