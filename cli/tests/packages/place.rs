//! Place: where packages run, and a pool there.

use std::fmt;
use std::str::FromStr;

use owngil::{Backend, Extensions, Pool};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::environment::Environment;

/// How many workers run a package at the same time.
pub(crate) const N_WORKERS: usize = 4;

/// Where packages run.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// An interpreter with its own GIL, as it is.
    Strict,
    /// The same, with private copies of the extension modules that refuse it.
    Private,
    /// A worker process.
    Process,
    /// An interpreter, with private copies, or else a worker process: wherever owngil puts it by itself.
    Auto,
}

impl Place {
    pub(crate) const ALL: [Place; 4] = [Place::Strict, Place::Private, Place::Process, Place::Auto];

    fn name(self) -> &'static str {
        match self {
            Place::Strict => "strict",
            Place::Private => "private",
            Place::Process => "process",
            Place::Auto => "auto",
        }
    }

    /// As the page says it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Place::Strict => "as it is",
            Place::Private => "private copy",
            Place::Process => "process",
            Place::Auto => "by itself",
        }
    }

    /// A pool there, over the packages of the environment.
    pub(crate) fn pool(self, environment: &Environment) -> Result<Pool> {
        owngil::use_python(environment.python())?;
        let builder = Pool::builder().workers(N_WORKERS);
        // For `pieces` of exercise.py.
        let builder = builder.host_function("same", |text: String| -> owngil::Result<String> {
            Ok(text)
        });
        let builder = match self {
            Place::Strict => builder.backend(Backend::Interpreter),
            Place::Private => builder.extensions(Extensions::Private),
            Place::Process => builder.backend(Backend::Process),
            Place::Auto => builder.backend(Backend::Auto),
        };
        Ok(builder.build()?)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Place {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    fn from_str(name: &str) -> Result<Place> {
        let place = Place::ALL.into_iter().find(|place| place.name() == name);
        place.ok_or_else(|| format!("no place {name:?}").into())
    }
}
