use std::time::Duration;

use tokio::{task::JoinHandle, time::sleep};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A request with its weight and its effect on the batch.
#[derive(Clone, Copy)]
struct Request {
    id: u32,
    weight: usize,
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    Takes(Duration),
    NeverEnds,
    Panics,
}

/// Returns a request of weight 1 that takes `millis` milliseconds.
fn request(id: u32, millis: u64) -> Request {
    Request { id, weight: 1, work: Work::Takes(Duration::from_millis(millis)) }
}

/// Handler that records the start and the ids of each batch.
#[derive(Clone)]
struct Recorder {
    created_at: tokio::time::Instant,
    batches: Arc<Mutex<Vec<RecordedBatch>>>,
}

/// Start of a batch in milliseconds, and its ids.
type RecordedBatch = (u128, Vec<u32>);

impl BatchHandler<Request, u32> for Recorder {
    async fn handle(&self, requests: Vec<Request>) -> Vec<u32> {
        let ids: Vec<u32> = requests.iter().map(|request| request.id).collect();
        self.batches.lock().unwrap().push((self.created_at.elapsed().as_millis(), ids.clone()));
        let mut longest = Duration::ZERO;
        for request in requests {
            match request.work {
                Work::Takes(time) => longest = longest.max(time),
                Work::NeverEnds => std::future::pending().await,
                Work::Panics => panic!("on purpose"),
            }
        }
        sleep(longest).await;
        ids
    }
}

/// A batcher with a weight limit of 5, and its recorder.
struct Queued {
    batcher: Arc<Batcher<Request, u32>>,
    recorder: Recorder,
}

impl Queued {
    fn new(target: usize, max: usize) -> Self {
        Self::grouped(target, max, Grouping::Any)
    }

    fn grouped(target: usize, max: usize, grouping: Grouping<Request>) -> Self {
        let limit = BatchLimit { weight: |request: &Request| request.weight, max: 5, timeout: TIMEOUT };
        let batcher = Arc::new(Batcher::new(Workers { target, max }, limit, grouping, SpawnOn::Current));
        let recorder = Recorder { created_at: tokio::time::Instant::now(), batches: Arc::default() };
        Self { batcher, recorder }
    }

    /// Submits a request in its own task. Requests are enqueued in the order of these calls.
    fn submit(&self, request: Request) -> JoinHandle<Result<u32, Error>> {
        let (batcher, recorder) = (self.batcher.clone(), self.recorder.clone());
        tokio::spawn(async move { batcher.submit(request, || recorder).await })
    }

    async fn submit_all(&self, requests: impl IntoIterator<Item = Request>) -> Vec<Result<u32, Error>> {
        let tasks: Vec<_> = requests.into_iter().map(|request| self.submit(request)).collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        results
    }

    fn batches(&self) -> Vec<RecordedBatch> {
        self.recorder.batches.lock().unwrap().clone()
    }

    fn batched_ids(&self) -> Vec<Vec<u32>> {
        self.batches().into_iter().map(|(_, ids)| ids).collect()
    }

    fn running_workers(&self) -> usize {
        self.batcher.0.queue().workers
    }
}

async fn after(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

fn id_key(request: &Request) -> ProductId {
    i64::from(request.id).try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_two_batches_with_the_same_key_run_at_the_same_time() {
    let queued = Queued::grouped(2, 2, Grouping::Exclusive(id_key));
    let first = queued.submit(request(1, 8));
    after(1).await;
    let others = queued.submit_all([request(1, 1), request(2, 1), request(1, 1)]);
    let results = others.await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(results, [1, 2, 1]);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(queued.batches(), [(0, vec![1]), (1, vec![2]), (8, vec![1, 1])]);
    after(1).await;
    assert_eq!(queued.running_workers(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_per_key_contains_only_requests_with_that_key() {
    let queued = Queued::grouped(1, 1, Grouping::PerKey(id_key));
    queued.submit_all([request(1, 1), request(2, 1), request(1, 1), request(2, 1), request(3, 1)]).await;
    assert_eq!(queued.batched_ids(), [vec![1, 1], vec![2, 2], vec![3]]);
}

#[tokio::test(start_paused = true)]
async fn requests_submitted_together_share_a_batch_and_get_their_own_responses() {
    let queued = Queued::new(1, 1);
    let results = queued.submit_all([request(1, 2), request(2, 3), request(3, 1)]).await;
    assert_eq!(results.into_iter().collect::<Result<Vec<_>, _>>().unwrap(), [1, 2, 3]);
    assert_eq!(queued.batches(), [(0, vec![1, 2, 3])]);
}

#[tokio::test(start_paused = true)]
async fn requests_during_a_batch_form_the_next_one() {
    let queued = Queued::new(1, 1);
    let first = queued.submit(request(1, 8));
    after(1).await;
    let (second, third) = (queued.submit(request(2, 1)), queued.submit(request(3, 1)));
    for (task, id) in [(first, 1), (second, 2), (third, 3)] {
        assert_eq!(task.await.unwrap().unwrap(), id);
    }
    assert_eq!(queued.batches(), [(0, vec![1]), (8, vec![2, 3])]);
}

#[tokio::test(start_paused = true)]
async fn slow_batches_start_further_workers_up_to_the_maximum() {
    let queued = Queued::new(1, 3);
    let first = queued.submit(request(1, 1000));
    after(1).await;
    let second = queued.submit(request(2, 1000));
    after(10).await;
    let third = queued.submit(request(3, 1000));
    after(20).await;
    let fourth = queued.submit(request(4, 1));
    after(100).await;
    assert_eq!(queued.running_workers(), 3);
    for task in [first, second, third, fourth] {
        task.await.unwrap().unwrap();
    }
    // A worker may be started every 10 ms. The fourth request waits until one of the three batches ends.
    assert_eq!(queued.batches(), [(0, vec![1]), (10, vec![2]), (20, vec![3]), (1000, vec![4])]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_batch_starts_no_worker_while_no_request_waits() {
    let queued = Queued::new(1, 2);
    let first = queued.submit(request(1, 1000));
    after(15).await;
    assert_eq!(queued.running_workers(), 1);
    let second = queued.submit(request(2, 1));
    second.await.unwrap().unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(queued.batches(), [(0, vec![1]), (20, vec![2])]);
    after(1).await;
    assert_eq!(queued.running_workers(), 0);
}

#[tokio::test(start_paused = true)]
async fn batches_are_split_at_the_weight_limit() {
    let queued = Queued::new(1, 1);
    let weights = [2, 3, 2, 5, 1, 4, 1];
    let requests = (1..).zip(weights).map(|(id, weight)| Request { weight, ..request(id, 0) });
    assert!(queued.submit_all(requests).await.iter().all(Result::is_ok));
    assert_eq!(queued.batched_ids(), [vec![1, 2], vec![3], vec![4], vec![5, 6], vec![7]]);
}

#[tokio::test(start_paused = true)]
async fn a_request_above_the_weight_limit_forms_its_own_batch() {
    let queued = Queued::new(1, 1);
    let weights = [9, 1, 6, 2, 2];
    let requests = (1..).zip(weights).map(|(id, weight)| Request { weight, ..request(id, 0) });
    assert!(queued.submit_all(requests).await.iter().all(Result::is_ok));
    assert_eq!(queued.batched_ids(), [vec![1], vec![2], vec![3], vec![4, 5]]);
}

#[tokio::test(start_paused = true)]
async fn requests_dropped_while_they_wait_are_not_carried_out() {
    let queued = Queued::new(1, 1);
    let first = queued.submit(request(1, 8));
    after(1).await;
    let (dropped, third) = (queued.submit(request(2, 1)), queued.submit(request(3, 1)));
    after(1).await;
    dropped.abort();
    first.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!(queued.batched_ids(), [[1], [3]]);
}

#[tokio::test(start_paused = true)]
async fn a_started_batch_runs_to_its_end_without_its_callers() {
    let queued = Queued::new(1, 1);
    let dropped = queued.submit(request(1, 8));
    after(1).await;
    dropped.abort();
    queued.submit(request(2, 1)).await.unwrap().unwrap();
    assert_eq!(queued.batches(), [(0, vec![1]), (8, vec![2])]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_whole_batch_and_no_other() {
    let queued = Queued::new(1, 1);
    let panics = Request { work: Work::Panics, ..request(2, 0) };
    let results = queued.submit_all([request(1, 0), panics, request(3, 0)]).await;
    assert!(results.iter().all(|result| matches!(result, Err(Error::Internal))), "{results:?}");
    assert_eq!(queued.submit(request(4, 0)).await.unwrap().unwrap(), 4);
    assert_eq!(queued.batched_ids(), [vec![1, 2, 3], vec![4]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_never_ends_times_out_and_the_queue_goes_on() {
    let queued = Queued::new(1, 1);
    let hangs = queued.submit(Request { work: Work::NeverEnds, ..request(1, 0) });
    after(1).await;
    let second = queued.submit(request(2, 0));
    assert!(matches!(hangs.await.unwrap(), Err(Error::Unavailable)));
    assert_eq!(second.await.unwrap().unwrap(), 2);
    assert_eq!(queued.batches(), [(0, vec![1]), (60_000, vec![2])]);
}
