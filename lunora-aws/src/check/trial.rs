//! What is done with the test output, step by step.

use std::time::Duration;

use jiff::Timestamp;
use lunora_core::SecretString;
use serde_json::{Map, Value, json};

use super::{
    Check, FarEnd, Tell,
    assumption::{
        APPLICATION_QUERY, Assumption, BATCH_IS_WHOLE, DESCRIPTIONS, DUPLICATE_NAME, HEALTH_EVENTS,
        LONG_NAMES, LOW_PORT, OFF_FROM_THE_START, OMITTED_STAYS, PLACE_SHOWN, REMOVED_IS_GONE,
        RTMP_PUSH, SAME_PLACE, STATUS_ALONE, STREAM_NAME_SHOWN, SWITCH_IN_PLACE, TLS_NEEDS_NAME,
        TLS_SHOWN, UPDATE_IN_PLACE, UPDATING_REFUSES, UPDATING_SEEN, UPDATING_SHORT,
    },
    calls::{Refused, Write},
    failed,
    mine::Mine,
    report::{Book, Trouble},
    shown::{Shown, Tls, Told},
};
use crate::mediaconnect::Signal;

/// Where nobody is (RFC 5737): for outputs that are off.
const NOBODY: &str = "203.0.113.7";
/// A name that resolves, in case MediaConnect looks: for outputs that are off.
const A_NAME: &str = "example.com";
/// How long the router waits for a flow to come to rest.
const PATIENCE: Duration = Duration::from_secs(16);
/// How long the check does.
const REST_SECONDS: u64 = 60;
/// How often a change is sent that was refused for the moment alone.
const TRIES: u32 = 4;

pub(super) struct Trial<'a> {
    check: &'a Check,
    book: &'a mut Book,
    tell: Tell<'a>,
}

/// What became of a change.
enum Said {
    Took,
    Refused(Refused),
}

/// How a flow came to rest.
struct Rest {
    shown: Shown,
    was_updating: bool,
    took: Duration,
}

type Step<T> = Result<T, Trouble>;

impl<'a> Trial<'a> {
    pub(super) fn new(check: &'a Check, book: &'a mut Book, tell: Tell<'a>) -> Self {
        Self { check, book, tell }
    }

    /// Leaves the outputs where they are when it fails; whoever called it removes them.
    pub(super) async fn run(&mut self, far_end: Option<&FarEnd>) -> Step<()> {
        (self.tell)("adding the test output, off");
        let Some(mine) = self.add_first().await? else {
            return Ok(());
        };
        (self.tell)("changing it");
        self.status_alone(&mine).await?;
        self.omitted(&mine).await?;
        self.in_place(&mine).await?;
        self.application_query(&mine).await?;
        (self.tell)("asking for what should be refused");
        self.refusals(&mine).await?;
        self.tls(&mine).await?;
        (self.tell)("adding a second one beside it, off");
        self.duplicate(&mine).await?;
        self.long_name().await?;
        self.same_place().await?;
        if let Some(far_end) = far_end {
            (self.tell)("switching it on");
            self.switch(&mine, far_end).await?;
        }
        (self.tell)("removing it");
        self.remove(&mine).await
    }

    async fn add_first(&mut self) -> Step<Option<Mine>> {
        let (told, name) = (self.told(), self.check.run.name());
        self.rest().await?;
        let add = Write::Add(vec![(name.clone(), told.to_json())]);
        if let Said::Refused(refused) = self.write(&add).await? {
            self.book.wrong(&RTMP_PUSH, refused.brief());
            return Ok(None);
        }
        let shown = self.describe().await?;
        let Some(mine) = self.find(&shown, &name) else {
            self.book.wrong(&RTMP_PUSH, "taken, and not shown");
            return Ok(None);
        };
        self.book.holds(&RTMP_PUSH, "taken");
        let is_off = shown
            .output(mine.arn())
            .is_some_and(|it| it.status() == "DISABLED");
        if !is_off {
            self.book.wrong(
                &OFF_FROM_THE_START,
                "it is shown as on; it is removed at once",
            );
            return Ok(None);
        }
        self.book
            .holds(&OFF_FROM_THE_START, "it is shown as DISABLED");
        self.updating(&shown, &mine).await?;
        Ok(Some(mine))
    }

    /// Right after a change: whether the flow is UPDATING, refuses, and how long.
    async fn updating(&mut self, shown: &Shown, mine: &Mine) -> Step<()> {
        if shown.status() == "STANDBY" {
            for it in [&UPDATING_SEEN, &UPDATING_REFUSES, &UPDATING_SHORT] {
                self.book.open(it, "the flow does not run");
            }
            return Ok(());
        }
        if shown.status() != "UPDATING" {
            let seen = format!(
                "it is {} right after a change",
                super::plain(shown.status())
            );
            self.book.wrong(&UPDATING_SEEN, seen);
            self.book.open(&UPDATING_REFUSES, "it was never UPDATING");
            self.book.open(&UPDATING_SHORT, "it was never UPDATING");
            return Ok(());
        }
        self.book
            .holds(&UPDATING_SEEN, "it is UPDATING right after a change");
        let off = Write::Update(mine, status("DISABLED"));
        match self.check.calls.write(&off).await {
            Ok(()) => self
                .book
                .wrong(&UPDATING_REFUSES, "it takes a change while UPDATING"),
            Err(refused) if refused.is_bad_request() => {
                let seen = if self.describe().await?.status() == "UPDATING" {
                    Some(refused.brief())
                } else {
                    None
                };
                match seen {
                    Some(seen) => self.book.holds(&UPDATING_REFUSES, seen),
                    None => self
                        .book
                        .open(&UPDATING_REFUSES, "it came to rest too soon to tell"),
                }
            }
            Err(refused) if refused.is_an_answer() => {
                self.book.wrong(&UPDATING_REFUSES, refused.brief());
            }
            Err(refused) => return Err(failed(refused)),
        }
        self.rest().await.map(drop)
    }

    async fn status_alone(&mut self, mine: &Mine) -> Step<()> {
        let before = self.rest().await?.shown;
        let off = Write::Update(mine, status("DISABLED"));
        if let Said::Refused(refused) = self.write(&off).await? {
            self.book.wrong(&STATUS_ALONE, refused.brief());
            return Ok(());
        }
        let after = self.rest().await?.shown;
        if before.output(mine.arn()) == after.output(mine.arn()) {
            self.book
                .holds(&STATUS_ALONE, "taken, and nothing else changed");
        } else {
            self.book
                .wrong(&STATUS_ALONE, "taken, and something else changed");
        }
        Ok(())
    }

    async fn omitted(&mut self, mine: &Mine) -> Step<()> {
        let told = self.told();
        let text = json!(format!("{}, second", told.description));
        let members = Map::from_iter([("description".to_owned(), text)]);
        if let Said::Refused(refused) = self.write(&Write::Update(mine, members)).await? {
            let seen = format!("a description alone is refused: {}", refused.brief());
            self.book.wrong(&OMITTED_STAYS, seen);
            return Ok(());
        }
        let shown = self.rest().await?.shown;
        let Some(output) = shown.output(mine.arn()) else {
            self.book.wrong(&OMITTED_STAYS, "the output is gone");
            return Ok(());
        };
        let mut lost = told.place_unlike(&output);
        lost.extend(told.settings_unlike(&output));
        if lost.is_empty() {
            self.book
                .holds(&OMITTED_STAYS, "a description alone changes nothing else");
        } else {
            self.book.wrong(
                &OMITTED_STAYS,
                format!("changed as well: {}", lost.join(", ")),
            );
        }
        Ok(())
    }

    /// Another host name, port, key and description, all at once.
    async fn in_place(&mut self, mine: &Mine) -> Step<()> {
        let told = Told {
            description: long_description(),
            host: A_NAME.to_owned(),
            port: 1936,
            stream: SecretString::from("lunora-check-second"),
            ..self.told()
        };
        let update = Write::Update(mine, told.to_json());
        if let Said::Refused(refused) = self.write(&update).await? {
            self.book.wrong(&UPDATE_IN_PLACE, refused.brief());
            return Ok(());
        }
        let shown = self.rest().await?.shown;
        let Some(output) = shown.output(mine.arn()) else {
            self.book
                .wrong(&UPDATE_IN_PLACE, "it has another ARN, or is gone");
            return Ok(());
        };
        let unlike = told.settings_unlike(&output);
        judge(self.book, &UPDATE_IN_PLACE, &unlike);
        let unlike = told.place_unlike(&output);
        judge(self.book, &PLACE_SHOWN, &unlike);
        if output.description() == told.description {
            self.book
                .holds(&DESCRIPTIONS, "128 characters are shown unchanged");
        } else {
            let length = output.description().chars().count();
            self.book.wrong(
                &DESCRIPTIONS,
                format!("{length} of 128 characters are shown, or others"),
            );
        }
        if told.is_stream_shown(&output) {
            self.book.holds(&STREAM_NAME_SHOWN, "it is shown");
        } else {
            self.book.wrong(&STREAM_NAME_SHOWN, "it is hidden");
        }
        Ok(())
    }

    async fn application_query(&mut self, mine: &Mine) -> Step<()> {
        let told = Told {
            application: SecretString::from("live2?backup=1"),
            ..self.told()
        };
        self.update_shows(mine, &told, &APPLICATION_QUERY).await
    }

    async fn tls(&mut self, mine: &Mine) -> Step<()> {
        let told = self.with_tls();
        self.update_shows(mine, &told, &TLS_SHOWN).await
    }

    async fn update_shows(
        &mut self,
        mine: &Mine,
        told: &Told,
        assumption: &'static Assumption,
    ) -> Step<()> {
        if let Said::Refused(refused) = self.write(&Write::Update(mine, told.to_json())).await? {
            self.book.wrong(assumption, refused.brief());
            return Ok(());
        }
        let shown = self.rest().await?.shown;
        match shown.output(mine.arn()) {
            None => self.book.wrong(assumption, "the output is gone"),
            Some(output) => judge(self.book, assumption, &told.settings_unlike(&output)),
        }
        Ok(())
    }

    async fn refusals(&mut self, mine: &Mine) -> Step<()> {
        let low = Told {
            port: 80,
            ..self.told()
        };
        let address = Told {
            host: NOBODY.to_owned(),
            ..self.with_tls()
        };
        for (assumption, told) in [(&LOW_PORT, low), (&TLS_NEEDS_NAME, address)] {
            let said = self.write(&Write::Update(mine, told.to_json())).await?;
            self.expect_refusal(assumption, &said);
        }
        Ok(())
    }

    fn expect_refusal(&mut self, assumption: &'static Assumption, said: &Said) {
        match said {
            Said::Refused(refused) if refused.is_bad_request() => {
                self.book.holds(assumption, refused.brief());
            }
            Said::Refused(refused) => self.book.wrong(assumption, refused.brief()),
            Said::Took => self.book.wrong(assumption, "it is taken"),
        }
    }

    /// The name of the test output again, alone and after a new one in the same call.
    async fn duplicate(&mut self, mine: &Mine) -> Step<()> {
        let at = |port| Told {
            port,
            ..self.told()
        };
        let (one, two, three) = (at(1937).to_json(), at(1938).to_json(), at(1939).to_json());
        let again = mine.name().to_owned();
        let said = self.write(&Write::Add(vec![(again.clone(), one)])).await?;
        self.expect_refusal(&DUPLICATE_NAME, &said);
        self.remove_all_but(mine).await?;
        if matches!(said, Said::Took) {
            self.book
                .open(&BATCH_IS_WHOLE, "no batch is known that is refused in part");
            return Ok(());
        }
        let second = self.check.run.second_name();
        let both = vec![(second.clone(), two), (again, three)];
        let said = self.write(&Write::Add(both)).await?;
        let shown = self.rest().await?.shown;
        match (said, self.find(&shown, &second)) {
            (Said::Took, _) => self.book.open(&BATCH_IS_WHOLE, "the batch is taken"),
            (Said::Refused(_), Some(_)) => {
                self.book
                    .wrong(&BATCH_IS_WHOLE, "refused, and one of the two was added");
            }
            (Said::Refused(refused), None) => {
                let seen = format!("neither was added: {}", refused.brief());
                self.book.holds(&BATCH_IS_WHOLE, seen);
            }
        }
        self.remove_all_but(mine).await
    }

    async fn long_name(&mut self) -> Step<()> {
        let told = Told {
            port: 1940,
            ..self.told()
        };
        let name = self.check.run.long_name();
        let add = Write::Add(vec![(name.clone(), told.to_json())]);
        if let Said::Refused(refused) = self.write(&add).await? {
            self.book.wrong(&LONG_NAMES, refused.brief());
            return Ok(());
        }
        let shown = self.rest().await?.shown;
        match self.find(&shown, &name) {
            Some(long) => {
                self.book
                    .holds(&LONG_NAMES, "164 characters are shown unchanged");
                self.take_away(&long).await
            }
            // What is shown otherwise is still removed in the end, by what begins its name.
            None => {
                self.book.wrong(
                    &LONG_NAMES,
                    "the name is taken and not shown as it was given",
                );
                Ok(())
            }
        }
    }

    /// Beside the test output as [`tls`](Self::tls) left it.
    async fn same_place(&mut self) -> Step<()> {
        let told = Told {
            stream: SecretString::from("lunora-check-third"),
            ..self.with_tls()
        };
        let name = self.check.run.second_name();
        let said = self
            .write(&Write::Add(vec![(name.clone(), told.to_json())]))
            .await?;
        self.expect_refusal(&SAME_PLACE, &said);
        let shown = self.rest().await?.shown;
        match self.find(&shown, &name) {
            Some(second) => self.take_away(&second).await,
            None => Ok(()),
        }
    }

    async fn switch(&mut self, mine: &Mine, far_end: &FarEnd) -> Step<()> {
        let told = far_end.told(self.told().description);
        if let Said::Refused(refused) = self.write(&Write::Update(mine, told.to_json())).await? {
            let why = format!("the far end is refused: {}", refused.brief());
            self.book.open(&SWITCH_IN_PLACE, why);
            return Ok(());
        }
        self.rest().await?;
        let switched_at = self.now();
        for word in ["ENABLED", "DISABLED"] {
            if let Said::Refused(refused) = self.write(&Write::Update(mine, status(word))).await? {
                let seen = format!("{word} is refused: {}", refused.brief());
                self.book.wrong(&SWITCH_IN_PLACE, seen);
                return Ok(());
            }
            let shown = self.rest().await?.shown;
            let is_so = shown
                .output(mine.arn())
                .is_some_and(|it| it.status() == word);
            if !is_so {
                self.book
                    .wrong(&SWITCH_IN_PLACE, format!("it is not shown as {word}"));
                return Ok(());
            }
            if word == "ENABLED" {
                self.wait_for_events(mine, switched_at, &shown).await?;
            }
        }
        self.book
            .holds(&SWITCH_IN_PLACE, "on and off again under one ARN");
        Ok(())
    }

    async fn wait_for_events(&mut self, mine: &Mine, since: Timestamp, flow: &Shown) -> Step<()> {
        let most = self.check.on_for();
        let Some(evidence) = self.check.evidence.clone() else {
            self.check.calls.sleep(most * 1_000).await;
            return Ok(());
        };
        if flow.status() == "STANDBY" {
            self.book.open(&HEALTH_EVENTS, "the flow does not run");
            return Ok(());
        }
        let mut last = None;
        for second in 0..most {
            let all = evidence.all().await;
            let all = all.map_err(|error| Trouble::Failed(error.to_string()))?;
            let heard = all.into_iter().find(|it| it.subject.as_str() == mine.arn());
            // Events tell whole seconds.
            let heard = heard.filter(|it| since.as_second() <= it.at.as_second());
            last = heard.map(|it| it.signal).or(last);
            if last == Some(Signal::Sending) {
                self.book
                    .holds(&HEALTH_EVENTS, format!("SENDING within {second} s"));
                return Ok(());
            }
            self.check.calls.sleep(1_000).await;
        }
        let last = last.map_or("nothing", Signal::as_str);
        self.book
            .wrong(&HEALTH_EVENTS, format!("{last} was heard in {most} s"));
        Ok(())
    }

    async fn remove(&mut self, mine: &Mine) -> Step<()> {
        if let Said::Refused(refused) = self.write(&Write::Remove(mine)).await? {
            self.book.wrong(&REMOVED_IS_GONE, refused.brief());
            return Ok(());
        }
        let shown = self.rest().await?.shown;
        if shown.output(mine.arn()).is_some() {
            self.book.wrong(&REMOVED_IS_GONE, "it is still shown");
            return Ok(());
        }
        match self.write(&Write::Remove(mine)).await? {
            Said::Refused(refused) if refused.is_not_found() => {
                self.book.holds(&REMOVED_IS_GONE, refused.brief());
            }
            Said::Refused(refused) => self.book.wrong(&REMOVED_IS_GONE, refused.brief()),
            Said::Took => self.book.wrong(&REMOVED_IS_GONE, "it can be removed twice"),
        }
        Ok(())
    }

    async fn remove_all_but(&mut self, mine: &Mine) -> Step<()> {
        let shown = self.rest().await?.shown;
        for other in super::mine_of(&shown, Some(&self.check.run)) {
            if other != *mine {
                self.take_away(&other).await?;
            }
        }
        Ok(())
    }

    async fn take_away(&mut self, mine: &Mine) -> Step<()> {
        match self.write(&Write::Remove(mine)).await? {
            Said::Refused(refused) if !refused.is_not_found() => Err(failed(refused)),
            _ => Ok(()),
        }
    }

    /// Sends a change once the flow is at rest, and again if it was not after all.
    async fn write(&mut self, write: &Write<'_>) -> Step<Said> {
        let mut last = None;
        for _ in 0..TRIES {
            self.rest().await?;
            let refused = match self.check.calls.write(write).await {
                Ok(()) => return Ok(Said::Took),
                Err(refused) => refused,
            };
            if refused.status == Some(429) {
                self.check.calls.sleep(2_000).await;
            } else if !refused.is_an_answer() {
                // What became of it is not known.
                return Err(failed(refused));
            } else if !(refused.is_bad_request() && self.describe().await?.is_passing()) {
                return Ok(Said::Refused(refused));
            }
            last = Some(refused);
        }
        Err(last.map_or(Trouble::Busy(REST_SECONDS), failed))
    }

    /// Waits until the flow is not in between, and notes how long that took.
    async fn rest(&mut self) -> Step<Rest> {
        let start = self.now();
        let mut was_updating = false;
        loop {
            let shown = self.describe().await?;
            let took = Duration::try_from(self.now().duration_since(start)).unwrap_or_default();
            if !shown.is_passing() {
                let rest = Rest {
                    shown,
                    was_updating,
                    took,
                };
                self.note(&rest);
                return Ok(rest);
            }
            was_updating |= shown.status() == "UPDATING";
            if Duration::from_secs(REST_SECONDS) < took {
                return Err(Trouble::Busy(REST_SECONDS));
            }
            self.check.calls.sleep(500).await;
        }
    }

    fn note(&mut self, rest: &Rest) {
        if !rest.was_updating {
            return;
        }
        let seen = format!("about {:.1} s", rest.took.as_secs_f64());
        if PATIENCE < rest.took {
            self.book.wrong(&UPDATING_SHORT, seen);
        } else {
            self.book.holds(&UPDATING_SHORT, seen);
        }
    }

    async fn describe(&self) -> Step<Shown> {
        self.check.calls.describe().await.map_err(failed)
    }

    fn find(&self, shown: &Shown, name: &str) -> Option<Mine> {
        let mine = super::mine_of(shown, Some(&self.check.run));
        mine.into_iter().find(|it| it.name() == name)
    }

    fn now(&self) -> Timestamp {
        self.check.clock.now()
    }

    fn told(&self) -> Told {
        Told {
            description: format!("lunora check {}", self.check.run),
            host: NOBODY.to_owned(),
            port: 1935,
            application: SecretString::from("check"),
            stream: SecretString::from("lunora-check"),
            tls: Tls::Without,
        }
    }

    fn with_tls(&self) -> Told {
        Told {
            host: A_NAME.to_owned(),
            port: 443,
            tls: Tls::With,
            ..self.told()
        }
    }
}

fn status(word: &str) -> Map<String, Value> {
    Map::from_iter([("outputStatus".to_owned(), json!(word))])
}

fn judge(book: &mut Book, assumption: &'static Assumption, unlike: &[&str]) {
    if unlike.is_empty() {
        book.holds(assumption, "taken, and shown as it was given");
    } else {
        book.wrong(
            assumption,
            format!("shown otherwise: {}", unlike.join(", ")),
        );
    }
}

/// 128 characters of the kinds that a description of ours has.
fn long_description() -> String {
    let mut text = "lunora1 2026-11-22T10:00:00Z ".to_owned();
    while text.len() < 128 {
        text.push_str(&"0123456789abcdef"[..(128 - text.len()).min(16)]);
    }
    text
}
