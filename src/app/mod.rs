//! The application: all routes within their middleware.

pub mod dispatch;
pub mod instrumentation;
pub mod middleware;
pub mod openapi;
