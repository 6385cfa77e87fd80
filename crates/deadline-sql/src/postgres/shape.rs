//! What every pool is told.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{BuildError, Pool, QueueMode};

use super::driver::{Driver, Source};
use crate::{Engine, Settings, Undrained};

#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// By default deadpool's: four for each core.
    pub(crate) max_size: Option<usize>,
    pub(crate) queue_mode: QueueMode,
    pub(crate) settings: Settings,
}

impl Shape {
    /// The pool of what this makes.
    pub(crate) fn engine<M: Source>(self, manager: M) -> Result<Arc<Engine<Driver<M>>>, BuildError> {
        let Self { max_size, queue_mode, settings } = self;
        let mut builder = Pool::builder(manager).queue_mode(queue_mode);
        if let Some(max_size) = max_size {
            builder = builder.max_size(max_size);
        }
        Ok(Engine::new(Driver { pool: builder.build()? }, settings))
    }
}

/// Gives out no more connections, and waits for those that are out.
pub(crate) async fn drain<M: Source>(engine: &Engine<Driver<M>>, limit: Duration) -> Result<(), Undrained> {
    let drained = engine.drain(limit).await;
    engine.adapter().pool.close();
    drained
}
