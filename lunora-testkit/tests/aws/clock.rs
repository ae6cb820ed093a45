//! A clock that goes with tokio's time.

use std::time::Duration;

use lunora_core::port::Clock;
use lunora_testkit::{clock::VirtualClock, sample};

#[tokio::test(start_paused = true)]
async fn it_shows_the_time_that_others_sleep_through_in_whole_milliseconds() {
    let clock = VirtualClock::default();
    assert_eq!(clock.now(), sample::time());
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(clock.now(), sample::time() + Duration::from_secs(90));

    tokio::time::advance(Duration::from_nanos(1_999_999)).await;
    let later = sample::time() + Duration::from_millis(90_001);
    assert_eq!(clock.now(), later);
}
