use std::{sync::Mutex, time::Duration};

use tokio::{task::JoinHandle, time::sleep};

use super::*;

/// Key of the query and number of the run, from 1.
type Outcome = Result<(u32, usize), Error>;

/// A coalescer with queries that take 10 ms each.
#[derive(Clone, Default)]
struct Pages {
    coalescer: Coalescer<u32, (u32, usize)>,
    /// Key of each run.
    runs: Arc<Mutex<Vec<u32>>>,
}

/// Key whose query fails.
const FAILS: u32 = 100;
/// Key whose query panics.
const PANICS: u32 = 101;
/// Key whose query never ends if it is the first run.
const HANGS: u32 = 102;

impl Pages {
    /// Requests a page in its own task.
    fn get(&self, key: u32) -> JoinHandle<Outcome> {
        let pages = self.clone();
        let runs = self.runs.clone();
        let query = move |key| {
            let runs = runs.clone();
            async move {
                let run = {
                    let mut runs = runs.lock().unwrap();
                    runs.push(key);
                    runs.len()
                };
                if key == HANGS && run == 1 {
                    std::future::pending::<()>().await;
                }
                sleep(Duration::from_millis(10)).await;
                assert!(key != PANICS, "on purpose");
                if key == FAILS { Err(Error::TooSlow) } else { Ok((key, run)) }
            }
        };
        tokio::spawn(async move { pages.coalescer.get(key, query).await })
    }

    fn runs(&self) -> Vec<u32> {
        self.runs.lock().unwrap().clone()
    }

    fn has_flights(&self) -> bool {
        !self.coalescer.flights().is_empty()
    }
}

async fn after(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(start_paused = true)]
async fn requests_during_a_query_share_the_next_run() {
    let pages = Pages::default();
    let first = pages.get(1);
    after(1).await;
    let (second, third) = (pages.get(1), pages.get(1));
    after(5).await;
    let fourth = pages.get(1);
    assert_eq!(first.await.unwrap().unwrap(), (1, 1));
    for later in [second, third, fourth] {
        assert_eq!(later.await.unwrap().unwrap(), (1, 2));
    }
    assert_eq!(pages.runs(), [1, 1]);
    assert!(!pages.has_flights());
}

#[tokio::test(start_paused = true)]
async fn different_keys_run_at_the_same_time() {
    let pages = Pages::default();
    let start = tokio::time::Instant::now();
    let (first, second) = (pages.get(1), pages.get(2));
    assert_eq!(first.await.unwrap().unwrap(), (1, 1));
    assert_eq!(second.await.unwrap().unwrap(), (2, 2));
    assert_eq!(start.elapsed().as_millis(), 10);
}

#[tokio::test(start_paused = true)]
async fn requests_dropped_while_they_wait_start_no_query() {
    let pages = Pages::default();
    let first = pages.get(1);
    after(1).await;
    let dropped = pages.get(1);
    after(1).await;
    dropped.abort();
    first.await.unwrap().unwrap();
    after(100).await;
    assert_eq!(pages.runs(), [1]);
    assert!(!pages.has_flights());
    assert_eq!(pages.get(1).await.unwrap().unwrap(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_query_goes_on_without_its_first_caller() {
    let pages = Pages::default();
    let dropped = pages.get(1);
    after(1).await;
    dropped.abort();
    assert_eq!(pages.get(1).await.unwrap().unwrap(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn errors_and_panics_reach_every_request_of_a_run() {
    for (key, is_expected) in [
        (FAILS, (|error| matches!(error, Error::TooSlow)) as fn(&Error) -> bool),
        (PANICS, |error| matches!(error, Error::Internal)),
    ] {
        let pages = Pages::default();
        let first = pages.get(key);
        after(1).await;
        for request in [first, pages.get(key), pages.get(key)] {
            let outcome = request.await.unwrap();
            assert!(outcome.as_ref().is_err_and(is_expected), "{outcome:?}");
        }
        assert_eq!(pages.runs(), [key, key]);
        assert!(!pages.has_flights());
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_never_ends_times_out_and_the_next_one_runs() {
    let pages = Pages::default();
    let hangs = pages.get(HANGS);
    after(1).await;
    let second = pages.get(HANGS);
    assert!(matches!(hangs.await.unwrap(), Err(Error::Unavailable)));
    assert_eq!(second.await.unwrap().unwrap(), (HANGS, 2));
}
