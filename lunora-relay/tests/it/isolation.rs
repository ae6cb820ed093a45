//! The reason for all of this: what is done to one destination, no other notices.

use lunora_core::domain::{OutputId, Switch};
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
        }
    }

    /// Act number `act`, and whatever that does.
    async fn act(&mut self, stage: &Stage, act: u64) {
        let at = |sink: &Sink| format!("rtmp://{}/app", sink.address());
        let (good, rejecting, stalled) = (at(&self.good), at(&self.rejecting), at(&self.stalled));
        match act {
            0 => drop(stage.push(10, &rejecting, "rejected").await),
            1 => drop(stage.push(11, &self.dead, "refused").await),
            2 => drop(
                stage
                    .push(12, "rtmp://no-such-name.test/app", "nameless")
                    .await,
            ),
            3 => drop(stage.push(13, &stalled, "stalled").await),
            4 => drop(stage.push(14, &self.killed_url, "killed").await),
            9 => self.killed = None,
            17 => self.stalled.behave(Behaviour::Take),
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
