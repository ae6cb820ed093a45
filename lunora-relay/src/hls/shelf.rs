//! Where the files lie.

use std::{
    fmt, fs,
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use super::name::HlsFile;

/// A place for files, each of which is there as a whole or not at all.
pub(super) trait Shelf: fmt::Debug + Send {
    /// Puts a file there, in the place of an older one of that name.
    fn put(&mut self, file: HlsFile, parts: &mut dyn Iterator<Item = &[u8]>) -> io::Result<()>;
    /// Takes a file away; one that is not there is fine.
    fn remove(&mut self, file: HlsFile) -> io::Result<()>;
    /// Whether a file is there.
    fn has(&self, file: HlsFile) -> bool;
    /// What is there.
    fn list(&self) -> io::Result<Vec<HlsFile>>;
}

/// A folder. It is made when it is needed, also when somebody took it away.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// What a file is called until all of it is there. Only one is written at a time.
const UNFINISHED: &str = "unfinished.tmp";

impl Folder {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    fn path(&self, file: HlsFile) -> PathBuf {
        self.0.join(file.to_string())
    }

    fn create(&self, unfinished: &Path) -> io::Result<fs::File> {
        match fs::File::create(unfinished) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&self.0)?;
                fs::File::create(unfinished)
            }
            done => done,
        }
    }
}

impl Shelf for Folder {
    fn put(&mut self, file: HlsFile, parts: &mut dyn Iterator<Item = &[u8]>) -> io::Result<()> {
        let unfinished = self.0.join(UNFINISHED);
        let write = || {
            let mut file = io::BufWriter::with_capacity(1 << 16, self.create(&unfinished)?);
            for part in parts {
                file.write_all(part)?;
            }
            file.flush()
        };
        let done = write().and_then(|()| fs::rename(&unfinished, self.path(file)));
        if done.is_err() {
            // What is half there takes room that the next one may need.
            let _ = fs::remove_file(&unfinished);
        }
        done
    }

    fn remove(&mut self, file: HlsFile) -> io::Result<()> {
        match fs::remove_file(self.path(file)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn has(&self, file: HlsFile) -> bool {
        fs::metadata(self.path(file)).is_ok_and(|facts| facts.is_file())
    }

    fn list(&self) -> io::Result<Vec<HlsFile>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        // What has another name is not ours, and stays.
        Ok(names
            .filter_map(|name| name.to_str()?.parse().ok())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &mut Folder, file: HlsFile, bytes: &[u8]) -> io::Result<()> {
        folder.put(file, &mut bytes.chunks(2))
    }

    #[test]
    fn a_file_is_there_as_a_whole_in_place_of_the_older_one_and_no_other_is_touched() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("not there").join("yet");
        let mut folder = Folder::new(path.clone());
        assert_eq!(folder.list().unwrap(), []);

        put(&mut folder, HlsFile::Playlist, b"old").unwrap();
        put(&mut folder, HlsFile::Playlist, b"new").unwrap();
        fs::write(path.join("mine.txt"), "stays").unwrap();

        assert_eq!(fs::read(path.join("live.m3u8")).unwrap(), b"new");
        assert_eq!(folder.list().unwrap(), [HlsFile::Playlist]);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2);
        assert!(folder.has(HlsFile::Playlist) && !folder.has(HlsFile::Head(1)));
        folder.remove(HlsFile::Playlist).unwrap();
        folder.remove(HlsFile::Playlist).unwrap();
        assert!(!folder.has(HlsFile::Playlist));
    }

    #[test]
    fn what_cannot_be_put_leaves_nothing_half_done() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        let mut folder = Folder::new(file);
        assert!(put(&mut folder, HlsFile::Segment(1), b"bytes").is_err());

        // A folder has the name: the bytes are written, and cannot be moved there.
        fs::create_dir(place.path().join("seg-1.m4s")).unwrap();
        let mut folder = Folder::new(place.path().to_owned());
        assert!(put(&mut folder, HlsFile::Segment(1), b"bytes").is_err());
        assert!(!place.path().join(UNFINISHED).exists());
        assert!(!folder.has(HlsFile::Segment(1)));
    }
}
