//! Signal from a subscription's resolver to the transport that the subscription has started.

use std::sync::Arc;

use tokio::sync::Notify;

/// Request data, notified once the subscription has started and misses no change.
pub struct SubscriptionSignal(pub Arc<Notify>);
