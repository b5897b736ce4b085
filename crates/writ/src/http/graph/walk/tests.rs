//! How rows are counted, and who waits for whom.

use super::*;

#[test]
fn rows_that_are_looked_at_count_and_an_answer_that_was_cut_short_says_so() {
    let reach = Reach::of(3);
    assert_eq!(reach.count(0..3).count(), 3);
    assert!(!reach.over(), "all of them were looked at");
    assert_eq!(reach.count(0..1).count(), 0);
    assert!(reach.over(), "there was one more");
    reach.begin(10);
    assert_eq!(reach.count(0..5).filter(|n| n % 2 == 0).count(), 3);
    assert!(reach.allows(5) && !reach.over());
    assert!(!reach.allows(6) && reach.over());
}

#[tokio::test]
async fn few_walk_at_once_the_others_wait_their_turn_and_no_longer_than_is_bearable() {
    let (turns, patience) = (Arc::new(Semaphore::new(2)), Duration::from_millis(5));
    let walks = Walks { turns, patience, ..Walks::default() };
    let (one, two) = (walks.turn().await, walks.turn().await);
    assert!(one.is_some() && two.is_some());
    assert!(walks.turn().await.is_none(), "both turns are taken");
    assert_eq!(walks.waiting.load(Ordering::Relaxed), 0, "nobody waits any more");
    drop(one);
    assert!(walks.turn().await.is_some());
    walks.waiting.store(WAITING_MAX, Ordering::Relaxed);
    assert!(walks.turn().await.is_none(), "the queue is full");
}

#[test]
fn refusals_say_which_filter_is_quick() {
    for entity in [&super::super::schedules::ELIGIBILITY_SCHEDULE, &super::super::users::USER] {
        assert!(busy(Some(entity)).retry_after().is_some());
        assert!(busy(Some(entity)).message().contains(quick(Some(entity))));
        assert_eq!(too_far(Some(entity)).status(), StatusCode::BAD_REQUEST);
        assert!(too_far(Some(entity)).message().contains(quick(Some(entity))));
    }
}
