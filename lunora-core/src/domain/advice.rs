use super::{FaultClass, FaultCode};

/// What a fault means for people: what happened, what Lunora does about it, and what they can
/// do. It names no host, no key and nobody; that stands in the text of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What happened.
    pub happened: &'static str,
    /// What goes on without anybody.
    pub by_itself: &'static str,
    /// What a person can do.
    pub to_do: &'static str,
}

impl Advice {
    /// That of a fault of this code, which has this class.
    #[must_use]
    pub const fn of(code: FaultCode, class: FaultClass) -> Self {
        Self {
            happened: happened(code),
            by_itself: by_itself(code, class),
            to_do: to_do(code, class),
        }
    }

    /// That of a fault of a destination that is live all the same: nothing is tried again, and no
    /// backup takes over.
    #[must_use]
    pub const fn while_live(code: FaultCode, class: FaultClass) -> Self {
        Self {
            happened: match code {
                FaultCode::Wedged => {
                    "The far end, or the way to it, takes less than comes, so that frames are \
                     left out."
                }
                _ => happened(code),
            },
            by_itself: "It stays live, and the connection stays: a slow line is no faster for \
                        being opened again, and no backup takes over for it.",
            to_do: to_do(code, class),
        }
    }
}

const fn happened(code: FaultCode) -> &'static str {
    match code {
        FaultCode::AuthRejected => "The far end refused the stream key or the account.",
        FaultCode::NameInUse => {
            "Somebody else publishes under this stream key, maybe our own last session, which the \
             far end has not ended yet."
        }
        FaultCode::Dns => "The host name of the push URL has no usable address.",
        FaultCode::Refused => "The host answers, and nobody takes connections at that port.",
        FaultCode::Timeout => "The far end did not answer in time.",
        FaultCode::Tls => "No secure connection came about: the certificate or the handshake.",
        FaultCode::RemoteClosed => "The far end ended the connection.",
        FaultCode::Wedged => {
            "The far end, or the way to it, stopped taking the stream while the connection stood."
        }
        FaultCode::FormatRejected => "The far end does not take this codec or format.",
        FaultCode::Quota => "There is no room for another output.",
        FaultCode::Throttled => "The backend asked to be called less often.",
        FaultCode::SourceLost => "Nothing comes in that could be sent.",
        FaultCode::FlowStopped => "The flow that carries this destination does not run.",
        FaultCode::Invalid => "The destination cannot work as it is set up.",
        FaultCode::Provider => "The provider reports a failure of its own.",
        FaultCode::Internal => "Something in Lunora went wrong.",
        FaultCode::Unknown => "The reason is not known.",
    }
}

const fn by_itself(code: FaultCode, class: FaultClass) -> &'static str {
    match (class, code) {
        (FaultClass::Terminal, _) => {
            "It is not tried again until somebody acts. A backup that takes over by itself does \
             so at once."
        }
        (_, FaultCode::SourceLost) => "It goes on as soon as something comes in.",
        (_, FaultCode::FlowStopped) => {
            "It goes on as soon as the flow runs; a flow is not started by itself, because it \
             costs money."
        }
        (_, FaultCode::NameInUse) => {
            "It waits until the other session is over, and tries again meanwhile."
        }
        (FaultClass::Actionable, FaultCode::Quota | FaultCode::Invalid) => {
            "It begins as soon as it can; nothing else is changed for it."
        }
        (FaultClass::Actionable, _) => "It is tried again, slowly.",
        (FaultClass::Transient, _) => {
            "It is tried again, after pauses that grow. A backup that takes over by itself does \
             so when that goes on."
        }
    }
}

const fn to_do(code: FaultCode, class: FaultClass) -> &'static str {
    match code {
        FaultCode::AuthRejected => {
            "Copy the stream key from the platform anew, set it, and look there whether the \
             broadcast is ready and the account may go live."
        }
        FaultCode::NameInUse => {
            "If another encoder uses this key, stop it or use another key; else wait a minute."
        }
        FaultCode::Dns => {
            "Compare the host of the push URL with what the platform shows. If it is right, look \
             at the name servers of this machine."
        }
        FaultCode::Refused | FaultCode::Timeout => {
            "Compare host and port of the push URL with what the platform shows, and look whether \
             a firewall lets them through."
        }
        FaultCode::Tls => {
            "Look whether the push URL should begin with rtmp:// or rtmps://, and whether the \
             certificate of the host is valid; for a certificate of your own, give its authority \
             to the server."
        }
        FaultCode::RemoteClosed => match class {
            FaultClass::Transient => {
                "Nothing, if it comes back. If it goes on, look at the platform whether the \
                 broadcast is over, and whether the bitrate is within its limits."
            }
            FaultClass::Actionable | FaultClass::Terminal => {
                "Look at the platform whether the broadcast is over or the key was used up; then \
                 start it there, and try again here."
            }
        },
        FaultCode::Wedged => {
            "Look at the upload of this machine: the sum of all outputs has to fit. If one alone \
             is slow, use its backup or a lower bitrate."
        }
        FaultCode::FormatRejected => {
            "Set the encoder to what the platform takes: mostly H.264 and AAC, with a keyframe \
             every 2 seconds."
        }
        FaultCode::Quota => "Stop or remove another destination.",
        FaultCode::Throttled | FaultCode::Provider => match class {
            FaultClass::Transient => {
                "Nothing, if it comes back; else look at the provider's status."
            }
            FaultClass::Actionable | FaultClass::Terminal => {
                "Look at the log of the server: it says what the provider refused, and mostly a \
                 permission or a quota is missing."
            }
        },
        FaultCode::SourceLost => "Start the encoder, or look at its connection.",
        FaultCode::FlowStopped => "Start the flow.",
        FaultCode::Invalid => "Change what the text of the fault names.",
        FaultCode::Internal => match class {
            FaultClass::Transient => "Nothing, if it comes back.",
            FaultClass::Actionable | FaultClass::Terminal => {
                "Look at the log of the server, and report what it says."
            }
        },
        FaultCode::Unknown => "Look at the platform, and try again.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_says_what_happened_in_its_own_words_and_what_to_do() {
        let happened: BTreeSet<&str> = FaultCode::ALL.into_iter().map(happened).collect();
        assert_eq!(happened.len(), FaultCode::ALL.len());
        for code in FaultCode::ALL {
            for class in FaultClass::ALL {
                let Advice {
                    happened,
                    by_itself,
                    to_do,
                } = Advice::of(code, class);
                for sentence in [happened, by_itself, to_do] {
                    assert!(sentence.ends_with('.'), "{code}: {sentence}");
                    assert!(!sentence.contains("  "), "{code}: {sentence}");
                }
            }
        }
    }

    #[test]
    fn what_is_terminal_is_not_said_to_be_tried_again() {
        for code in FaultCode::ALL {
            let by_itself = Advice::of(code, FaultClass::Terminal).by_itself;
            assert!(by_itself.contains("not tried again"), "{code}");
        }
    }
}
