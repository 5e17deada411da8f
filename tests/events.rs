//! What a pool tells to `tracing`: the life of tasks and workers.

mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use owngil::{Error, Pool, Task};
use support::f;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// An event: its level, and its fields as text.
#[derive(Clone, Debug)]
struct Seen {
    level: Level,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

impl Seen {
    fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }
}

/// Keeps all events of owngil.
struct Keeper;

static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());
static SPANS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

fn seen() -> MutexGuard<'static, Vec<Seen>> {
    SEEN.lock().unwrap()
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("owngil")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        SPANS.lock().unwrap().push(span.metadata().name());
        Id::from_u64(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let fields = BTreeMap::new();
        let mut kept = Seen { level, fields };
        event.record(&mut kept);
        seen().push(kept);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The events with that message.
fn with(message: &str) -> Vec<Seen> {
    let seen = seen();
    let those = seen.iter().filter(|seen| seen.get("message") == message);
    those.cloned().collect()
}

/// One test, since there is one subscriber for the process.
#[test]
fn tasks_and_workers_emit_events() {
    tracing::subscriber::set_global_default(Keeper).unwrap();
    let builder = Pool::builder().workers(1);
    let pool = builder.grace(Duration::from_secs(60)).build().unwrap();
    let ready = with("worker ready");
    assert_eq!((ready.len(), ready[0].get("worker")), (1, "0"));
    assert_eq!(*SPANS.lock().unwrap(), ["worker"]);

    let reciprocal = f("def f(x): return 1 // x");
    assert!(pool.call::<i32, _>(&reciprocal, 0).is_err());
    let by_message = ["submitted", "begun", "ended"].map(with);
    let numbers = by_message
        .each_ref()
        .map(|events| events[0].get("task").to_owned());
    assert!(!numbers[0].is_empty() && numbers.iter().all(|number| *number == numbers[0]));
    for events in &by_message {
        assert_eq!((events.len(), events[0].level), (1, Level::TRACE));
    }
    assert_eq!(by_message[0][0].get("function"), reciprocal.to_string());
    assert_eq!(by_message[0][0].get("n_calls"), "1");
    assert_eq!(by_message[1][0].get("n_calls"), "1");
    assert_eq!(by_message[2][0].get("n_failed"), "1");

    let spin = f("def f():\n    while True: pass");
    let running: Task<()> = pool.submit(&spin, ()).unwrap();
    while with("begun").len() < 2 {
        std::thread::yield_now();
    }
    let limit = Duration::from_millis(1);
    let queued = pool.task(&reciprocal).args(1).deadline(limit);
    let queued: Task<i32> = queued.submit().unwrap();
    assert_eq!(queued.wait(), Err(Error::timed_out(None)));
    let late = with("ended before it began");
    assert_eq!(
        (late[0].level, late[0].get("why")),
        (Level::DEBUG, "TimedOut")
    );
    assert_eq!(late[0].get("task"), with("submitted")[2].get("task"));
    running.cancel();
    assert!(running.wait().is_err());
    let interrupted = with("interrupted");
    assert_eq!(interrupted[0].get("worker"), "0");
    assert_eq!(interrupted[0].get("why"), "Cancelled");

    pool.shutdown();
    assert_eq!(with("worker retired").len(), 1);
    // The worker took the job of the task that ended before, and did not begin it.
    assert_eq!((with("begun").len(), with("ended").len()), (2, 2));
}
