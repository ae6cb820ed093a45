//! Finds out on an account what nobody has written down about AWS.
//!
//! [`ASSUMPTIONS`] is the list of what we believe, with what happens where it is
//! wrong; `docs/aws.md` shows the same list. [`Check`] looks at as many of them as it can:
//! [`look`](Check::look) only reads; [`try_out`](Check::try_out) adds one test output to a
//! flow, off, changes it, and removes it again, also when it is stopped or fails.
//!
//! It never writes another output: the type that a change is addressed with is made
//! of names of test outputs and of nothing else. What it cannot know is whether MediaConnect
//! leaves the others alone while one changes, which is an assumption itself.

mod assumption;
mod calls;
mod far_end;
mod intent;
mod mine;
mod report;
mod shown;
mod trial;

use std::{future::Future, sync::Arc, time::Duration};

use lunora_core::{domain::ChannelRefusal, port::Clock};

pub use assumption::{ASSUMPTIONS, Assumption, Tested};
pub use far_end::{FarEnd, FarEndError};
pub use mine::{RunId, RunIdError};
pub use report::{Book, Finding, Trouble, Verdict};

use assumption::{
    CHANNEL_RESENT, CHANNEL_SHOWN, CODEC_WORDS, FLOW_SHOWN, NO_SUCH_FLOW, OTHERS_STAY,
};
use calls::{Calls, Refused, Write, mine_of};
use shown::Shown;
use trial::Trial;

use crate::{
    Budget, FlowArn,
    mediaconnect::{Codec, EvidenceStore, FlowControl},
    medialive::{MediaLiveChannel, Rehearsal},
};

/// Says how far it came.
pub type Tell<'a> = &'a mut (dyn FnMut(&str) + Send + Sync);

/// How long the test output may be tried, in minutes.
const TRIAL_MINUTES: u64 = 8;
/// How long a removal is tried, so that all is over within ten minutes.
const REMOVAL: Duration = Duration::from_secs(90);
/// The most outputs of a flow (quota, not adjustable), and how many of them we need.
const OUTPUTS_MAX: usize = 50;
const ROOM: usize = 2;

/// One check of one flow.
#[derive(Debug)]
pub struct Check {
    calls: Calls,
    control: FlowControl,
    channel: Option<MediaLiveChannel>,
    evidence: Option<Arc<dyn EvidenceStore>>,
    clock: Arc<dyn Clock>,
    run: RunId,
}

/// What there is before anything is changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Looked {
    /// The status of the flow, in AWS's word.
    pub status: String,
    /// How many outputs there are.
    pub outputs: usize,
    /// How many of them are on, so may be pushing to somebody.
    pub on: usize,
    /// Test outputs that another run left.
    pub left: Vec<String>,
}

impl Check {
    /// Checks that flow by that client.
    #[must_use]
    pub fn new(
        client: &aws_sdk_mediaconnect::Client,
        flow: FlowArn,
        run: RunId,
        budget: Arc<Budget>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            calls: Calls::new(client, flow, Arc::clone(&budget)),
            control: FlowControl::new(client.clone(), budget),
            channel: None,
            evidence: None,
            clock,
            run,
        }
    }

    /// Looks at this channel, too.
    #[must_use]
    pub fn with_channel(self, channel: MediaLiveChannel) -> Self {
        let channel = Some(channel);
        Self { channel, ..self }
    }

    /// Looks there for what events told.
    #[must_use]
    pub fn with_evidence(self, evidence: Arc<dyn EvidenceStore>) -> Self {
        let evidence = Some(evidence);
        Self { evidence, ..self }
    }

    /// Reads what can be read, and changes nothing.
    pub async fn look(&self, book: &mut Book, tell: Tell<'_>) -> Result<Looked, Trouble> {
        tell("reading the flow");
        let shown = self.calls.describe().await.map_err(failed)?;
        let looked = self.look_at(&shown, book);
        self.look_for_nothing(book).await;
        tell("reading what comes into the flow");
        self.look_at_source(book).await;
        if let Some(channel) = &self.channel {
            tell("reading the channel");
            look_at_channel(channel, book).await?;
        }
        Ok(looked)
    }

    fn look_at(&self, shown: &Shown, book: &mut Book) -> Looked {
        let known = [
            "STANDBY", "ACTIVE", "UPDATING", "DELETING", "STARTING", "STOPPING", "ERROR",
        ];
        let is_known = known.contains(&shown.status());
        let nameless = shown
            .outputs()
            .filter(|it| it.name().is_empty() || it.arn().is_empty());
        let nameless = nameless.count();
        let (status, outputs) = (shown.status().to_owned(), shown.outputs().count());
        match (is_known, nameless) {
            (true, 0) => book.holds(&FLOW_SHOWN, format!("{status}, {outputs} outputs")),
            (false, _) => book.wrong(&FLOW_SHOWN, "its status is a word that we do not know"),
            (_, some) => book.wrong(&FLOW_SHOWN, format!("{some} outputs lack a name or an ARN")),
        }
        let left = mine_of(shown, None);
        Looked {
            status,
            outputs,
            on: shown
                .outputs()
                .filter(|it| it.status() != "DISABLED")
                .count(),
            left: left.iter().map(|it| it.name().to_owned()).collect(),
        }
    }

    /// Asks for a flow that is not there.
    async fn look_for_nothing(&self, book: &mut Book) {
        let arn = self.calls.flow.as_str();
        let mut parts: Vec<&str> = arn.splitn(8, ':').collect();
        if let Some(id) = parts.get_mut(6) {
            *id = "1-LunoraCheckThere-IsNoSuchFlow0";
        }
        match self.calls.describe_flow(&parts.join(":")).await {
            Err(refused) if refused.is_not_found() => {
                book.holds(&NO_SUCH_FLOW, refused.brief());
            }
            Err(refused) if refused.is_an_answer() => book.wrong(&NO_SUCH_FLOW, refused.brief()),
            Err(refused) => {
                let why = format!("{}; the policy may allow this flow alone", refused.brief());
                book.open(&NO_SUCH_FLOW, why);
            }
            Ok(_) => book.wrong(&NO_SUCH_FLOW, "there is such a flow"),
        }
    }

    async fn look_at_source(&self, book: &mut Book) {
        let format = match self.control.source_format(&self.calls.flow).await {
            Ok(format) => format,
            Err(error) => return book.open(&CODEC_WORDS, error.to_string()),
        };
        let has = |codec| format.streams.iter().any(|it| it.codec == codec);
        if format.streams.is_empty() {
            return book.open(&CODEC_WORDS, "nothing comes into the flow, or it is RTMP");
        }
        if has(Codec::H264) && has(Codec::Aac) {
            return book.holds(&CODEC_WORDS, "H.264 and AAC");
        }
        if has(Codec::Unknown) {
            let words = format
                .streams
                .iter()
                .filter(|it| it.codec == Codec::Unknown);
            let words = words.filter_map(|it| it.codec_text.as_deref());
            let words: Vec<String> = words.map(plain).collect();
            return book.wrong(&CODEC_WORDS, format!("not known: {}", words.join(", ")));
        }
        book.open(
            &CODEC_WORDS,
            "what comes in is not H.264 and AAC, as RTMP needs it",
        );
    }

    /// Adds a test output, tries it, and removes it, within ten minutes.
    ///
    /// When `stop` ends, the output is removed at once. An error says that something
    /// could not be tried; what was found until then is in the book.
    pub async fn try_out(
        &self,
        far_end: Option<&FarEnd>,
        stop: impl Future<Output = ()> + Send,
        book: &mut Book,
        mut tell: Tell<'_>,
    ) -> Result<(), Trouble> {
        let before = self.calls.describe().await.map_err(failed)?;
        let outputs = before.outputs().count();
        if OUTPUTS_MAX < outputs + ROOM {
            return Err(Trouble::NoRoom(outputs));
        }
        if !before.is_passing() && !matches!(before.status(), "ACTIVE" | "STANDBY") {
            return Err(Trouble::State(plain(before.status())));
        }
        let mut trial = Trial::new(self, book, &mut tell);
        let most = Duration::from_secs(TRIAL_MINUTES * 60);
        let tried = tokio::select! {
            biased;
            () = stop => Err(Trouble::Stopped),
            tried = tokio::time::timeout(most, trial.run(far_end)) => {
                tried.unwrap_or(Err(Trouble::TimeUp(TRIAL_MINUTES)))
            }
        };
        tell("removing the test output");
        let removed = self.remove(Some(&self.run)).await;
        if removed.is_ok() {
            self.compare(&before, book).await;
        }
        // That something is left is the more important news.
        removed.and(tried)
    }

    /// Asks MediaLive whether it would take the feed edit, which it does not make.
    pub async fn rehearse(&self, book: &mut Book, tell: Tell<'_>) -> Result<(), Trouble> {
        let Some(channel) = &self.channel else {
            return Ok(());
        };
        tell("asking MediaLive whether it would take an update (dryRun)");
        rehearse_with(channel, book).await
    }

    /// Removes the test outputs that any run left. Returns their names.
    pub async fn clean_up(&self) -> Result<Vec<String>, Trouble> {
        self.remove(None).await
    }

    /// Removes until none is seen twice: a call whose answer was lost may take effect late.
    async fn remove(&self, run: Option<&RunId>) -> Result<Vec<String>, Trouble> {
        let mut removed: Vec<String> = Vec::new();
        let mut looks_without = 0;
        let start = self.clock.now();
        let is_late = || {
            let passed = Duration::try_from(self.clock.now().duration_since(start));
            passed.is_ok_and(|passed| REMOVAL <= passed)
        };
        while looks_without < 2 {
            if is_late() {
                return Err(Trouble::Left(self.calls.flow.to_string()));
            }
            let Ok(shown) = self.calls.describe().await else {
                self.calls.sleep(2_000).await;
                continue;
            };
            let mine = mine_of(&shown, run);
            looks_without = if mine.is_empty() {
                looks_without + 1
            } else {
                0
            };
            for mine in &mine {
                // A refusal is of a flow that is in between; it is tried again.
                if self.calls.write(&Write::Remove(mine)).await.is_ok() {
                    removed.push(mine.name().to_owned());
                }
            }
            self.calls.sleep(1_000).await;
        }
        removed.sort();
        removed.dedup();
        Ok(removed)
    }

    /// Looks whether the outputs of others are shown as before.
    async fn compare(&self, before: &Shown, book: &mut Book) {
        let Ok(after) = self.calls.describe().await else {
            return book.open(&OTHERS_STAY, "the flow could not be read afterwards");
        };
        let is_other = |it: &shown::Output<'_>| mine::Mine::of(it, Some(&self.run)).is_none();
        let count = before.outputs().filter(is_other).count();
        let mut changed = Vec::new();
        for other in before.outputs().filter(is_other) {
            if after.output(other.arn()) != Some(other) {
                changed.push(plain(other.name()));
            }
        }
        let is_new = |it: &shown::Output<'_>| before.output(it.arn()).is_none();
        let new = after.outputs().filter(is_other).filter(is_new);
        changed.extend(new.map(|it| plain(it.name())));
        if changed.is_empty() {
            return book.holds(&OTHERS_STAY, format!("{count} others are shown as before"));
        }
        book.wrong(
            &OTHERS_STAY,
            format!(
                "not as before: {}; if the deployment changed them meanwhile, pause it and run this again",
                changed.join(", ")
            ),
        );
    }
}

/// Looks whether an edit would know every setting; changes nothing.
async fn look_at_channel(channel: &MediaLiveChannel, book: &mut Book) -> Result<(), Trouble> {
    let look = channel.look().await;
    match look.map_err(|error| Trouble::Failed(error.to_string()))? {
        Ok(()) => book.holds(&CHANNEL_SHOWN, "every setting is understood"),
        Err(refusal @ ChannelRefusal::UnknownSetting(_)) => {
            book.wrong(&CHANNEL_SHOWN, plain(&refusal.to_string()));
        }
        Err(refusal) => book.open(&CHANNEL_SHOWN, plain(&refusal.to_string())),
    }
    Ok(())
}

async fn rehearse_with(channel: &MediaLiveChannel, book: &mut Book) -> Result<(), Trouble> {
    // What may not be sent back is not; why was said by the look.
    let look = channel.look().await;
    if let Err(refusal) = look.map_err(|error| Trouble::Failed(error.to_string()))? {
        book.open(&CHANNEL_RESENT, plain(&refusal.to_string()));
        return Ok(());
    }
    match channel.rehearse().await {
        Ok(Rehearsal::Taken) => book.holds(&CHANNEL_RESENT, "taken, and nothing changed"),
        Ok(Rehearsal::Refused(error)) => book.wrong(&CHANNEL_RESENT, plain(&error.to_string())),
        Ok(Rehearsal::Changed(paths)) => {
            let seen = format!("dryRun changed {}; look at the channel", paths.join(", "));
            book.wrong(&CHANNEL_RESENT, plain(&seen));
        }
        Ok(Rehearsal::NotNow(why)) => book.open(&CHANNEL_RESENT, why),
        Err(error) => return Err(Trouble::Failed(error.to_string())),
    }
    Ok(())
}

fn failed(refused: Refused) -> Trouble {
    Trouble::Failed(refused.text)
}

/// A word from outside, cut short and without what a terminal obeys.
fn plain(text: &str) -> String {
    let is_plain = |it: &char| it.is_ascii_graphic() || *it == ' ';
    text.chars().filter(is_plain).take(160).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use aws_sdk_medialive::Client;
    use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
    use aws_smithy_types::body::SdkBody;
    use lunora_core::domain::HashKey;
    use lunora_testkit::clock::VirtualClock;

    use super::*;

    fn answer(status: u16, body: &str) -> HttpResponse {
        let status = StatusCode::try_from(status).unwrap();
        let mut answer = HttpResponse::new(status, SdkBody::from(body));
        if 400 <= status.as_u16() {
            let headers = answer.headers_mut();
            headers.insert("x-amzn-errortype", "UnprocessableEntityException");
        }
        answer
    }

    /// Looks at a channel that is described so before, and so after an update.
    async fn found(before: &'static str, update: u16, after: &'static str) -> Book {
        let seen = Arc::new(AtomicBool::new(false));
        let updated = Arc::clone(&seen);
        let describe = mock!(Client::describe_channel).then_http_response(move || {
            let is_after = updated.load(Ordering::Relaxed);
            answer(200, if is_after { after } else { before })
        });
        let update = mock!(Client::update_channel).then_http_response(move || {
            seen.store(true, Ordering::Relaxed);
            answer(update, "{}")
        });
        let rules = [&describe, &update];
        let client = mock_client!(aws_sdk_medialive, RuleMode::MatchAny, rules);
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::default());
        let sleep = SharedAsyncSleep::new(TokioSleep::new());
        let budget = Arc::new(Budget::new(Arc::clone(&clock), sleep));
        let (id, key) = ("1".parse().unwrap(), HashKey::new([0; 32]));
        let channel = MediaLiveChannel::new(&client, id, budget, clock, key);
        let mut book = Book::default();
        look_at_channel(&channel, &mut book).await.unwrap();
        rehearse_with(&channel, &mut book).await.unwrap();
        book
    }

    fn verdict(book: &Book, id: &str) -> Verdict {
        let mut findings = book.findings().into_iter();
        findings.find(|it| it.id == id).unwrap().verdict
    }

    const IDLE: &str = r#"{"id":"1","state":"IDLE","name":"n","roleArn":"r"}"#;

    #[tokio::test(start_paused = true)]
    async fn a_rehearsal_finds_out_whether_an_update_is_taken_and_changes_nothing() {
        let changed = r#"{"id":"1","state":"IDLE","name":"n"}"#;
        let running = r#"{"id":"1","state":"RUNNING","name":"n","roleArn":"r"}"#;
        for (before, status, after, expected) in [
            (IDLE, 200, IDLE, Verdict::Holds),
            (IDLE, 422, IDLE, Verdict::Wrong),
            (IDLE, 200, changed, Verdict::Wrong),
            // It is not asked.
            (running, 200, changed, Verdict::Open),
        ] {
            let book = found(before, status, after).await;
            assert_eq!(
                verdict(&book, "channel-resent"),
                expected,
                "{before} {status}"
            );
            assert_eq!(verdict(&book, "channel-shown"), Verdict::Holds);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_setting_that_nobody_knows_is_reported_and_not_sent_back() {
        let new = r#"{"id":"1","state":"IDLE","name":"n","newSettings":{"a":1}}"#;
        let book = found(new, 200, IDLE).await;
        assert_eq!(verdict(&book, "channel-shown"), Verdict::Wrong);
        assert_eq!(verdict(&book, "channel-resent"), Verdict::Open);
    }
}
