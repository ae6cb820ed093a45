//! What runs in a worker's process.
//!
//! Three threads besides those of libsrt: one reads what the program says, one writes what is said
//! to it, and one does the work. That one answers the pings, so a libsrt that does not return from a
//! call is seen.

mod driver;
mod outbox;
mod register;

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread,
    time::Instant,
};

use crate::{
    library::{Srt, exit_at_once},
    protocol::{FrameReader, FromWorker, ToWorker, VERSION},
};
use driver::Driver;
use outbox::Outbox;

/// Runs a worker until the program closes the input, and ends the process.
///
/// A program calls it for a subcommand of its own, before it does anything else. Nothing else may
/// write to `output`.
pub fn run_child(input: impl Read, output: impl Write + Send + 'static) -> ! {
    let outbox = Arc::new(Outbox::default());
    let writing = {
        let outbox = Arc::clone(&outbox);
        thread::spawn(move || {
            outbox.write_to(output);
            // Nobody listens any more, or all is said.
            exit_at_once(0);
        })
    };
    let _ = read(input, &outbox);
    outbox.close();
    let _ = writing.join();
    exit_at_once(0);
}

/// Why reading ended. Whatever it is, the worker ends.
enum Over {
    Input,
    Nonsense,
    Missing,
}

fn read(mut input: impl Read, outbox: &Arc<Outbox>) -> Result<(), Over> {
    let (mut reader, mut buffer) = (FrameReader::default(), vec![0; 16 * 1024]);
    let mut driver: Option<Sender<ToWorker>> = None;
    loop {
        let len = input.read(&mut buffer).map_err(|_| Over::Input)?;
        let bytes = buffer.get(..len).filter(|bytes| !bytes.is_empty());
        reader.feed(bytes.ok_or(Over::Input)?);
        while let Some(message) = reader.to_worker().map_err(|_| Over::Nonsense)? {
            match (&driver, message) {
                (None, ToWorker::Start { version, library }) => {
                    driver = Some(start(version, library.as_deref(), outbox)?);
                }
                (Some(driver), message) => driver.send(message).map_err(|_| Over::Nonsense)?,
                (None, _) => return Err(Over::Nonsense),
            }
        }
    }
}

fn start(
    version: u8,
    library: Option<&str>,
    outbox: &Arc<Outbox>,
) -> Result<Sender<ToWorker>, Over> {
    let Ok(srt) = Srt::load(library) else {
        outbox.say(&FromWorker::Missing);
        return Err(Over::Missing);
    };
    let libsrt = srt.version();
    outbox.say(&FromWorker::Hello {
        version: VERSION,
        libsrt,
    });
    if version != VERSION {
        return Err(Over::Nonsense);
    }
    let (commands, inbox) = channel();
    let outbox = Arc::clone(outbox);
    thread::spawn(move || {
        Driver::new(srt, outbox).run(&inbox);
    });
    Ok(commands)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a worker is a process without a runtime, whose clock nobody turns"
)]
fn now() -> Instant {
    Instant::now()
}
