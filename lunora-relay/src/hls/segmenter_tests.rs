//! Any program, cut into segments.

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    sample::{Entry, Kind, Sample},
    segmenter::{Continuity, Limits, Segment, Segmenter},
    tests::tracks,
};

const LIMITS: Limits = Limits {
    wanted: 2_000,
    max: 4_000,
    bytes: 1 << 20,
};

fn picture(time: u64, entry: Entry) -> Sample {
    Sample {
        kind: Kind::Video,
        entry,
        time,
        ticks: time,
        composition: 0,
        data: Bytes::from_static(b"a picture"),
    }
}

fn sound(time: u64) -> Sample {
    Sample {
        kind: Kind::Audio,
        ..picture(time, Entry::Key)
    }
}

/// Pictures every 40 ms, with keyframes at these distances, and sound every 20 ms.
fn program(groups: &[u64]) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut begin = 0;
    for group in groups {
        for time in (begin..begin + group).step_by(40) {
            let is_key = time == begin;
            samples.push(picture(
                time,
                if is_key { Entry::Key } else { Entry::Other },
            ));
            samples.extend([sound(time), sound(time + 20)]);
        }
        begin += group;
    }
    samples
}

fn cut(samples: &[Sample]) -> Vec<Segment> {
    let mut segmenter = Segmenter::new(LIMITS);
    let mut segments = Vec::new();
    for sample in samples {
        segments.extend(segmenter.push(sample.clone()));
    }
    segments.extend(segmenter.finish());
    segments
}

fn spans(segments: &[Segment]) -> Vec<u64> {
    segments.iter().map(Segment::span).collect()
}

#[test]
fn a_segment_is_whole_groups_of_pictures() {
    for (groups, expected) in [
        // Two seconds, as platforms ask for.
        (vec![2_000; 4], vec![2_000; 4]),
        (vec![1_000; 6], vec![2_000; 3]),
        // Longer than wanted, and not too long.
        (vec![1_600; 4], vec![3_200; 2]),
        (vec![4_000; 2], vec![4_000; 2]),
        // One and a half would be too long together: one alone.
        (vec![1_600, 3_200, 3_200], vec![1_600, 3_200, 3_200]),
    ] {
        let segments = cut(&program(&groups));
        assert_eq!(spans(&segments), expected, "{groups:?}");
        assert!(segments.iter().all(Segment::is_independent), "{groups:?}");
    }
}

#[test]
fn a_group_of_ten_seconds_is_cut_before_a_segment_gets_too_long() {
    let segments = cut(&program(&[10_000, 10_000]));

    // 4 s are 100 pictures, and at 4.04 s it is too late to cut at 4 s but not before.
    let expected = [4_000, 4_000, 2_000, 4_000, 4_000, 2_000];
    assert_eq!(spans(&segments), expected);
    let independent: Vec<bool> = segments.iter().map(Segment::is_independent).collect();
    assert_eq!(independent, [true, false, false, true, false, false]);
}

#[test]
fn sound_alone_is_cut_at_any_frame_and_pictures_alone_at_keyframes() {
    let of = |kind| {
        let program = program(&[2_000; 4]);
        program.into_iter().filter(move |it| it.kind == kind)
    };
    let sound: Vec<Sample> = of(Kind::Audio).collect();
    assert_eq!(spans(&cut(&sound)), [2_000; 4]);
    let pictures: Vec<Sample> = of(Kind::Video).collect();
    assert_eq!(spans(&cut(&pictures)), [2_000; 4]);
}

#[test]
fn pictures_that_come_back_begin_a_segment() {
    let mut samples: Vec<Sample> = (0..125).map(|n| sound(n * 20)).collect();
    samples.push(picture(2_500, Entry::Key));

    let segments = cut(&samples);

    assert_eq!(spans(&segments), [2_000, 500, 40]);
    assert_eq!(segments[2].samples, [picture(2_500, Entry::Key)]);
}

#[test]
fn a_silence_longer_than_a_segment_is_a_break_and_a_shorter_one_is_not() {
    let mut samples = program(&[2_000]);
    let resumed = program(&[2_000]).into_iter();
    let resumed: Vec<Sample> = resumed.collect();
    let later = |by: u64| {
        resumed.iter().map(move |it| Sample {
            time: it.time + by,
            ticks: it.ticks + by,
            ..it.clone()
        })
    };
    samples.extend(later(3_500));
    samples.extend(later(60_000));

    let segments = cut(&samples);

    assert_eq!(spans(&segments), [3_500, 2_000, 2_000]);
    let continuity: Vec<Continuity> = segments.iter().map(|it| it.continuity).collect();
    let expected = [Continuity::Goes, Continuity::Goes, Continuity::Breaks];
    assert_eq!(continuity, expected);
}

#[test]
fn other_tracks_and_an_interruption_end_a_segment_and_the_next_one_breaks() {
    let mut segmenter = Segmenter::new(LIMITS);
    let tracks = tracks();
    segmenter.push(picture(0, Entry::Key));

    let before = segmenter.set_tracks(&tracks).unwrap();
    assert_ne!(before.tracks, tracks);
    assert_eq!((before.span(), before.continuity), (40, Continuity::Goes));
    assert_eq!(segmenter.set_tracks(&tracks), None);

    segmenter.push(picture(40, Entry::Key));
    let after = segmenter.interrupt().unwrap();
    assert_eq!(after.tracks, tracks);
    assert_eq!(after.continuity, Continuity::Breaks);
    segmenter.push(picture(80, Entry::Key));
    assert_eq!(segmenter.finish().unwrap().continuity, Continuity::Breaks);
    segmenter.push(picture(120, Entry::Key));
    assert_eq!(segmenter.finish().unwrap().continuity, Continuity::Goes);
}

#[test]
fn what_is_held_is_bounded_in_bytes_even_if_time_stands_still() {
    let large = Sample {
        data: Bytes::from(vec![0; 1 << 18]),
        ..picture(0, Entry::Other)
    };
    let segments = cut(&vec![large; 40]);
    assert!(segments.iter().all(|it| it.samples.len() <= 4));
}

/// A program with everything that can go wrong with its times.
fn any_program() -> impl Strategy<Value = Vec<Sample>> {
    let step = prop_oneof![
        20 => 1..60_u64,
        4 => 60..1_500_u64,
        1 => 1_500..9_000_u64,
        2 => Just(0),
    ];
    let sample = (step, any::<bool>(), prop::bool::weighted(0.05), 0..40_u64);
    prop::collection::vec(sample, 1..400).prop_map(|steps| {
        let mut now = 0;
        let samples = steps.into_iter().map(|(step, is_video, is_key, late)| {
            now += step;
            match (is_video, is_key) {
                (false, _) => sound(now.saturating_sub(late)),
                (true, true) => picture(now, Entry::Key),
                (true, false) => picture(now, Entry::Other),
            }
        });
        samples.collect()
    })
}

proptest! {
    #[test]
    fn every_frame_is_in_exactly_one_segment_and_none_is_longer_than_promised(
        samples in any_program(),
    ) {
        let segments = cut(&samples);

        let all: Vec<Sample> = segments.iter().flat_map(|it| it.samples.clone()).collect();
        prop_assert_eq!(all, samples);
        for segment in &segments {
            prop_assert!((1..=LIMITS.max).contains(&segment.span()), "{:?}", segment.span());
        }
        for pair in segments.windows(2) {
            let goes = pair[1].continuity == Continuity::Goes;
            prop_assert!(!goes || pair[1].start <= pair[0].end + 40, "{:?}", spans(&segments));
        }
    }

    #[test]
    fn with_keyframes_in_time_every_segment_begins_with_one_and_follows_the_last_exactly(
        groups in prop::collection::vec((1..=100_u64).prop_map(|n| n * 40), 1..20),
    ) {
        let segments = cut(&program(&groups));

        prop_assert!(segments.iter().all(Segment::is_independent));
        for pair in segments.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
            prop_assert_eq!(pair[1].continuity, Continuity::Goes);
        }
        let total: u64 = spans(&segments).iter().sum();
        prop_assert_eq!(total, groups.iter().sum::<u64>());
    }
}
