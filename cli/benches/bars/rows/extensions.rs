//! Extensions: packages with extension modules in private copies, one for each interpreter.

use std::cell::RefCell;
use std::time::Instant;

use owngil::{Backend, Extensions, Function, Pool};
use serde_json::json;

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::peers;
use crate::report::line::{Line, Role, Unit};
use crate::setting::{N_WORKERS, Setting};

/// The functions of `cli/benches/peers/packages.py`, each of which takes the number of its repetitions.
const PACKAGES: [(&str, &str); 4] = [
    ("numpy", "numpy, small arrays"),
    ("pandas", "pandas"),
    ("pydantic", "pydantic"),
    ("pillow", "Pillow"),
];

const BOTH: &str = "owngil";
const ONE: &str = "one interpreter";
const PROCESSES: &str = "two worker processes";

pub(crate) fn lines(setting: &Setting) -> Result<Vec<Line>> {
    let title = |of: &str| format!("extensions: {of}");
    let python = match setting.python_with_packages() {
        Ok(python) => python,
        Err(reason) => {
            let reason = reason.to_string();
            return Ok(vec![Line::not_measured(
                "extensions",
                title("all"),
                &reason,
            )]);
        }
    };
    owngil::use_python(python)?;
    let pool = Pool::builder()
        .workers(N_WORKERS)
        .extensions(Extensions::Private)
        .build()?;
    let workers = Pool::builder()
        .workers(N_WORKERS)
        .backend(Backend::Process)
        .build()?;
    // Another build of Python than ours: its executable, where we and our processes have its library.
    let peer = peers::PACKAGES_IN_PROCESSES;
    let executables = peer.start(setting).map(RefCell::new);
    let mut lines = Vec::new();
    for (name, words) in PACKAGES {
        let function = Function::file(setting.peers().join("packages.py"), name);
        pool.load(&function)?;
        workers.load(&function)?;
        rate(&workers, &function, 1, N_WORKERS)?;
        let n = repetitions(&pool, &function, setting.pick(0.2, 0.1))?;
        let mut contest = Contest::new();
        contest.add(Role::Ours, BOTH, || rate(&pool, &function, n, N_WORKERS));
        contest.add(Role::Peer, ONE, || rate(&pool, &function, n, 1));
        contest.add(Role::Peer, PROCESSES, || {
            rate(&workers, &function, n, N_WORKERS)
        });
        match &executables {
            Ok(running) => contest.add(Role::Peer, peer.name, move || {
                let arguments = json!({ "name": name, "n": n });
                running.borrow_mut().figure("together", arguments)
            }),
            Err(reason) => contest.add_missing(peer.name, reason.to_string()),
        }
        let held = contest.hold(setting, setting.pick(9, 5));
        let mut line = Line::new("extensions", title(words), Unit::PerSecond);
        held.enter(&mut line);
        line.at_least(1.8, "the work of one", held.ratio(BOTH, ONE), Unit::Times);
        let of = "of what two worker processes do";
        line.at_least(1.0, of, held.ratio(BOTH, PROCESSES), Unit::Percent);
        lines.push(line);
    }
    Ok(lines)
}

/// For how many repetitions one task takes about so long.
fn repetitions(pool: &Pool, function: &Function, seconds: f64) -> Result<u64> {
    // The first call imports the package, in each worker.
    rate(pool, function, 1, N_WORKERS)?;
    let mut n = 1;
    loop {
        let rate = rate(pool, function, n, 1)?;
        if n as f64 / rate > seconds / 4.0 {
            return Ok((rate * seconds).ceil() as u64);
        }
        n *= 2;
    }
}

/// How many repetitions a second so many tasks do together.
fn rate(pool: &Pool, function: &Function, n: u64, n_tasks: usize) -> Result<f64> {
    let start = Instant::now();
    let tasks: owngil::Result<Vec<_>> = (0..n_tasks)
        .map(|_| pool.submit::<f64, _>(function, n))
        .collect();
    for task in tasks? {
        task.wait()?;
    }
    Ok(n as f64 * n_tasks as f64 / start.elapsed().as_secs_f64())
}
