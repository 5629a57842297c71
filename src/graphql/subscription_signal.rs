//! Signal from a subscription's resolver to its transport: the subscription has started.

use std::sync::Arc;

use tokio::sync::Notify;

/// Request data, notified when the subscription receives changes.
pub struct SubscriptionSignal(pub Arc<Notify>);
