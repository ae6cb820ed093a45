//! Any bytes, and any losses.

use proptest::prelude::*;

use super::{Demux, HELD_MAX, Length, MessageKind, Mux, demuxed, demuxed_in, film, only, pictures};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_comes_out_at_any_cut(piece in 1..700_usize, told in any::<bool>()) {
        let mut mux = Mux::new();
        film(&mut mux, 12, 77, if told { Length::Told } else { Length::Untold });
        let bytes = mux.bytes();

        prop_assert_eq!(demuxed_in(&bytes, piece), demuxed(&bytes));
    }

    /// What is lost, twice, swapped or flipped: no picture goes out that refers to one that did not.
    #[test]
    fn whatever_is_lost_no_picture_is_sent_without_those_before_it(
        lost in prop::collection::btree_set(0..420_usize, 0..20),
        told in any::<bool>(),
    ) {
        let mut mux = Mux::new();
        film(&mut mux, 100, 0, if told { Length::Told } else { Length::Untold });
        let kept = mux.packets.iter().enumerate().filter(|(at, _)| !lost.contains(at));
        let bytes: Vec<u8> = kept.flat_map(|(_, packet)| *packet).collect();

        let (messages, counters) = demuxed(&bytes);

        let sent = pictures(&messages);
        for pair in sent.windows(2) {
            let follows = pair[1].0 == pair[0].0 + 1;
            prop_assert!(follows || pair[1].1, "{pair:?} of {sent:?}");
        }
        prop_assert_eq!(counters.pictures as usize, sent.len());
        let times: Vec<_> = only(&messages, MessageKind::Video).iter().map(|it| it.timestamp).collect();
        prop_assert!(times.is_sorted());
        if lost.iter().all(|at| *at > 1) {
            prop_assert!(sent.len() + 12 * (lost.len() + 1) >= 100, "{sent:?}");
        }
    }

    #[test]
    fn damaged_packets_are_survived_and_nothing_grows(
        damage in prop::collection::vec((0..9_000_usize, any::<u8>()), 0..60),
        piece in 1..2_000_usize,
    ) {
        let mut mux = Mux::new();
        film(&mut mux, 12, (1 << 33) - 9_000, Length::Told);
        let mut bytes = mux.bytes();
        let len = bytes.len();
        for (at, byte) in damage {
            bytes[at % len] = byte;
        }

        demuxed_in(&bytes, piece);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
        demuxed(&bytes);
    }
}

#[test]
fn a_picture_that_does_not_end_is_given_up() {
    let mut mux = Mux::new();
    film(&mut mux, 1, 0, Length::Told);
    mux.pes(super::VIDEO, [0; 2], &vec![0x55; 9 << 20], Length::Untold);
    let mut demux = Demux::new();

    demux.feed(&mux.bytes());

    assert!(demux.held() <= HELD_MAX);
    assert_eq!(demux.counters().pes_dropped, 1);
}
