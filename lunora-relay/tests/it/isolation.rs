//! The reason for all of this: what is done to one destination, no other notices.

use lunora_core::domain::{Fault, FaultCode, OutputHealth, OutputId, OutputState, Switch};
use lunora_relay::{
    Idle,
    sink::{Behaviour, Sink},
    wire::message::{Message, MessageKind},
};

use crate::support::{Encoder, Footage, Stage, payloads, sink, until};

const SIBLINGS: [&str; 4] = ["sibling-1", "sibling-2", "sibling-3", "sibling-4"];

/// Destinations that are never left alone, and what is done to them, one act at a time.
struct Trouble {
    good: Sink,
    rejecting: Sink,
    stalled: Sink,
    killed: Option<Sink>,
    killed_url: String,
    dead: String,
    /// What each of them must have come to show.
    expected: Vec<(OutputId, FaultCode)>,
    choked: Option<OutputId>,
}

impl Trouble {
    async fn new() -> Self {
        let (good, rejecting, stalled, killed) =
            (sink().await, sink().await, sink().await, sink().await);
        let code = "NetStream.Publish.BadName".to_owned();
        rejecting.behave(Behaviour::Reject {
            code,
            description: "no".to_owned(),
        });
        stalled.behave(Behaviour::Stall);
        let dead = format!("rtmp://{}/app", sink().await.address());
        let killed_url = format!("rtmp://{}/app", killed.address());
        Self {
            good,
            rejecting,
            stalled,
            killed: Some(killed),
            killed_url,
            dead,
            expected: Vec::new(),
            choked: None,
        }
    }

    /// Act number `act`, and whatever that does.
    async fn act(&mut self, stage: &Stage, act: u64) {
        let at = |sink: &Sink| format!("rtmp://{}/app", sink.address());
        let (good, rejecting, stalled) = (at(&self.good), at(&self.rejecting), at(&self.stalled));
        match act {
            0 => {
                let id = stage.push(10, &rejecting, "rejected").await;
                self.expected.push((id, FaultCode::AuthRejected));
            }
            1 => {
                let id = stage.push(11, &self.dead, "refused").await;
                self.expected.push((id, FaultCode::Refused));
            }
            2 => {
                let url = "rtmp://no-such-name.test/app";
                let id = stage.push(12, url, "nameless").await;
                self.expected.push((id, FaultCode::Dns));
            }
            3 => self.choked = Some(stage.push(13, &stalled, "stalled").await),
            4 => {
                let id = stage.push(14, &self.killed_url, "killed").await;
                stage.until_state(&id, OutputState::Live).await;
                self.expected.push((id, FaultCode::RemoteClosed));
            }
            9 => {
                self.killed = None;
                for (id, code) in self.expected.drain(..) {
                    let fell = |health: &OutputHealth| {
                        let code_of = |fault: &Option<Fault>| fault.as_ref().map(|it| it.code);
                        [code_of(&health.fault), code_of(&health.last_fault)].contains(&Some(code))
                    };
                    stage.until_health(&id, fell).await;
                }
            }
            35 => {
                let id = self.choked.take().unwrap();
                let progress = stage.health(&id).await.progress;
                assert!(
                    0 < progress.frames_dropped,
                    "it never overflowed: {progress:?}"
                );
                self.stalled.behave(Behaviour::Take);
            }
            // The same destination over and over: edited, stopped, started, retried, removed.
            _ => {
                let key = format!("busy-{}", act % 4);
                let id: OutputId = match act % 5 {
                    0 => stage.switch(20, &good, &key, Switch::Off).await,
                    1 => stage.push(20, &self.dead, &key).await,
                    _ => stage.push(20, &good, &key).await,
                };
                if act.is_multiple_of(3) {
                    stage.retry(&id).await;
                }
                if act.is_multiple_of(4) {
                    stage.detach(&id).await;
                }
                if act.is_multiple_of(7) {
                    stage.push(30 + act, &good, &key).await;
                }
            }
        }
    }
}

/// Sends, and waits until every sibling has all of it: so nothing here depends on time.
async fn send(encoder: &mut Encoder, siblings: &Sink, sent: &mut Vec<Message>, next: Vec<Message>) {
    encoder.send(&next).await;
    sent.extend(next);
    let frames = sent.len() as u64 - 3;
    for key in SIBLINGS {
        until(siblings, key, |publish| publish.facts.frames() == frames).await;
    }
}

#[tokio::test]
async fn siblings_get_every_byte_whatever_is_done_to_others() {
    let (stage, siblings) = (Stage::start(Idle::Nothing), sink().await);
    for (n, key) in (1..).zip(SIBLINGS) {
        stage
            .push(n, &format!("rtmp://{}/app", siblings.address()), key)
            .await;
    }
    let (mut encoder, mut footage) = (stage.encoder().await, Footage::new(1));
    let mut sent = Vec::new();
    let mut opening = footage.headers();
    opening.extend(footage.picture(3_000));
    send(&mut encoder, &siblings, &mut sent, opening).await;
    let mut trouble = Trouble::new().await;

    for act in 0..40 {
        trouble.act(&stage, act).await;
        // Of a size that makes the stalled one overflow on the way.
        let next = (0..5).flat_map(|_| footage.picture(30_000)).collect();
        send(&mut encoder, &siblings, &mut sent, next).await;
    }

    for key in SIBLINGS {
        let publish = until(&siblings, key, |_| true).await;
        for kind in [
            MessageKind::DataAmf0,
            MessageKind::Video,
            MessageKind::Audio,
        ] {
            assert!(
                payloads(&publish.messages, kind) == payloads(&sent, kind),
                "{kind:?} of {key}"
            );
        }
        assert_eq!(
            (publish.facts.gaps, publish.facts.steps_back),
            (0, 0),
            "{key}"
        );
        assert_eq!(publish.end, None);
    }
    assert_eq!(
        siblings.publishes().len(),
        SIBLINGS.len(),
        "nobody was disconnected"
    );
}
