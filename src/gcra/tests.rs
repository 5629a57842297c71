use proptest::{collection::vec, prelude::*};

use super::*;

const INTERVAL: Duration = Duration::from_nanos(100);

fn nanos(time: u64) -> Duration {
    Duration::from_nanos(time)
}

#[test]
fn a_burst_uses_up_the_allowance() {
    let (gcra, allowance) = (Gcra::new(INTERVAL, 3), Allowance::default());
    let remaining = |now, requests, next| {
        assert_eq!(
            gcra.remaining(&allowance, nanos(now)),
            Remaining { requests, next: nanos(next) },
            "{now}"
        );
    };
    remaining(1000, 3, 0);
    for left in [2, 1, 0] {
        assert_eq!(gcra.take(&allowance, nanos(1000), 1), Ok(()));
        remaining(1000, left, 100);
    }
    assert_eq!(gcra.take(&allowance, nanos(1000), 1), Err(nanos(100)));
    assert_eq!(gcra.take(&allowance, nanos(1030), 2), Err(nanos(170)));
    remaining(1030, 0, 70);
    assert_eq!(gcra.take(&allowance, nanos(1200), 2), Ok(()));
    remaining(1500, 3, 0);
}

#[test]
fn more_than_the_burst_is_never_taken() {
    let (gcra, allowance) = (Gcra::new(INTERVAL, 3), Allowance::default());
    assert_eq!(gcra.take(&allowance, nanos(1000), 4), Err(nanos(100)));
    assert_eq!(gcra.take(&allowance, nanos(u64::MAX / 2), 4), Err(nanos(100)));
}

proptest! {
    /// The times have any order, as if each request were from another thread.
    #[test]
    fn no_period_has_more_requests_than_burst_and_rate_allow(
        burst in 1..10_u32,
        sent in vec((0..3000_u64, 1..5_u32), 1..60),
    ) {
        let (gcra, allowance) = (Gcra::new(INTERVAL, burst), Allowance::default());
        let taken = |(time, requests)| gcra.take(&allowance, nanos(time), requests).is_ok().then_some((time, requests));
        let taken: Vec<_> = sent.into_iter().filter_map(taken).collect();
        for start in 0..taken.len() {
            for end in start..taken.len() {
                let times = || taken[start..=end].iter().map(|(time, _)| *time);
                let period = times().max().unwrap() - times().min().unwrap();
                let requests: u32 = taken[start..=end].iter().map(|(_, requests)| requests).sum();
                prop_assert!(u64::from(requests) <= u64::from(burst) + period / 100, "{taken:?}");
            }
        }
    }

    #[test]
    fn a_caller_below_the_rate_is_never_limited(burst in 1..10_u32, gaps in vec(100..1000_u64, 1..60)) {
        let (gcra, allowance) = (Gcra::new(INTERVAL, burst), Allowance::default());
        let mut now = 0;
        for gap in gaps {
            prop_assert_eq!(gcra.take(&allowance, nanos(now), 1), Ok(()));
            now += gap;
        }
    }

    #[test]
    fn the_time_to_wait_is_exact(burst in 5..10_u32, sent in vec((0..300_u64, 1..5_u32), 1..60)) {
        let (gcra, allowance) = (Gcra::new(INTERVAL, burst), Allowance::default());
        let mut now = 0;
        for (gap, requests) in sent {
            now += gap;
            let remaining = gcra.remaining(&allowance, nanos(now));
            match gcra.take(&allowance, nanos(now), requests) {
                Ok(()) => prop_assert!(u64::from(requests) <= remaining.requests),
                Err(wait) => {
                    prop_assert!(remaining.requests < requests.into() && remaining.next <= wait);
                    now += nanoseconds(wait);
                    prop_assert!(gcra.take(&allowance, nanos(now - 1), requests).is_err());
                    prop_assert_eq!(gcra.take(&allowance, nanos(now), requests), Ok(()));
                }
            }
        }
    }
}
