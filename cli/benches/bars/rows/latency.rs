//! Latency: how long one call takes, there and back, when the next one waits for it.

use owngil::{Backend, Function, Pool};
use serde_json::json;

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::{Bare, Echo, TINY, middle_of};
use crate::measure::peers;
use crate::report::line::{Line, Role, Unit};
use crate::rows::throughput::{add_peers, pool};
use crate::setting::Setting;

/// `call`, against a message to another thread and back, and a bare call.
pub(crate) fn call(setting: &Setting) -> Result<Vec<Line>> {
    const OURS: &str = "owngil";
    const BARE: &str = "bare hand-over and call";
    let n = setting.pick(40_000, 20_000);
    let bare = Bare::start(TINY)?;
    let echo = Echo::start();
    let pool = pool()?;
    let f = Function::source(TINY, "f");
    let mut contest = Contest::new().peers_for(setting.pick(5, 1));
    contest.add(Role::Limit, BARE, || {
        Ok(echo.round_trip(n)? + bare.tiny_call(200_000)?)
    });
    contest.add(Role::Ours, OURS, || {
        middle_of(n, || {
            let value: i64 = pool.call(&f, 1)?;
            if value == 2 {
                Ok(())
            } else {
                Err("1 + 1 is 2".into())
            }
        })
    });
    let with_call = [
        peers::INTERPRETERS,
        peers::POOL,
        peers::PROCESSES,
        peers::THREADS,
        peers::MPIRE,
    ];
    let n_of_peers = setting.pick(2000, 1000);
    add_peers(&mut contest, setting, &with_call, move |peer| {
        peer.figure("call", json!({ "n": n_of_peers }))
    });
    let held = contest.hold(setting, setting.pick(11, 5));
    let mut line = Line::new("call", "call, round trip (p50)", Unit::Seconds);
    held.enter(&mut line);
    let ratio = held.ratio(OURS, BARE);
    line.at_most(1.5, "the bare hand-over and call", ratio, Unit::Times);
    Ok(vec![line])
}

/// Makes calls in a row: to a host function, or to a Python function that does the same.
const FROM_PYTHON: &str = "
import time
from owngil.host import same
def bare(number): return number
def f(is_host, n):
    call = same if is_host else bare
    start = time.perf_counter()
    for number in range(n): call(number)
    return (time.perf_counter() - start) / n
";

/// `host`, a call from Python to a Rust function, against one to a Python function.
pub(crate) fn host(setting: &Setting) -> Result<Vec<Line>> {
    const OURS: &str = "host function";
    const BARE: &str = "Python function";
    const REMOTE: &str = "from a worker process";
    let n = setting.pick(1_000_000, 300_000);
    let builder = |backend| {
        let same = |number: u64| -> owngil::Result<u64> { Ok(number) };
        let builder = Pool::builder().workers(1).backend(backend);
        builder.host_function("same", same).build()
    };
    let (pool, processes) = (builder(Backend::Interpreter)?, builder(Backend::Process)?);
    let f = Function::source(FROM_PYTHON, "f");
    let mut contest = Contest::new();
    contest.add(Role::Limit, BARE, || Ok(pool.call(&f, (false, n))?));
    contest.add(Role::Ours, OURS, || Ok(pool.call(&f, (true, n))?));
    contest.add(Role::Ours, REMOTE, || {
        Ok(processes.call(&f, (true, n / 100))?)
    });
    let held = contest.hold(setting, setting.pick(11, 5));
    let title = "call of a host function, u64 to u64";
    let mut line = Line::new("host", title, Unit::Seconds);
    held.enter(&mut line);
    let ratio = held.ratio(OURS, BARE);
    line.at_most(3.0, "the call of a Python function", ratio, Unit::Times);
    Ok(vec![line])
}
