//! Waits for conditions that the server does not announce.

use std::{fmt::Display, time::Duration};

use super::TIMEOUT;

/// Shortest and longest pause between two polls. Each pause is twice the previous one. Shorter pauses would use processor
/// time that the server needs.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

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
        let mut pause = PAUSE.0;
        while !condition().await {
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(PAUSE.1);
        }
    };
    assert!(tokio::time::timeout(limit, holds).await.is_ok(), "not within {limit:?}: {what}");
}
