use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use jiff::{Timestamp, Unit};
use lunora_core::{
    domain::{ChangeId, LeaseName, Removal, RemovalCause},
    port::{Answer, Claim, ControlStore, ErrorKind, IdempotencyKey, Lease, Pause, PortError},
};
use lunora_testkit::{memory::MemoryControlStore, sample};

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    InventsRemovals,
    ClearsAll,
    ClearsNothing,
    FirstRemovalStands,
    OneRemovalPerDestination,
    ChangesAreOne,
    ClearsOnce,
    ClearsByCause,
    ClearsByGeneration,
    ClearsByTime,
    CausesAreLost,
    GenerationsAreLost,
    LeftoversAreLost,
    PausedAtFirst,
    PausesForGood,
    LastClaimStands,
    KeysFoldCase,
    LastAnswerStands,
    AnswersClaim,
    StatusesAreLost,
    ForgetsAllClaims,
    ForgetsNoClaim,
    GivesNoLease,
    GivesEveryLease,
    RefusesItsHolder,
    LeasesNeverEnd,
    LeasesEndLate,
    LeasesEndEarly,
    ComparesTimesAsText,
    LooksBeforeItGives,
    ReleasesNothing,
    ReleasesForAnybody,
    ReleasesByHolder,
    ShortensLeases,
    ReleasesOnce,
    ReleasesAllOfAHolder,
    LeaseNamesFoldCase,
    LeasesInMilliseconds,
}

#[derive(Debug)]
struct Mutant {
    inner: MemoryControlStore,
    mutation: Mutation,
    last_answers: Mutex<BTreeMap<IdempotencyKey, Answer>>,
    leases: Mutex<BTreeMap<LeaseName, Lease>>,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        Self {
            inner: MemoryControlStore::default(),
            mutation,
            last_answers: Mutex::default(),
            leases: Mutex::default(),
        }
    }

    fn key(&self, key: &IdempotencyKey) -> IdempotencyKey {
        if self.mutation == Mutation::KeysFoldCase {
            return key.as_str().to_lowercase().parse().expect("a key");
        }
        key.clone()
    }

    fn lease_name(&self, name: &LeaseName) -> LeaseName {
        if self.mutation == Mutation::LeaseNamesFoldCase {
            return name.as_str().to_lowercase().parse().expect("a name");
        }
        name.clone()
    }

    /// Whether the lease that is held stands against the one that is asked for.
    fn stands(&self, held: &Lease, asked: &Lease) -> bool {
        let is_other = held.holder != asked.holder;
        let is_older = !is_other && asked.until < held.until;
        let early = asked.at + Duration::from_nanos(1);
        match self.mutation {
            Mutation::GivesEveryLease => false,
            Mutation::RefusesItsHolder => asked.at < held.until,
            Mutation::LeasesNeverEnd => is_other,
            Mutation::LeasesEndLate => is_other && asked.at <= held.until,
            Mutation::LeasesEndEarly => is_other && early < held.until,
            Mutation::ComparesTimesAsText => {
                is_other && asked.at.to_string() < held.until.to_string()
            }
            Mutation::ShortensLeases => is_other && asked.at < held.until,
            _ => is_older || is_other && asked.at < held.until,
        }
    }

    /// The recorded ones of the same destination.
    async fn beside(&self, removal: &Removal) -> Result<Vec<Removal>, PortError> {
        let mut recorded = self.inner.removals().await?;
        recorded.retain(|it| it.destination == removal.destination);
        Ok(recorded)
    }

    /// The recorded one that it replaces, or that replaced it.
    async fn same(&self, removal: &Removal) -> Result<Option<Removal>, PortError> {
        let beside = self.beside(removal).await?;
        Ok(beside.into_iter().find(|it| it.cause == removal.cause))
    }
}

fn one_change(cause: RemovalCause) -> RemovalCause {
    match cause {
        RemovalCause::Deleted | RemovalCause::Absent => cause,
        RemovalCause::ChangeUnfinished(_) => RemovalCause::ChangeUnfinished(ChangeId(0)),
    }
}

#[async_trait]
impl ControlStore for Mutant {
    async fn record_removal(&self, removal: &Removal) -> Result<(), PortError> {
        let mut removal = removal.clone();
        let recorded = self.same(&removal).await?;
        match (self.mutation, recorded) {
            (Mutation::OneRemovalPerDestination, _) => {
                for other in self.beside(&removal).await? {
                    self.inner.clear_removal(&other).await?;
                }
            }
            (Mutation::FirstRemovalStands, Some(_)) => return Ok(()),
            (Mutation::CausesAreLost, _) => removal.cause = RemovalCause::Deleted,
            (Mutation::ChangesAreOne, _) => removal.cause = one_change(removal.cause),
            (Mutation::GenerationsAreLost, _) => removal.generation = 1,
            (Mutation::LeftoversAreLost, _) => removal.leftovers.clear(),
            _ => (),
        }
        self.inner.record_removal(&removal).await
    }

    async fn removals(&self) -> Result<Vec<Removal>, PortError> {
        let mut removals = self.inner.removals().await?;
        if self.mutation == Mutation::InventsRemovals {
            removals.push(sample::removal(99));
        }
        Ok(removals)
    }

    async fn clear_removal(&self, removal: &Removal) -> Result<(), PortError> {
        match (self.mutation, self.same(removal).await?) {
            (Mutation::ClearsNothing, _) => Ok(()),
            (Mutation::ClearsAll, _) => {
                for removal in self.inner.removals().await? {
                    self.inner.clear_removal(&removal).await?;
                }
                Ok(())
            }
            (Mutation::ClearsOnce, None) => {
                let id = &removal.destination;
                Err(PortError::new(ErrorKind::Invalid, "clear", id))
            }
            (Mutation::ClearsByCause, Some(same)) => self.inner.clear_removal(&same).await,
            (Mutation::ClearsByGeneration, Some(same)) if same.generation == removal.generation => {
                self.inner.clear_removal(&same).await
            }
            (Mutation::ClearsByTime, Some(same))
                if same.generation == removal.generation
                    && same.recorded_at == removal.recorded_at =>
            {
                self.inner.clear_removal(&same).await
            }
            _ => self.inner.clear_removal(removal).await,
        }
    }

    async fn pause(&self) -> Result<Option<Pause>, PortError> {
        let pause = self.inner.pause().await?;
        match self.mutation {
            Mutation::PausedAtFirst => Ok(pause.or(Some(Pause {
                until: sample::time(),
            }))),
            _ => Ok(pause),
        }
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), PortError> {
        if pause.is_none() && self.mutation == Mutation::PausesForGood {
            return Ok(());
        }
        self.inner.set_pause(pause).await
    }

    async fn claim(&self, key: &IdempotencyKey, claim: &Claim) -> Result<Claim, PortError> {
        let key = &self.key(key);
        let mut stands = self.inner.claim(key, claim).await?;
        match self.mutation {
            Mutation::LastClaimStands => return Ok(claim.clone()),
            Mutation::LastAnswerStands => {
                let answers = self.last_answers.lock().expect("no poison");
                stands.answer = answers.get(key).cloned();
            }
            _ => (),
        }
        Ok(stands)
    }

    async fn settle(&self, key: &IdempotencyKey, answer: &Answer) -> Result<(), PortError> {
        let key = &self.key(key);
        let mut answer = answer.clone();
        match self.mutation {
            Mutation::StatusesAreLost => answer.status = 200,
            Mutation::AnswersClaim => drop(self.inner.claim(key, &sample::claim(99)).await?),
            Mutation::LastAnswerStands => {
                let mut answers = self.last_answers.lock().expect("no poison");
                answers.insert(key.clone(), answer.clone());
            }
            _ => (),
        }
        self.inner.settle(key, &answer).await
    }

    async fn forget_claims_before(&self, time: Timestamp) -> Result<(), PortError> {
        match self.mutation {
            Mutation::ForgetsAllClaims => self.inner.forget_claims_before(Timestamp::MAX).await,
            Mutation::ForgetsNoClaim => Ok(()),
            _ => self.inner.forget_claims_before(time).await,
        }
    }

    async fn acquire(&self, name: &LeaseName, lease: &Lease) -> Result<Lease, PortError> {
        let (name, mut lease) = (self.lease_name(name), lease.clone());
        let held = self.leases.lock().expect("no poison").get(&name).cloned();
        match self.mutation {
            Mutation::GivesNoLease => return Ok(sample::lease(99, 0)),
            Mutation::LooksBeforeItGives => tokio::task::yield_now().await,
            Mutation::LeasesInMilliseconds => {
                lease.until = lease.until.round(Unit::Millisecond).expect("in range");
            }
            _ => (),
        }
        if let Some(held) = held.filter(|held| self.stands(held, &lease)) {
            return Ok(held);
        }
        let mut leases = self.leases.lock().expect("no poison");
        leases.insert(name, lease.clone());
        Ok(lease)
    }

    async fn release(&self, name: &LeaseName, lease: &Lease) -> Result<(), PortError> {
        let name = self.lease_name(name);
        let mut leases = self.leases.lock().expect("no poison");
        let held = leases.get(&name);
        let is_holder = held.is_some_and(|it| it.holder == lease.holder);
        let is_it = is_holder && held.is_some_and(|it| it.until == lease.until);
        match self.mutation {
            Mutation::ReleasesNothing => (),
            Mutation::ReleasesOnce if !is_it => {
                return Err(PortError::new(ErrorKind::Conflict, "release", name));
            }
            Mutation::ReleasesAllOfAHolder => leases.retain(|_, it| it.holder != lease.holder),
            Mutation::ReleasesForAnybody => drop(leases.remove(&name)),
            mutation if is_it || is_holder && mutation == Mutation::ReleasesByHolder => {
                leases.remove(&name);
            }
            _ => (),
        }
        Ok(())
    }
}

noticed! { control_store:
    InventsRemovals by no_removal_is_listed_at_first;
    ClearsAll by a_removal_is_listed_until_it_is_cleared, clearing_what_is_not_recorded_succeeds;
    ClearsNothing by a_removal_is_listed_until_it_is_cleared;
    ChangesAreOne by removals_of_different_changes_stand_side_by_side, every_removal_is_read_back;
    FirstRemovalStands by a_removal_that_is_recorded_again_replaces_the_first;
    OneRemovalPerDestination by removals_of_different_causes_stand_side_by_side;
    ClearsOnce by clearing_what_is_not_recorded_succeeds;
    ClearsByCause by clearing_a_removal_that_was_replaced_leaves_its_successor;
    ClearsByGeneration by clearing_a_removal_that_was_replaced_leaves_its_successor;
    ClearsByTime by clearing_a_removal_that_was_replaced_leaves_its_successor;
    CausesAreLost by every_removal_is_read_back;
    GenerationsAreLost by
        a_removal_that_is_recorded_again_replaces_the_first,
        every_removal_is_read_back;
    LeftoversAreLost by
        clearing_a_removal_that_was_replaced_leaves_its_successor,
        every_removal_is_read_back;
    PausedAtFirst by there_is_no_pause_at_first;
    PausesForGood by the_pause_is_the_last_one;
    LastClaimStands by the_first_claim_stands, of_racing_claims_one_stands;
    KeysFoldCase by claims_on_other_keys_do_not_matter;
    LastAnswerStands by the_first_answer_stands;
    AnswersClaim by an_answer_to_no_claim_changes_nothing;
    StatusesAreLost by every_claim_and_answer_is_read_back;
    ForgetsAllClaims by old_claims_are_forgotten_and_young_ones_stay;
    ForgetsNoClaim by old_claims_are_forgotten_and_young_ones_stay;
    GivesNoLease by a_free_lease_is_given;
    GivesEveryLease by
        a_held_lease_is_refused_and_its_holder_is_told,
        of_racing_askers_one_gets_the_lease;
    RefusesItsHolder by its_holder_extends_a_lease;
    LeasesNeverEnd by a_lease_whose_time_is_over_is_given_to_the_next;
    LeasesEndLate by a_lease_whose_time_is_over_is_given_to_the_next;
    LeasesEndEarly by a_lease_whose_time_is_over_is_given_to_the_next;
    ComparesTimesAsText by a_lease_whose_time_is_over_is_given_to_the_next;
    LooksBeforeItGives by of_racing_askers_one_gets_the_lease;
    ReleasesNothing by a_lease_that_its_holder_released_is_free;
    ReleasesForAnybody by
        a_release_by_another_changes_nothing,
        a_late_release_of_an_earlier_lease_of_the_same_holder_changes_nothing;
    ReleasesByHolder by a_late_release_of_an_earlier_lease_of_the_same_holder_changes_nothing;
    ShortensLeases by an_earlier_request_of_its_holder_does_not_shorten_a_lease;
    ReleasesOnce by
        a_lease_that_its_holder_released_is_free,
        a_release_by_another_changes_nothing,
        a_late_release_of_an_earlier_lease_of_the_same_holder_changes_nothing;
    ReleasesAllOfAHolder by leases_of_different_names_do_not_matter;
    LeaseNamesFoldCase by leases_of_different_names_do_not_matter;
    LeasesInMilliseconds by every_lease_is_read_back;
}
