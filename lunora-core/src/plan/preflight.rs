use crate::domain::{
    FaultText, IngestRules, Limit, MediaCodec, MediaFacts, Platform, Scheme, Standing, VideoFacts,
    word::closed_word,
};

closed_word! {
    /// What a platform has a rule about.
    Rule, "scheme, video_codec, bitrate, keyframe_interval, frame_rate, audio_codec, audio_channels and duration" {
        /// How it is pushed to.
        Scheme = "scheme",
        /// How pictures are coded.
        VideoCodec = "video_codec",
        /// Bits per second of all together.
        Bitrate = "bitrate",
        /// The time between keyframes.
        KeyframeInterval = "keyframe_interval",
        /// Pictures per second.
        FrameRate = "frame_rate",
        /// How sound is coded.
        AudioCodec = "audio_codec",
        /// Channels of sound.
        AudioChannels = "audio_channels",
        /// How long a broadcast may last.
        Duration = "duration",
    }
}

/// How what was measured stands to a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It keeps it.
    Fits,
    /// It keeps it, and could do so better; or the rule is good to know.
    Advice(FaultText),
    /// It may be refused, or look bad; what to do.
    Warning(FaultText),
    /// The platform says that it does not take it; what to do.
    Refuses(FaultText),
    /// It was not held against the rule, and why. Nothing is guessed.
    NotChecked(&'static str),
}

impl Fit {
    /// The word in HTTP.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Advice(_) => "advice",
            Self::Warning(_) => "warning",
            Self::Refuses(_) => "refuses",
            Self::NotChecked(_) => "not_checked",
        }
    }
}

/// A rule, and how what was measured stands to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which rule.
    pub rule: Rule,
    /// How it stands.
    pub fit: Fit,
}

const NOTHING_COMES_IN: &str = "nothing comes in that could be measured";
const NOT_MEASURED: &str = "it was not measured";
const NOT_KNOWN: &str = "no such rule of this platform is known";

/// Holds what was measured of the source against the rules of a platform: one
/// verdict for each rule, in their order. It says nothing about whether the
/// platform is there, and takes the key.
#[must_use]
pub fn preflight(platform: &Platform, scheme: Scheme, media: Option<&MediaFacts>) -> Vec<Verdict> {
    let Some(rules) = IngestRules::of(platform) else {
        let fit = || Fit::NotChecked("no rules of this platform are known");
        let all = Rule::ALL.iter();
        return all
            .map(|rule| Verdict {
                rule: *rule,
                fit: fit(),
            })
            .collect();
    };
    let video = media.map(|it| it.video.as_ref());
    let audio = media.map(|it| it.audio.as_ref());
    let fit = |rule| match rule {
        Rule::Scheme => scheme_fits(rules, scheme),
        Rule::VideoCodec => of(video, |it| video_codec(rules, it.codec)),
        Rule::Bitrate => match media {
            None => Fit::NotChecked(NOTHING_COMES_IN),
            Some(media) => measured(media.bitrate_bps, |bps| bitrate(rules, bps)),
        },
        Rule::KeyframeInterval => of(video, |it| keyframes(rules, it)),
        Rule::FrameRate => of(video, |it| {
            measured(it.frame_rate_milli, |rate| frame_rate(rules, rate))
        }),
        Rule::AudioCodec => of(audio, |it| audio_codec(rules, it.codec)),
        Rule::AudioChannels => of(audio, |it| {
            measured(it.channels, |channels| audio_channels(rules, channels))
        }),
        Rule::Duration => match rules.hours {
            None => Fit::NotChecked(NOT_KNOWN),
            Some(Limit { most, .. }) => advice(format!(
                "{} ends a broadcast after {most} hours; plan a new one before that",
                rules.name
            )),
        },
    };
    let all = Rule::ALL.iter().copied();
    all.map(|rule| Verdict {
        rule,
        fit: fit(rule),
    })
    .collect()
}

/// Judges a track that may not be there.
fn of<T>(track: Option<Option<&T>>, judge: impl Fn(&T) -> Fit) -> Fit {
    match track {
        None => Fit::NotChecked(NOTHING_COMES_IN),
        Some(None) => Fit::NotChecked("there is no such track in what comes in"),
        Some(Some(track)) => judge(track),
    }
}

fn measured<T>(value: Option<T>, judge: impl Fn(T) -> Fit) -> Fit {
    value.map_or(Fit::NotChecked(NOT_MEASURED), judge)
}

fn advice(text: String) -> Fit {
    Fit::Advice(text.into())
}

/// What is over a limit is refused only if somebody official says so.
fn breach(standing: Standing, text: String) -> Fit {
    match standing {
        Standing::Documented => Fit::Refuses(text.into()),
        Standing::Hearsay => Fit::Warning(text.into()),
    }
}

fn scheme_fits(rules: &IngestRules, scheme: Scheme) -> Fit {
    if rules.schemes.contains(&scheme) {
        return Fit::Fits;
    }
    let schemes: Vec<&str> = rules.schemes.iter().map(|it| it.as_str()).collect();
    let schemes = schemes.join(" or ");
    let text = format!(
        "{} takes {schemes} and no {scheme}; use its {schemes} URL",
        rules.name
    );
    Fit::Refuses(text.into())
}

fn video_codec(rules: &IngestRules, codec: MediaCodec) -> Fit {
    let name = rules.name;
    if rules.video.contains(&codec) {
        Fit::Fits
    } else if rules.video_enhanced.contains(&codec) {
        let text = format!(
            "{name} takes {codec} only by enhanced RTMP; have the encoder send h264 to be sure"
        );
        Fit::Warning(text.into())
    } else {
        let text = format!("{name} takes h264, and {codec} comes in; have the encoder send h264");
        Fit::Refuses(text.into())
    }
}

fn audio_codec(rules: &IngestRules, codec: MediaCodec) -> Fit {
    if rules.audio.contains(&codec) {
        return Fit::Fits;
    }
    let name = rules.name;
    let text = format!("{name} takes aac, and {codec} comes in; have the encoder send aac");
    Fit::Refuses(text.into())
}

/// What is measured over seconds goes up and down, so a tenth over the limit is no breach yet.
fn bitrate(rules: &IngestRules, bps: u64) -> Fit {
    let Some(Limit { most, standing }) = rules.bitrate_bps else {
        return Fit::NotChecked(NOT_KNOWN);
    };
    if bps <= most {
        return Fit::Fits;
    }
    let text = format!(
        "{} kbit/s come in, and {} takes {} at most; lower the bitrate of the encoder",
        bps / 1_000,
        rules.name,
        most / 1_000
    );
    if bps <= most.saturating_add(most / 10) {
        return Fit::Warning(text.into());
    }
    breach(standing, text)
}

/// A tenth more than asked for is how encoders keep time.
fn keyframes(rules: &IngestRules, video: &VideoFacts) -> Fit {
    let Some(asked) = rules.keyframe_interval_asked_ms else {
        return Fit::NotChecked(NOT_KNOWN);
    };
    let Some(found) = video.keyframe_interval_ms else {
        return Fit::NotChecked("two keyframes have not come in yet");
    };
    if found <= asked + asked / 10 {
        return Fit::Fits;
    }
    let seconds = |ms: u32| f64::from(ms) / 1_000.0;
    let text = format!(
        "a keyframe comes every {:.1} s, and {} asks for one every {:.1} s; set the keyframe \
         interval of the encoder to that",
        seconds(found),
        rules.name,
        seconds(asked)
    );
    match rules.keyframe_interval_ms {
        Some(Limit { most, standing }) if most < found => breach(standing, text),
        Some(_) => advice(text),
        None => Fit::Warning(text.into()),
    }
}

fn frame_rate(rules: &IngestRules, milli: u32) -> Fit {
    let Some(Limit { most, standing }) = rules.frame_rate_milli else {
        return Fit::NotChecked(NOT_KNOWN);
    };
    // 60 by the clock of an encoder may be measured as a little more.
    if milli <= most + most / 100 {
        return Fit::Fits;
    }
    let text = format!(
        "{} pictures a second come in, and {} takes {} at most; lower the frame rate of the \
         encoder",
        milli / 1_000,
        rules.name,
        most / 1_000
    );
    breach(standing, text)
}

fn audio_channels(rules: &IngestRules, channels: u8) -> Fit {
    let Some(Limit { most, standing }) = rules.audio_channels else {
        return Fit::NotChecked(NOT_KNOWN);
    };
    if channels <= most {
        return Fit::Fits;
    }
    let text = format!(
        "sound of {channels} channels comes in, and {} takes {most} at most; have the encoder \
         send stereo",
        rules.name
    );
    breach(standing, text)
}
