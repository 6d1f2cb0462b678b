//! The story that reads tell in the log, at debug level.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::setup::{Setup, session};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !event.metadata().target().starts_with("hearth_cache") || *event.metadata().level() > Level::DEBUG
        {
            return;
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

#[tokio::test]
async fn each_read_is_one_line_with_the_session_and_its_responses() {
    let lines = Lines::default();
    let _captured = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let setup = Setup::new();
    let (known, unknown) = (session("known"), session("unknown"));
    setup.write_behind(&known, "a secret").await;

    setup.read(&known).await;
    setup.read(&known).await;
    setup.read(&unknown).await;
    setup.append(&known, "another secret").await;
    setup.read(&known).await;
    assert!(setup.cache.open(&session("made up")).history().is_empty());
    assert_eq!(
        lines.take(),
        [
            "DEBUG message=warm-up session=known responses=1",
            "DEBUG message=fast path session=known responses=1",
            "DEBUG message=new conversation session=unknown responses=0",
            "DEBUG message=fast path session=known responses=2",
            "DEBUG message=new conversation session=made up responses=0",
        ]
    );
}

#[tokio::test]
async fn a_failed_load_is_one_warning_and_no_story() {
    let lines = Lines::default();
    let _captured = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let setup = Setup::new();
    setup.store.fail_everything();
    assert!(setup.cache.history(&session("s")).await.is_err());
    let told = lines.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("WARN message=load failed sessions=1"),
        "{told:?}"
    );
}
