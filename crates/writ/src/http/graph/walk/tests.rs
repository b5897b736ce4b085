//! How rows are counted, and who waits for whom.

use super::*;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

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

#[test]
fn a_row_costs_more_the_more_is_asked_about_it() {
    let reach = Reach::of(10);
    reach.weigh(3);
    assert_eq!(reach.count(0..9).count(), 3);
    assert!(reach.over(), "a fourth row would have cost more than there was");
    reach.begin(FAR);
    reach.weigh(3);
    assert_eq!((reach.count(0..FAR).count() as u64, reach.over()), (FAR, false), "far away it is time that bounds");
}

/// What there is of a future now, without waiting for it.
async fn so_far<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

fn somebody(n: u128) -> PrincipalId {
    PrincipalId::from_u128(n)
}

fn walks(turns: usize, own: usize) -> Arc<Walks> {
    let (turns, patience) = (Arc::new(Semaphore::new(turns)), Duration::from_millis(20));
    Arc::new(Walks { turns, own, patience, ..Walks::default() })
}

#[tokio::test]
async fn few_walk_at_once_the_others_wait_their_turn_and_no_longer_than_is_bearable() {
    let walks = walks(2, 2);
    let (one, two) = (walks.turn(somebody(1)).await, walks.turn(somebody(2)).await);
    assert!(one.is_some() && two.is_some());
    assert!(walks.turn(somebody(3)).await.is_none(), "both turns are taken");
    drop(one);
    assert!(walks.turn(somebody(3)).await.is_some());
    drop(two);
    assert!(walks.callers.lock().is_empty(), "nobody walks or waits any more");
}

#[tokio::test]
async fn whoever_asks_for_much_waits_behind_themselves_and_not_before_others() {
    let walks = walks(1, 1);
    let first = walks.turn(somebody(1)).await.expect("a turn");
    let mut own: Vec<_> = (0..5).map(|_| Box::pin(walks.turn(somebody(1)))).collect();
    for more in &mut own {
        assert!(so_far(more).await.is_pending());
    }
    let mut other = Box::pin(walks.turn(somebody(2)));
    assert!(so_far(&mut other).await.is_pending());
    drop(first);
    assert!(other.await.is_some(), "somebody else is next, although five were there before");
}

#[tokio::test]
async fn nobody_alone_fills_the_queue() {
    let walks = walks(1, 1);
    let _first = walks.turn(somebody(1)).await.expect("a turn");
    let mut own: Vec<_> = (0..OWN_WAITING_MAX).map(|_| Box::pin(walks.turn(somebody(1)))).collect();
    let pending = own.iter_mut().take(OWN_WAITING_MAX - 1);
    for more in pending {
        assert!(so_far(more).await.is_pending());
    }
    let one_more = own.last_mut().expect("there is one");
    assert!(matches!(so_far(one_more).await, Poll::Ready(None)), "told at once");
    assert!(so_far(&mut Box::pin(walks.turn(somebody(2)))).await.is_pending(), "there is room for others");
}

/// Walks until it is stopped, and says so.
fn endless(reach: &Arc<Reach>, told: std::sync::mpsc::Sender<()>) -> impl FnOnce() -> bool + Send + 'static {
    let reach = reach.clone();
    move || {
        let rows = reach.count(0u64..).count();
        let _ = told.send(());
        rows > 0 && reach.over()
    }
}

#[tokio::test]
async fn a_walk_that_takes_too_long_is_stopped() {
    let reach = Arc::new(Reach::unbounded());
    let (told, tells) = std::sync::mpsc::channel();
    let over = until(Duration::from_millis(20), reach.stop.clone(), endless(&reach, told)).await;
    assert!(over.expect("it ends"), "what it found so far is not the answer");
    assert!(tells.recv().is_ok());
}

#[tokio::test]
async fn a_walk_ends_when_nobody_waits_for_it_any_more() {
    let reach = Arc::new(Reach::unbounded());
    let (told, tells) = std::sync::mpsc::channel();
    let mut walk = Box::pin(until(Duration::from_secs(3600), reach.stop.clone(), endless(&reach, told)));
    assert!(so_far(&mut walk).await.is_pending());
    drop(walk);
    assert!(tells.recv_timeout(Duration::from_secs(30)).is_ok(), "it was stopped");
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
