//! The input of the channel.

use lunora_core::{domain::AttachmentName, port::ChannelController};
use lunora_testkit::aws::{Fault, Matcher};

use crate::support::Stage;

fn name(text: &str) -> AttachmentName {
    AttachmentName(text.to_owned())
}

async fn active(stage: &Stage) -> String {
    let channel = stage.channel.describe().await.unwrap();
    channel.active_input.unwrap().0
}

#[tokio::test]
async fn a_switch_is_an_immediate_action_of_the_schedule() {
    let stage = Stage::new().await;
    stage.run().await;
    for to in ["slate", "camera", "camera", "slate"] {
        stage.channel.switch_input(&name(to)).await.unwrap();
        assert_eq!(active(&stage).await, to);
        // Names are of milliseconds.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }

    let schedule = stage.schedule();
    assert_eq!(schedule.len(), 4);
    for action in schedule {
        let start = &action["scheduleActionStartSettings"];
        assert!(start["immediateModeScheduleActionStartSettings"].is_object());
    }
}

#[tokio::test]
async fn a_switch_whose_reply_is_lost_is_done_once() {
    for fault in [Fault::RequestLost, Fault::ReplyLost, Fault::Status(503)] {
        let stage = Stage::new().await;
        stage.run().await;
        let matcher = Matcher::operation("BatchUpdateSchedule");
        stage.simulator.fault(matcher, fault);
        stage.channel.switch_input(&name("slate")).await.unwrap();

        assert_eq!(active(&stage).await, "slate", "{fault:?}");
        assert_eq!(stage.schedule().len(), 1, "{fault:?}");
    }
}
