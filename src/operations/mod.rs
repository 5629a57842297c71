//! Routes for operators: index, console, health, metrics and slow requests.

pub mod console;
pub mod health;
pub mod index;
pub mod metrics;
pub mod slow_requests;
