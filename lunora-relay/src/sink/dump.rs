//! A publish as an FLV file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::wire::message::{Message, MessageKind};

/// Writes the messages of one publish.
#[derive(Debug)]
pub(super) struct Dump(BufWriter<File>);

impl Dump {
    /// Starts the file `publish-<number>.flv` in a folder.
    pub(super) fn create(folder: &Path, number: usize) -> io::Result<Self> {
        let file = File::create(folder.join(format!("publish-{number}.flv")))?;
        let mut file = BufWriter::new(file);
        file.write_all(b"FLV\x01\x05\0\0\0\x09\0\0\0\0")?;
        Ok(Self(file))
    }

    /// Writes one message as a tag.
    pub(super) fn write(&mut self, message: &Message) -> io::Result<()> {
        let kind = message.kind;
        let is_media = matches!(
            kind,
            MessageKind::Audio | MessageKind::Video | MessageKind::DataAmf0
        );
        let Ok(len) = u32::try_from(message.payload.len()) else {
            return Ok(());
        };
        if !is_media {
            return Ok(());
        }
        let [_, l0, l1, l2] = len.to_be_bytes();
        let [t3, t0, t1, t2] = message.timestamp.to_be_bytes();
        self.0
            .write_all(&[kind.id(), l0, l1, l2, t0, t1, t2, t3, 0, 0, 0])?;
        self.0.write_all(&message.payload)?;
        self.0.write_all(&(len + 11).to_be_bytes())
    }
}
