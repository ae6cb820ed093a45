//! What is in a stream: the programs of a PAT, and the streams of a PMT.

/// The first program that a PAT names: its number, and the PID of its PMT.
pub(super) fn first_program(pat: &[u8]) -> Option<(u16, u16)> {
    const NETWORK: u16 = 0;
    let entries = pat.chunks_exact(4).filter_map(|entry| entry.first_chunk());
    let programs = entries.map(|&[n0, n1, p0, p1]| (u16::from_be_bytes([n0, n1]), pid([p0, p1])));
    programs.into_iter().find(|(number, _)| *number != NETWORK)
}

/// The streams of a program: how each is coded, by its number in the standard, and its PID.
pub(super) fn streams(pmt: &[u8]) -> impl Iterator<Item = (u8, u16)> + use<'_> {
    let info = match pmt {
        &[_, _, l0, l1, ..] => len([l0, l1]),
        _ => 0,
    };
    let mut rest = pmt.get(4 + info..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (&[kind, p0, p1, l0, l1], behind) = rest.split_first_chunk()?;
        rest = behind.get(len([l0, l1])..).unwrap_or_default();
        Some((kind, pid([p0, p1])))
    })
}

const fn pid([high, low]: [u8; 2]) -> u16 {
    u16::from_be_bytes([high & 0x1F, low])
}

fn len([high, low]: [u8; 2]) -> usize {
    usize::from(u16::from_be_bytes([high & 0x0F, low]))
}
