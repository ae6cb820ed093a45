//! No destination notices what happens to another.

use lunora_core::{
    domain::{Edit, KeyInput, StatusKind, StreamKey},
    service::{DestinationPatch, LegEdit},
};
use lunora_testkit::real::{
    machine::until,
    media::{Clip, Kind, decodes_clean, is_one_run_of, size},
    nginx::Nginx,
};

use crate::stage::Stage;

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn siblings_get_every_frame_while_another_is_added_edited_toggled_and_removed() {
    let mut stage = Stage::start();
    let clip = Clip {
        kilobits: 1500,
        ..Clip::of(120)
    };
    let (mut encoder, published) = stage.publish(&clip);
    // Each at a host of its own: two outputs of one flow may not go to one host and port.
    let siblings = [Nginx::start(), Nginx::start()].map(|nginx| {
        let key = stage.mint_key();
        let id = stage.add_live("a sibling", &nginx.url(&key));
        (id, nginx, key)
    });
    for (id, nginx, key) in &siblings {
        stage.is_live(id, nginx, key, 1);
    }
    let (first, second) = (Nginx::start(), Nginx::start());
    let (key, other_key) = (stage.mint_key(), stage.mint_key());

    let id = stage.add_live("the other", &first.url(&key));
    stage.is_live(&id, &first, &key, 1);
    grows(&first, &key, 1);
    let url = second.url("");
    let edit = LegEdit::parse(Edit::Set(&url), KeyInput::Masked).unwrap();
    stage.edit(&id, &with_primary(edit));
    stage.is_live(&id, &second, &key, 1);
    grows(&second, &key, 1);
    let edit = LegEdit {
        key: Edit::Set(StreamKey::new(other_key.as_str()).unwrap()),
        ..LegEdit::default()
    };
    stage.edit(&id, &with_primary(edit));
    stage.is_live(&id, &second, &other_key, 1);
    grows(&second, &other_key, 1);
    stage.stop(&id);
    stage.is(&id, StatusKind::Idle);
    second.recording(&other_key);
    stage.restart(&id);
    stage.is_live(&id, &second, &other_key, 2);
    grows(&second, &other_key, 2);
    let disable = DestinationPatch {
        enabled: Some(false),
        ..DestinationPatch::default()
    };
    stage.edit(&id, &disable);
    stage.is(&id, StatusKind::Disabled);
    stage.remove(&id);
    until("the output is gone", || {
        (stage.find(&id).is_none() && stage.output(&id).is_none()).then_some(())
    });
    let least = stage.moved(&siblings[0].0).frames_sent;
    let changes = stage.interruptions(&id);
    let shown = stage.shown(&id);

    for (id, ..) in &siblings {
        let moved = stage.moved(id);
        assert_eq!(
            (moved.reconnects, moved.frames_dropped),
            (0, 0),
            "{moved:?}"
        );
        assert_eq!(stage.interruptions(id), 0);
        let shown = stage.shown(id);
        let live = shown.iter().position(|kind| *kind == StatusKind::Live);
        assert_eq!(shown[live.unwrap()..], [StatusKind::Live], "{shown:?}");
        stage.stop(id);
    }
    assert_eq!(changes, 4, "of its URL and key, stopped, and disabled");
    is_honest(&shown);
    for (_, nginx, key) in &siblings {
        nginx.sees(key, 1);
        let recording = nginx.recording(key);
        let counts = is_one_run_of(&recording, &published);
        let all = (counts[&Kind::Audio] + counts[&Kind::Video]) as u64;
        assert!(
            least <= all,
            "{counts:?}, but {least} were sent before it ended"
        );
        decodes_clean(recording.to_str().unwrap(), None);
    }
    let mut parts = vec![first.recording(&key), second.recording(&key)];
    parts.extend(second.finished(&other_key, 2));
    for part in parts {
        let counts = is_one_run_of(&part, &published);
        assert!(
            30 < counts[&Kind::Video] && 40 < counts[&Kind::Audio],
            "{counts:?}"
        );
        decodes_clean(part.to_str().unwrap(), None);
    }
    encoder.kill();
    stage.ends_well(&encoder);
}

/// Waits until about two seconds of media are in a recording.
fn grows(nginx: &Nginx, key: &str, times: usize) {
    until("the recording grows", || {
        let recordings = nginx.recordings(key);
        (400_000 < size(&recordings[times - 1])).then_some(())
    });
}

fn with_primary(primary: LegEdit) -> DestinationPatch {
    DestinationPatch {
        primary,
        ..DestinationPatch::default()
    }
}

/// What the other one may have shown: four times on its way and then live, and between
/// them idle, once it was stopped. Between a change and the evidence of it there may be
/// some that an output that is not connected shows.
fn is_honest(shown: &[StatusKind]) {
    use StatusKind as K;
    let on_its_way = |kind: &K| matches!(kind, K::Connecting | K::Reconnecting | K::Stopping);
    let rest: Vec<_> = shown
        .iter()
        .filter(|kind| !on_its_way(kind))
        .copied()
        .collect();
    let expected = [K::Live, K::Live, K::Live, K::Idle, K::Live, K::Disabled];
    assert_eq!(rest, expected, "{shown:?}");
}
