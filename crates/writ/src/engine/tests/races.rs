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
