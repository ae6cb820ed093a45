//! How troubles are judged.

use std::io;

use lunora_core::domain::{FaultClass, FaultCode, PushTarget, StreamKey};

use super::{backoff::Pace, classify::Trouble};
use crate::{dial::DialError, wire::client::Stage};

fn target(url: &str) -> PushTarget {
    let key = StreamKey::new("key-canary?token=tok-canary").unwrap();
    let tail = Some("/tail-canary".to_owned().into());
    PushTarget {
        url: url.parse().unwrap(),
        tail,
        key: Some(key),
    }
}

fn rejected(code: &str, description: &str) -> Trouble {
    let (code, description) = (code.to_owned(), description.to_owned());
    Trouble::Rejected {
        stage: Stage::Publish,
        code,
        description,
    }
}

#[test]
fn a_name_that_we_held_a_moment_ago_is_waited_out() {
    let (bad_name, target) = (
        rejected("NetStream.Publish.BadName", ""),
        target("rtmp://a.test/app"),
    );
    assert_eq!(bad_name.judge(&target, false).code, FaultCode::AuthRejected);

    let verdict = bad_name.judge(&target, true);

    assert_eq!(
        (verdict.code, verdict.class),
        (FaultCode::NameInUse, FaultClass::Transient)
    );
    assert_eq!(verdict.pace, Pace::Slow);
}

#[test]
fn rule_3_words_that_are_not_known_are_not_guessed_at() {
    let target = target("rtmp://a.test/app");
    for (code, description) in [("", ""), ("NetStream.Odd", "computer says no")] {
        let verdict = rejected(code, description).judge(&target, false);
        assert_eq!(
            (verdict.code, verdict.pace),
            (FaultCode::Unknown, Pace::Slow)
        );
    }
}

#[test]
fn rule_3_a_far_end_is_judged_by_its_code_and_by_whole_phrases_alone() {
    use FaultCode as Code;
    const DENIED: &str = "NetStream.Publish.Denied";
    const REJECTED: &str = "NetStream.Publish.Rejected";
    const BAD_NAME: &str = "NetStream.Publish.BadName";
    const CONNECT: &str = "NetConnection.Connect.Rejected";
    let target = target("rtmp://a.test/app");
    for (code, description, expected) in [
        // The code decides, whatever words go with it.
        (DENIED, "", Code::AuthRejected),
        (
            DENIED,
            "For more information see a.test",
            Code::AuthRejected,
        ),
        (DENIED, "Stream key already expired", Code::AuthRejected),
        (
            DENIED,
            "check your limits, too many typos",
            Code::AuthRejected,
        ),
        ("NetStream.Authenticate.UsherToken", "", Code::AuthRejected),
        ("NetConnection.Connect.InvalidApp", "", Code::Invalid),
        ("NetConnection.Connect.AppShutdown", "", Code::RemoteClosed),
        ("NetConnection.Connect.Closed", "", Code::RemoteClosed),
        // A code that says two things.
        (BAD_NAME, "", Code::AuthRejected),
        (BAD_NAME, "Already publishing", Code::NameInUse),
        (BAD_NAME, "too many streams", Code::Quota),
        // The words, where the code leaves it open.
        (REJECTED, "Stream is already in use.", Code::NameInUse),
        (REJECTED, "Unsupported codec: hevc", Code::FormatRejected),
        (REJECTED, "Rate limit exceeded", Code::Throttled),
        (REJECTED, "Quota exceeded", Code::Quota),
        (REJECTED, "Stream key already expired", Code::AuthRejected),
        (
            REJECTED,
            "Not authorized, for information",
            Code::AuthRejected,
        ),
        (
            CONNECT,
            "[ code=403 need auth; authmod=adobe ]",
            Code::AuthRejected,
        ),
        (REJECTED, "Internal server error", Code::Provider),
        // Words that only look like some of these.
        (REJECTED, "For more information see a.test", Code::Unknown),
        (REJECTED, "already expired", Code::Unknown),
        (REJECTED, "check your limits, too many typos", Code::Unknown),
        (REJECTED, "ask the author in his idle hours", Code::Unknown),
        (REJECTED, "the business is in useful hands", Code::Unknown),
        ("Author.Deniedly", "Sorry", Code::Unknown),
        (REJECTED, "", Code::Unknown),
    ] {
        let verdict = rejected(code, description).judge(&target, false);
        assert_eq!(verdict.code, expected, "{code} {description}");
    }
}

#[test]
fn our_own_words_stay_when_the_key_is_one_of_them() {
    let key = StreamKey::new("stream").unwrap();
    let target = PushTarget {
        key: Some(key),
        ..target("rtmp://a.test/app")
    };
    let text = rejected("", "no stream for you").judge(&target, false).text;
    assert_eq!(text, "the far end refuses the stream key: no *** for you");
}

#[test]
fn what_this_machine_has_run_out_of_is_no_fault_of_the_far_end() {
    let (target, here) = (
        target("rtmp://a.test/app"),
        "10.0.0.1:1935".parse().unwrap(),
    );
    for number in [23, 24, 105] {
        let error = || io::Error::from_raw_os_error(number);
        for trouble in [
            Trouble::Dial(DialError::Failed(here, error())),
            Trouble::Dial(DialError::Unresolved(error())),
            Trouble::Broken(error()),
        ] {
            let verdict = trouble.judge(&target, false);
            assert_eq!(
                (verdict.code, verdict.class),
                (FaultCode::Internal, FaultClass::Transient)
            );
            assert!(verdict.text.contains("this machine"), "{}", verdict.text);
        }
    }
}

#[test]
fn rule_21_a_far_end_that_repeats_our_secrets_is_not_repeated() {
    let words =
        "no key-canary?token=tok-canary, no tok-canary, not at /tail-canary nor tail-canary";
    let text = rejected("NetStream.Publish.Denied", words)
        .judge(&target("rtmp://a.test/app"), false)
        .text;
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn only_what_can_never_work_is_terminal() {
    let denied = Trouble::Dial(DialError::Denied("169.254.1.1".parse().unwrap()));
    let by_address = denied.judge(&target("rtmp://169.254.1.1/app"), false);
    assert_eq!(
        (by_address.class, by_address.pace),
        (FaultClass::Terminal, Pace::Never)
    );
    let by_name = denied.judge(&target("rtmp://a.test/app"), false);
    assert_eq!(by_name.class, FaultClass::Actionable);
}
