//! Log: the library's events on standard error, as far as `OWNGIL_LOG` asks for them.

use std::env;
use std::io::{self, Write};
use std::sync::Arc;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::stderr::Stderr;
use crate::exit::Exit;
use crate::fatal::Fatal;

/// The variable that says which events are shown: `debug`, or `owngil::pool=trace,warn`.
const VARIABLE: &str = "OWNGIL_LOG";

/// From now on shows the events that are asked for.
pub(crate) fn start(stderr: &Arc<Stderr>) -> Result<(), Fatal> {
    let asked = env::var(VARIABLE).unwrap_or_default();
    if asked.is_empty() {
        return Ok(());
    }
    let targets: Targets = asked.parse().map_err(|error| {
        Fatal::new(Exit::Usage, format!("{VARIABLE}={asked} cannot be read"))
            .cause(error)
            .hint("it is a level (error, warn, info, debug, trace), or TARGET=LEVEL,…")
    })?;
    let stderr = Arc::clone(stderr);
    let layer = fmt::layer()
        .with_ansi(false)
        .with_timer(fmt::time::uptime())
        .with_writer(move || Lines(Arc::clone(&stderr)));
    let log = tracing_subscriber::registry().with(targets).with(layer);
    log.try_init()
        .map_err(|error| Fatal::new(Exit::Failed, "cannot start the log").cause(error))
}

/// Writes events above the status line. An event comes as one piece of whole lines.
struct Lines(Arc<Stderr>);

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
