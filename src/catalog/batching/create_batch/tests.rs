use super::*;

/// Returns the number of inserts that expect a conflict among the next thousand.
fn count_expected(conflicts: &RecentConflicts) -> usize {
    (0..1000).filter(|_| conflicts.expected()).count()
}

#[test]
fn a_conflict_is_expected_for_the_next_hundred_inserts() {
    let conflicts = RecentConflicts::default();
    assert_eq!(count_expected(&conflicts), 0);
    conflicts.record();
    assert!((0..100).all(|_| conflicts.expected()));
    assert_eq!(count_expected(&conflicts), 0);
}

#[test]
fn another_conflict_starts_the_count_from_the_beginning() {
    let conflicts = RecentConflicts::default();
    conflicts.record();
    assert!((0..60).all(|_| conflicts.expected()));
    conflicts.record();
    assert_eq!(count_expected(&conflicts), 100);
}

#[test]
fn items_are_split_by_length() {
    let split = |lengths: &[usize]| split(vec![1, 2, 3, 4, 5], lengths).collect::<Vec<_>>();
    assert_eq!(split(&[2, 0, 3]), [vec![1, 2], vec![], vec![3, 4, 5]]);
    assert_eq!(split(&[5]), [[1, 2, 3, 4, 5]]);
}
