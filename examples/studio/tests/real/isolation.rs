//! No destination notices what happens to another.

use std::collections::BTreeMap;

use lunora_testkit::real::{
    machine::{self, PATIENCE, until},
    media::{Clip, Kind, decodes_clean, is_one_run_of, listen, publish, size},
    nginx::Nginx,
};
use serde_json::json;

use crate::{sink::Sink, studio::Studio};

/// Nobody listens there, ever.
const NOBODY: u16 = 9;

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn siblings_get_every_frame_whatever_happens_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::without_test_stream(&folder.path().join("data"));
    let api = &studio.api;
    let clip = Clip {
        kilobits: 1500,
        ..Clip::of(60)
    }
    .file();
    let (friendly, sink) = (Nginx::start(), Sink::start());
    let file = folder.path().join("sibling.flv");
    let listening = format!("rtmp://{}/live/sibling", machine::address());
    let mut receiver = listen(&listening, &file);
    let encoder = publish(&clip, &studio.publish);
    let siblings = [
        api.add_live("sibling 1", &friendly.url("one")),
        api.add_live("sibling 2", &friendly.url("two")),
        api.add_live("sibling 3", &listening),
    ];
    for id in &siblings {
        api.has_sent(id, 30);
    }

    let mut changes = 0;
    let mut changed = |what: &str| {
        changes += 1;
        for id in &siblings {
            let now = api.find(id).unwrap();
            let state = &now["state"];
            assert_eq!(state["status"], "live", "{what}: {now}");
        }
    };
    let mut victim = Nginx::start();
    let id = api.add_live("the other", &victim.url("victim"));
    api.has_sent(&id, 30);
    changed("added");

    // Rejecting, refusing, not to be resolved: each an edit of what runs.
    let nobody = format!("rtmp://{}:{NOBODY}/live/victim", machine::address());
    let nowhere = format!("rtmp://{}/live/victim", name_of_nobody());
    for (url, code) in [
        (victim.closed_url("victim"), "remote_closed"),
        (nobody, "refused"),
        (nowhere, "dns"),
        (victim.http_url("victim"), "invalid"),
    ] {
        api.edit(&id, &json!({"rtmp_url": url}));
        changed("edited");
        api.shows(&id, code, |state| state["fault"]["code"] == code);
        changed("at fault");
        api.stop(&id);
        changed("stopped");
        api.start(&id);
        changed("started");
    }
    api.edit(&id, &json!({"rtmp_url": victim.url("victim")}));
    changed("edited");
    api.has_sent(&id, 30);

    // Stalled: its process takes nothing any more, and the kernel's buffers fill.
    victim.process.signal("STOP");
    let before = size(&file);
    until("three seconds of the stream pass", || {
        (size(&file) > before + 600_000).then_some(())
    });
    changed("stalled");
    api.edit(&id, &json!({"name": "stalled"}));
    changed("renamed");
    victim.process.signal("CONT");
    changed("going on");

    // Killed, while others come and go.
    victim.process.kill();
    api.shows(&id, "at fault", |state| state["fault"].is_object());
    changed("killed");
    for number in 0..5 {
        let guest = api.add_live("guest", &sink.url(&format!("guest-{number}")));
        changed("added");
        api.is(&guest, "live");
        api.edit(&guest, &json!({"enabled": number % 2 == 0}));
        changed("edited");
        api.remove(&guest);
        changed("removed");
    }
    victim.restart();
    api.done("POST", &format!("/api/destinations/{id}/retry"), None);
    changed("retried");
    api.is(&id, "live");
    api.remove(&id);
    changed("removed");

    let sent: Vec<_> = siblings.iter().map(|id| api.find(id).unwrap()).collect();
    for id in &siblings {
        api.stop(id);
    }
    drop(encoder);
    receiver.ends(PATIENCE);
    assert!(changes >= 20, "{changes} changes");
    for sibling in sent {
        let progress = &sibling["state"]["progress"];
        assert_eq!(progress["frames_dropped"], 0, "{sibling}");
        assert_eq!(progress["reconnects"], 0, "{sibling}");
        assert!(sibling["state"]["last_fault"].is_null(), "{sibling}");
    }
    for received in [friendly.recording("one"), friendly.recording("two"), file] {
        let counts = is_one_run_of(&received, &clip);
        assert!(
            counts >= BTreeMap::from([(Kind::Audio, 200), (Kind::Video, 150)]),
            "{counts:?}"
        );
        decodes_clean(received.to_str().unwrap(), None);
    }
}

/// A host name that the resolver gives up on by itself: a part of it is longer
/// than the 63 letters that a question to a name server has room for.
pub(crate) fn name_of_nobody() -> String {
    format!("{}.invalid", "a".repeat(64))
}
