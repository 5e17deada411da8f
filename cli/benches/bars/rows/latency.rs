//! Latency: how long one call takes, there and back, when the next one waits for it.

use owngil::Function;
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
