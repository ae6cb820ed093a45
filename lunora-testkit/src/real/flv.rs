//! FLV files, as far as it takes to cut one where another program begins.
//!
//! ffmpeg's own parser goes on with the headers of the first program when it reads
//! such a file, and calls good frames of the second one bad; so it gets each alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

const HEADER: usize = 13;
const AUDIO: u8 = 8;
const VIDEO: u8 = 9;

/// Cuts a recording where codec headers follow frames; returns the files of the parts.
#[must_use]
pub fn parts(recording: &Path) -> Vec<PathBuf> {
    let content = fs::read(recording).unwrap();
    let (header, mut rest) = content.split_at(HEADER);
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut was_frame = true;
    while rest.len() > 15 {
        let (tag, others) = rest.split_at(15 + usize_of(&rest[1..4]));
        rest = others;
        let is_header = match tag[0] {
            VIDEO => tag[11] & 0x0f == 7 && tag[12] == 0,
            AUDIO => tag[11] >> 4 == 10 && tag[12] == 0,
            // What describes the program is in the way of nobody.
            _ => continue,
        };
        if is_header && was_frame {
            parts.push(header.to_owned());
        }
        was_frame = !is_header;
        parts.last_mut().unwrap().extend_from_slice(tag);
    }
    let named = parts.iter().enumerate().map(|(number, part)| {
        let file = recording.with_extension(format!("part-{number}.flv"));
        fs::write(&file, part).unwrap();
        file
    });
    named.collect()
}

fn usize_of(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}
