//! Work that may panic without taking anything else along.

use std::{future::Future, time::Duration};

use tokio::{task::JoinSet, time::sleep};
use tracing::error;

/// Before what ended is begun again.
const PAUSE: Duration = Duration::from_millis(500);

/// It panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Does it as a task of its own, which ends with the caller's.
pub(crate) async fn alone<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Panicked> {
    let mut task = JoinSet::new();
    task.spawn(work);
    match task.join_next().await {
        Some(Ok(done)) => Ok(done),
        Some(Err(_)) | None => Err(Panicked),
    }
}

/// Does for ever what should never end: begins it again whenever it does, by a panic or by itself.
pub(crate) async fn over_and_over<F>(what: &'static str, mut begin: impl FnMut() -> F + Send)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let panicked = alone(begin()).await.is_err();
        error!(panicked, "{what} ended, and begins again");
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_panics_or_ends_begins_again_and_ends_with_its_owner() {
        let (begun, mut begins) = mpsc::unbounded_channel();
        let mut number = 0;
        let begin = move || {
            number += 1;
            let (number, begun) = (number, begun.clone());
            async move {
                begun.send(number).unwrap();
                match number {
                    1 => panic!("as it should"),
                    2 => {}
                    _ => std::future::pending().await,
                }
            }
        };

        let source = tokio::spawn(over_and_over("a source", begin));

        for number in 1..=3 {
            assert_eq!(begins.recv().await, Some(number));
        }
        source.abort();
        assert_eq!(begins.recv().await, None, "nobody is left to begin");
    }
}
