use lunora_core::port::{ErrorKind, OutputRouter, PortError, Repo, RepoExt};
use lunora_testkit::{
    fault::{Fault, FaultPlan, Faulty},
    memory::{MemoryDestinationRepo, MemoryOutputRouter},
    sample,
};

fn kind<T>(outcome: &Result<T, PortError>) -> Option<ErrorKind> {
    outcome.as_ref().err().map(PortError::kind)
}

#[tokio::test]
async fn a_lost_request_has_no_effect_and_a_lost_reply_has_one() {
    for (fault, is_stored) in [(Fault::Before, false), (Fault::After, true)] {
        let plan = FaultPlan::none();
        let inner = MemoryDestinationRepo::default();
        let repo = Faulty::new(inner.clone(), &plan);
        plan.fail_at(0, fault);

        let outcome = repo.create(&sample::destination(1)).await;
        assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable));
        let stored = inner.get(&sample::destination_id(1)).await;
        assert_eq!(stored.expect("a read").is_some(), is_stored);
    }
}

#[tokio::test]
async fn a_fault_in_a_batch_is_that_of_every_output() {
    for (fault, outputs) in [(Fault::Before, 0), (Fault::After, 2)] {
        let plan = FaultPlan::none();
        let inner = MemoryOutputRouter::default();
        let router = Faulty::new(inner.clone(), &plan);
        plan.fail_at(0, fault);

        let results = router.apply(&[sample::spec(1), sample::spec(2)]).await;
        let kinds: Vec<_> = results.iter().map(kind).collect();
        assert_eq!(kinds, [Some(ErrorKind::Unavailable); 2]);
        assert_eq!(inner.specs().len(), outputs);
    }
}

#[tokio::test]
async fn only_the_planned_call_fails() {
    let plan = FaultPlan::none();
    let repo = Faulty::new(MemoryDestinationRepo::default(), &plan);
    plan.fail_at(1, Fault::Before);

    let mut kinds = Vec::new();
    for n in 0..3 {
        kinds.push(kind(&repo.create(&sample::destination(n)).await));
    }
    assert_eq!(kinds, [None, Some(ErrorKind::Unavailable), None]);
}

#[tokio::test]
async fn nothing_takes_effect_after_a_crash() {
    let plan = FaultPlan::none();
    let inner = MemoryDestinationRepo::default();
    let repo = Faulty::new(inner.clone(), &plan);
    plan.crash_at(1, Fault::After);

    for n in 0..4 {
        let outcome = repo.create(&sample::destination(n)).await;
        assert_eq!(outcome.is_ok(), n < 1, "{outcome:?}");
    }
    assert_eq!(inner.list_all().await.expect("a listing").len(), 2);

    plan.clear();
    let outcome = repo.create(&sample::destination(3)).await;
    outcome.expect("the process is up again");
}
