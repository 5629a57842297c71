//! Waits for conditions that the server does not announce.

use std::{fmt::Display, time::Duration};

use super::TIMEOUT;

/// Pause between two polls. Without a pause, polling would use processor time that the server needs.
const PAUSE: Duration = Duration::from_millis(10);

/// Polls the condition until it holds. Panics with `what` after [`TIMEOUT`].
pub async fn eventually(what: impl Display, condition: impl AsyncFnMut() -> bool) {
    eventually_within(TIMEOUT, what, condition).await;
}

/// Polls the condition until it holds. Panics with `what` if that takes longer than `limit`.
pub async fn eventually_within(
    limit: Duration,
    what: impl Display,
    mut condition: impl AsyncFnMut() -> bool,
) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    assert!(tokio::time::timeout(limit, holds).await.is_ok(), "not within {limit:?}: {what}");
}
