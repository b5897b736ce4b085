//! Commands that are asked together: all happen in one commit, or none does.

use super::*;
use crate::engine::{TOGETHER_MAX, Together};

async fn asks(engine: &Engine, commands: Vec<Command>) -> Result<Together, Fault> {
    let proof = Proof { signed_in: Some(engine.now()), mfa: Some(engine.now()), ..Proof::default() };
    engine.submit_together(commands, Caller::signed_in(fresh_id(), ANA, Via::Cli, proof)).await
}

#[tokio::test]
async fn each_is_judged_on_what_the_ones_before_it_lead_to() {
    let house = House::new();
    let engine = house.with_ana().await;
    let before = engine.head().size;
    let done = asks(&engine, vec![activate(1), deactivate(), activate(1)]).await.unwrap();
    assert!(done.answers.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(engine.activations().len(), 1);
    assert_eq!(*engine.state(), house.replayed().await);
    let entries = house.store.read(before, 100).await.unwrap();
    assert_eq!(done.seq, before + entries.len() as u64);
    let causes: Vec<_> =
        entries.iter().map(|entry| open(entry).unwrap()).map(|e| (e.cause.correlation, e.at)).collect();
    assert!(causes.windows(2).all(|pair| pair[0] == pair[1]), "one action at one time: {causes:?}");
}

#[tokio::test]
async fn one_refusal_stops_all_and_only_its_record_stays() {
    let house = House::new();
    let engine = house.with_ana().await;
    let (state, before) = (engine.state(), house.kinds().await.len());
    let done = asks(&engine, vec![activate(1), activate(1)]).await.unwrap();
    assert!(done.answers[0].is_ok(), "it could have been made: {done:?}");
    assert!(matches!(&done.answers[1], Err(Refusal::AlreadyActive { .. })), "{done:?}");
    assert_eq!((engine.activations().len(), house.kinds().await.len()), (0, before));
    let done = asks(&engine, vec![activate(1), deactivate(), activate(300)]).await.unwrap();
    assert!(matches!(&done.answers[2], Err(Refusal::Rules { .. })), "{done:?}");
    assert_eq!(engine.activations().len(), 0);
    assert_eq!(house.kinds().await[before..], ["ask_refused"]);
    assert!(engine.state().assignments == state.assignments && engine.state().requests == state.requests);
    assert_eq!(*engine.state(), house.replayed().await);
}

#[tokio::test]
async fn of_two_bundles_that_meet_one_happens_whole() {
    for _ in 0..10 {
        let house = House::new();
        let engine = house.with_ana().await;
        let hold = house.log.pause();
        let bundles = vec![vec![activate(1)], vec![activate(1), deactivate(), activate(1)], vec![activate(1)]];
        let waiting: Vec<_> = bundles
            .into_iter()
            .map(|commands| {
                let engine = engine.clone();
                tokio::spawn(async move { asks(&engine, commands).await.unwrap() })
            })
            .collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        drop(hold);
        let mut made = 0;
        for task in waiting {
            made += usize::from(task.await.unwrap().answers.iter().all(Result::is_ok));
        }
        assert_eq!((made, engine.activations().len()), (1, 1));
        assert_eq!(*engine.state(), house.replayed().await);
    }
}

#[tokio::test]
async fn a_commit_that_fails_takes_the_whole_bundle_with_it() {
    let house = House::new();
    let engine = house.with_ana().await;
    let before = house.kinds().await.len();
    house.log.plan([Mishap::Before]);
    let outcome = asks(&engine, vec![activate(1), deactivate(), activate(1)]).await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!((engine.activations().len(), house.kinds().await.len()), (0, before));
}

#[tokio::test]
async fn a_rehearsal_answers_the_same_and_keeps_nothing() {
    let house = House::new();
    let engine = house.with_ana().await;
    let head = engine.head();
    let proof = Proof { signed_in: Some(engine.now()), mfa: Some(engine.now()), ..Proof::default() };
    let caller = Caller::signed_in(fresh_id(), ANA, Via::Cli, proof);
    let (decisions, state) = engine.rehearse_together(&[activate(1), deactivate(), activate(1)], &caller);
    assert!(decisions.iter().all(|d| d.answer.is_ok()));
    assert_eq!(state.assignments.values().filter(|a| a.activated()).count(), 1);
    let (decisions, _) = engine.rehearse_together(&[activate(1), activate(1)], &caller);
    assert!(decisions[0].answer.is_ok() && decisions[1].answer.is_err());
    assert!(engine.head() == head && engine.activations().is_empty());
}

#[tokio::test]
async fn there_are_no_more_than_a_bounded_number_and_the_clock_is_not_among_them() {
    let house = House::new();
    let engine = house.with_ana().await;
    for commands in [vec![activate(1); TOGETHER_MAX + 1], vec![activate(1), Command::RecoverClock]] {
        assert!(asks(&engine, commands).await.is_err());
    }
    assert_eq!(engine.activations().len(), 0);
}
