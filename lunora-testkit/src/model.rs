//! What a port ought to do, as a model that random calls are checked against.

use std::{collections::BTreeMap, marker::PhantomData};

use lunora_core::port::{ErrorKind, Expect, PageRequest, PortError, Repo, RepoExt as _, Revision};
use proptest::{prelude::*, test_runner::TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use tokio::runtime::Runtime;

use crate::{
    conformance::{Fixture, private::runtime},
    sample::Sample,
};

/// Makes random calls on a [`Repo`], in so many cases of up to 40
/// calls each, and compares what is stored with a model after every call.
///
/// ```
/// # use lunora_core::{domain::Destination, port::DestinationRepo};
/// # use lunora_testkit::{conformance::Fixture, memory::MemoryDestinationRepo};
/// # struct Memory(MemoryDestinationRepo);
/// # impl Fixture for Memory {
/// #     type Port = dyn DestinationRepo;
/// #     async fn set_up() -> Self {
/// #         Self(MemoryDestinationRepo::default())
/// #     }
/// #     fn port(&self) -> &Self::Port {
/// #         &self.0
/// #     }
/// # }
/// lunora_testkit::model::random_calls_agree::<Destination, Memory>(20);
/// ```
///
/// # Panics
///
/// If the adapter does anything else than the model, with the shortest calls
/// that show it.
pub fn random_calls_agree<R: Sample, F: Fixture<Port: Repo<R>>>(cases: u32) {
    let config = ProptestConfig {
        cases,
        // A file of seeds belongs next to a test, and this is none.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let calls = Stored::sequential_strategy(1..40);
    let outcome = TestRunner::new(config.clone()).run(&calls, |(state, calls, seen)| {
        Machine::<R, F>::test_sequential(config.clone(), state, calls, seen);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[derive(Clone, Debug)]
enum Call {
    Create(u8),
    Change { n: u8, k: u8, is_stale: bool },
    Remove { n: u8, is_stale: bool },
}

/// What is stored, in the model: which change of each value.
#[derive(Clone, Debug, Default)]
struct Stored(BTreeMap<u8, u8>);

impl ReferenceStateMachine for Stored {
    type State = Self;
    type Transition = Call;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Call> {
        // Few values, so that calls meet.
        let which = (1..5_u8, any::<bool>());
        prop_oneof![
            (1..5_u8).prop_map(Call::Create),
            (which.clone(), any::<u8>()).prop_map(|((n, is_stale), k)| Call::Change {
                n,
                k,
                is_stale
            }),
            which.prop_map(|(n, is_stale)| Call::Remove { n, is_stale }),
        ]
        .boxed()
    }

    fn apply(mut state: Self, call: &Call) -> Self {
        match *call {
            Call::Create(n) => {
                state.0.entry(n).or_insert(0);
            }
            Call::Change {
                n,
                k,
                is_stale: false,
            } => {
                state.0.entry(n).and_modify(|stored| *stored = k);
            }
            Call::Remove { n, is_stale: false } => {
                state.0.remove(&n);
            }
            Call::Change { is_stale: true, .. } | Call::Remove { is_stale: true, .. } => (),
        }
        state
    }
}

struct Machine<R, F>(PhantomData<(R, F)>);

/// The adapter, and the last two revisions of each value.
struct Subject<R, F> {
    record: PhantomData<R>,
    // One for all calls: the adapter may have tasks on it.
    runtime: Runtime,
    fixture: F,
    fresh: BTreeMap<u8, Revision>,
    stale: BTreeMap<u8, Revision>,
}

impl<R: Sample, F: Fixture<Port: Repo<R>>> Subject<R, F> {
    fn revision(&self, n: u8, is_stale: bool) -> Option<Revision> {
        let revisions = if is_stale { &self.stale } else { &self.fresh };
        revisions.get(&n).cloned()
    }

    fn create(&mut self, n: u8) {
        let value = nth::<R>(n, 0);
        let create = self.fixture.port().create(&value);
        let created = self.runtime.block_on(create);
        let is_new = !self.fresh.contains_key(&n);
        assert_eq!(created.is_ok(), is_new, "{created:?}");
        self.note(n, created.map(Some));
    }

    fn change(&mut self, n: u8, k: u8, is_stale: bool) {
        let Some(revision) = self.revision(n, is_stale) else {
            return;
        };
        let (value, expect) = (nth::<R>(n, k), Expect::Revision(revision));
        let write = self.fixture.port().put(&value, expect);
        let written = self.runtime.block_on(write);
        assert_eq!(written.is_ok(), !is_stale, "{written:?}");
        self.note(n, written.map(Some));
    }

    fn remove(&mut self, n: u8, is_stale: bool) {
        let Some(revision) = self.revision(n, is_stale) else {
            return;
        };
        let value = nth::<R>(n, 0);
        let remove = self.fixture.port().remove(value.id(), &revision);
        let removed = self.runtime.block_on(remove);
        assert_eq!(removed.is_ok(), !is_stale, "{removed:?}");
        self.note(n, removed.map(|()| None));
    }

    /// Remembers which write of a value is there now, if the call took effect.
    fn note(&mut self, n: u8, outcome: Result<Option<Revision>, PortError>) {
        let before = match outcome {
            Ok(Some(revision)) => self.fresh.insert(n, revision),
            Ok(None) => self.fresh.remove(&n),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                return;
            }
        };
        self.stale.extend(before.map(|before| (n, before)));
    }
}

async fn listed<R: Sample>(repo: &(impl Repo<R> + ?Sized)) -> BTreeMap<R::Id, R> {
    let (limit, mut after, mut listed) = (3, None, BTreeMap::new());
    loop {
        let page = repo.list(PageRequest { limit, after }).await.unwrap();
        for item in page.items {
            let twice = listed.insert(item.value.id().clone(), item.value);
            assert_eq!(twice, None);
        }
        after = page.next;
        if after.is_none() {
            return listed;
        }
    }
}

fn nth<R: Sample>(n: u8, k: u8) -> R {
    R::sample(n.into()).changed(k.into())
}

impl<R: Sample, F: Fixture<Port: Repo<R>>> StateMachineTest for Machine<R, F> {
    type SystemUnderTest = Subject<R, F>;
    type Reference = Stored;

    fn init_test(_: &Stored) -> Subject<R, F> {
        let runtime = runtime();
        Subject {
            record: PhantomData,
            fixture: runtime.block_on(F::set_up()),
            runtime,
            fresh: BTreeMap::new(),
            stale: BTreeMap::new(),
        }
    }

    fn apply(mut subject: Subject<R, F>, _: &Stored, call: Call) -> Subject<R, F> {
        match call {
            Call::Create(n) => subject.create(n),
            Call::Change { n, k, is_stale } => subject.change(n, k, is_stale),
            Call::Remove { n, is_stale } => subject.remove(n, is_stale),
        }
        subject
    }

    fn check_invariants(subject: &Subject<R, F>, model: &Stored) {
        let expected = model.0.iter().map(|(n, k)| nth::<R>(*n, *k));
        let expected = expected.map(|it| (it.id().clone(), it)).collect();
        let listed = subject.runtime.block_on(listed(subject.fixture.port()));
        assert_eq!(listed, expected);
    }
}
