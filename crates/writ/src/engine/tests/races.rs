//! Commands that meet in one commit, and the writer's own mistakes.
//! The store is held while they queue up, so that they really meet.
//!
//! Always: commands that meet are decided one after the other; none sees a state that is not kept.

use super::*;

/// Submits all of them while the store is held, so that the later ones share a commit.
async fn together(house: &House, engine: &Engine, commands: Vec<(PrincipalId, Command)>) -> Vec<Result<Done, Wrong>> {
    let hold = house.log.pause();
    let waiting: Vec<_> = commands
        .into_iter()
        .map(|(who, command)| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.by(who, command).await })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let mut outcomes = Vec::new();
    for task in waiting {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

#[tokio::test]
async fn activating_many_times_at_once_gives_one_activation() {
    let house = House::new();
    let engine = house.with_ana().await;
    let outcomes = together(&house, &engine, vec![(ANA, activate(1)); 20]).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(engine.activations().len(), 1);
    assert_eq!(*engine.state(), house.replayed().await);
}

#[tokio::test]
async fn activating_while_the_eligibility_is_being_removed_leaves_nothing_running() {
    let remove = Command::Remove {
        sort: Sort::Eligibility,
        principal: ANA,
        target: ROOT,
        when: writ_core::command::Removal::Now,
        reason: Some("moved on".into()),
    };
    for removed_at in 0..5 {
        let house = House::new();
        let engine = house.with_ana().await;
        let mut commands = vec![(ANA, activate(1)); 5];
        commands.insert(removed_at, (DANA, remove.clone()));
        let outcomes = together(&house, &engine, commands).await;
        assert!(outcomes[removed_at].is_ok());
        assert_eq!(engine.activations().len(), 0);
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1 + usize::from(removed_at > 0));
    }
}

#[tokio::test]
async fn a_failed_commit_takes_every_command_in_it_back() {
    let house = House::new();
    let engine = house.founded().await;
    let before = engine.head();
    house.log.plan([Mishap::Before; 40]);
    let commands = (0..40).map(|n| (DANA, create(n))).collect();
    assert!(together(&house, &engine, commands).await.iter().all(Result::is_err));
    assert_eq!(engine.head(), before);
    assert_eq!(*engine.state(), house.replayed().await);
    house.log.calm();
    engine.by(DANA, create(1)).await.unwrap();
}

/// Submits two commands, the second once the first is on its way to the store, which is held. Gives the store back when
/// the second was decided, and says whether either was answered before.
async fn one_on_top_of_the_other(
    house: &House,
    engine: &Engine,
    commands: [Command; 2],
) -> (bool, Result<Done, Wrong>, Result<Done, Wrong>) {
    let hold = house.log.pause();
    let mut tasks = Vec::new();
    for command in commands {
        let engine_too = engine.clone();
        tasks.push(tokio::spawn(async move { engine_too.by(ANA, command).await }));
        tokio::task::yield_now().await;
        while engine.queue.capacity() < engine.queue.max_capacity() {
            tokio::task::yield_now().await;
        }
        // What was taken from the queue is decided within microseconds.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answered = tasks.iter().any(|task| task.is_finished());
    drop(hold);
    let second = tasks.remove(1).await.unwrap();
    (answered, tasks.remove(0).await.unwrap(), second)
}

#[tokio::test]
async fn what_rests_on_a_commit_that_is_not_durable_yet_is_not_answered() {
    let house = House::new();
    let engine = house.with_ana().await;
    let (answered, first, second) = one_on_top_of_the_other(&house, &engine, [activate(1), activate(2)]).await;
    assert!(!answered, "not even a refusal: it would tell of an activation that may never be");
    first.unwrap();
    assert!(matches!(second, Err(Wrong::Refused(why)) if matches!(*why, Refusal::AlreadyActive { .. })));
    assert_eq!(*engine.state(), house.replayed().await);
}

#[tokio::test]
async fn what_was_decided_on_a_commit_that_failed_is_decided_anew() {
    for mishap in [Mishap::Before, Mishap::LostAsk] {
        let house = House::new();
        let engine = house.with_ana().await;
        let before = house.kinds().await;
        house.log.plan([mishap]);
        let (_, first, second) = one_on_top_of_the_other(&house, &engine, [activate(1), deactivate()]).await;
        assert!(matches!(first, Err(Wrong::Fault(_))), "{first:?}");
        assert!(
            matches!(&second, Err(Wrong::Refused(why)) if matches!(**why, Refusal::NothingThere { .. })),
            "{second:?}"
        );
        assert_eq!(house.kinds().await, before);
        assert_eq!(*engine.state(), house.replayed().await);

        house.log.plan([mishap]);
        let (_, first, second) = one_on_top_of_the_other(&house, &engine, [activate(1), activate(2)]).await;
        assert!(matches!(first, Err(Wrong::Fault(_))), "{first:?}");
        second.unwrap();
        assert_eq!(engine.activations().len(), 1);
        assert_eq!(*engine.state(), house.replayed().await);
    }
}

#[tokio::test]
async fn what_was_decided_on_a_commit_that_stays_unknown_is_never_written() {
    let house = House::new();
    let engine = house.with_ana().await;
    let before = engine.head();
    house.log.plan([Mishap::Unsynced]);
    let (_, first, second) = one_on_top_of_the_other(&house, &engine, [activate(1), deactivate()]).await;
    assert!(fault(first).contains("whether this was done"));
    assert!(fault(second).contains("whether this was done"));
    assert_eq!(house.words.lock().len(), 1);
    house.log.crash();
    assert_eq!(house.store.head().await.unwrap(), before);
}

#[test]
fn a_writer_that_panics_speaks_its_last_words() {
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let words = said.clone();
    let panicked = std::thread::spawn(move || {
        let _guard = writer::Mistake::new(Arc::new(move |why: &Fault| words.lock().push(why.to_string())));
        panic!("a mistake of ours");
    });
    assert!(panicked.join().is_err());
    assert_eq!(said.lock().len(), 1);
    drop(writer::Mistake::new(Arc::new(|why| panic!("not when all is well: {why}"))));
}
