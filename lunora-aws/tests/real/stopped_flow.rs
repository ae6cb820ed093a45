//! A flow that is stopped and started again.

use lunora_core::domain::{FaultCode, StatusKind};
use lunora_testkit::real::{
    media::{Clip, decodes_clean, is_one_run_of},
    nginx::Nginx,
};

use crate::stage::Stage;

#[test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
fn rule_14_all_wait_while_their_flow_is_stopped_and_come_back_with_it() {
    let mut stage = Stage::start();
    let (mut encoder, published) = stage.publish(&Clip::of(60));
    let all = [Nginx::start(), Nginx::start()].map(|nginx| {
        let key = stage.mint_key();
        let id = stage.add_live("one of them", &nginx.url(&key));
        (id, nginx, key)
    });
    for (id, nginx, key) in &all {
        stage.is_live(id, nginx, key, 1);
    }

    stage.wait(stage.control.stop(&stage.flow)).unwrap();
    for (id, nginx, key) in &all {
        let fault = stage.is(id, StatusKind::WaitingForSource).unwrap();
        assert_eq!(fault.code, FaultCode::FlowStopped);
        // Whoever watches sees it end, and not hang.
        nginx.recording(key);
        assert!(nginx.saw_a_proper_end(key));
    }
    stage.wait(stage.control.start(&stage.flow)).unwrap();
    for (id, nginx, key) in &all {
        stage.is_live(id, nginx, key, 2);
    }

    for (id, nginx, key) in &all {
        stage.remove(id);
        for recording in nginx.finished(key, 2) {
            is_one_run_of(&recording, &published);
            decodes_clean(recording.to_str().unwrap(), None);
        }
    }
    encoder.kill();
    stage.ends_well(&encoder);
}
