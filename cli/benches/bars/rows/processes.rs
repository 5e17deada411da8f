//! Processes: worker processes, against those that Python itself starts.

use std::hint::black_box;
use std::time::Instant;

use owngil::{Backend, Buffer, Function, Pool};
use owngil_ffi::Mapping;
use serde_bytes::Bytes;
use serde_json::json;

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::TINY;
use crate::measure::peers;
use crate::report::line::{Line, Role, Unit};
use crate::rows::throughput::add_peers;
use crate::setting::{N_WORKERS, Setting};

const OURS: &str = "owngil";

const ROW: &str = "processes";

fn pool() -> Result<Pool> {
    let builder = Pool::builder().backend(Backend::Process);
    Ok(builder.workers(N_WORKERS).build()?)
}

pub(crate) fn lines(setting: &Setting) -> Result<Vec<Line>> {
    Ok(vec![submit(setting)?, map(setting)?, bytes(setting)?])
}

/// `submit` from one thread, then waiting for the results.
fn submit(setting: &Setting) -> Result<Line> {
    const N: i64 = 100_000;
    let pool = pool()?;
    let f = Function::source(TINY, "f");
    let mut contest = Contest::new().peers_for(setting.pick(5, 2));
    contest.add(Role::Ours, OURS, || {
        let start = Instant::now();
        let tasks: owngil::Result<Vec<_>> = (0..N).map(|x| pool.submit::<i64, _>(&f, x)).collect();
        let mut sum = 0;
        for task in tasks? {
            sum += task.wait()?;
        }
        right(sum, N)?;
        Ok(N as f64 / start.elapsed().as_secs_f64())
    });
    let seconds = setting.pick(0.3, 0.15);
    let with_submit = [peers::PROCESSES, peers::POOL];
    add_peers(&mut contest, setting, &with_submit, move |peer| {
        peer.figure("submit", json!({ "seconds": seconds }))
    });
    let held = contest.hold(setting, setting.pick(9, 4));
    let mut line = Line::new(ROW, "processes: submit one by one", Unit::PerSecond);
    held.enter(&mut line);
    let peer = peers::PROCESSES.name;
    line.at_least(
        10.0,
        &format!("{peer}'s"),
        held.ratio(OURS, peer),
        Unit::Times,
    );
    Ok(line)
}

/// A map without a chunk size, against one with the chunk size that suits tiny tasks best.
fn map(setting: &Setting) -> Result<Line> {
    const N: i64 = 1_000_000;
    let pool = pool()?;
    let f = Function::source(TINY, "f");
    let mut contest = Contest::new().peers_for(setting.pick(5, 2));
    contest.add(Role::Ours, OURS, || {
        let start = Instant::now();
        let mut sum = 0;
        for value in pool.map_unordered::<i64, _>(&f, 0..N) {
            sum += value?;
        }
        right(sum, N)?;
        Ok(N as f64 / start.elapsed().as_secs_f64())
    });
    let seconds = setting.pick(0.3, 0.15);
    add_peers(&mut contest, setting, &[peers::POOL], move |peer| {
        peer.figure("map_unordered", json!({ "seconds": seconds }))
    });
    let held = contest.hold(setting, setting.pick(9, 4));
    let mut line = Line::new(
        ROW,
        "processes: map of 1 M ints, unordered",
        Unit::PerSecond,
    );
    held.enter(&mut line);
    let peer = peers::POOL.name;
    line.at_least(
        1.0,
        &format!("{peer}'s"),
        held.ratio(OURS, peer),
        Unit::Times,
    );
    Ok(line)
}

/// 64 MB that a function is given and gives back.
fn bytes(setting: &Setting) -> Result<Line> {
    const N_BYTES: usize = 64 << 20;
    const COPY: &str = "one copy into a memory file";
    let pool = pool()?;
    let same = Function::source("def same(x):\n    return x", "same");
    let blob = Buffer::from(vec![7; N_BYTES]);
    let mut contest = Contest::new().peers_for(setting.pick(5, 2));
    contest.add(Role::Limit, COPY, || {
        let start = Instant::now();
        let whole = Mapping::open(Mapping::file_of(&[&blob])?)?;
        black_box(touch(whole.as_ref()));
        Ok(start.elapsed().as_secs_f64())
    });
    contest.add(Role::Ours, OURS, || {
        let start = Instant::now();
        let back: Buffer = pool.call(&same, (&blob,))?;
        black_box(touch(&back));
        Ok(start.elapsed().as_secs_f64())
    });
    contest.add(Role::Ours, "owngil, from a slice", || {
        let start = Instant::now();
        let back: Buffer = pool.call(&same, (Bytes::new(&blob),))?;
        black_box(touch(&back));
        Ok(start.elapsed().as_secs_f64())
    });
    let with_bytes = [peers::PROCESSES, peers::POOL];
    add_peers(&mut contest, setting, &with_bytes, |peer| {
        peer.figure("both", json!({ "size": N_BYTES, "n": 1 }))
    });
    let held = contest.hold(setting, setting.pick(9, 4));
    let mut line = Line::new(ROW, "processes: 64 MB in and out", Unit::Seconds);
    held.enter(&mut line);
    let peer = peers::PROCESSES.name;
    let times = held.ratio(peer, OURS);
    line.at_least(3.0, &format!("as fast as {peer}"), times, Unit::Times);
    line.notes.push(
        "A Buffer is copied once. A slice is copied twice, because it may not live long."
            .to_owned(),
    );
    line.notes.push(format!(
        "{COPY} allocates new pages and frees them: {} of owngil's time.",
        Unit::Percent.show(held.ratio(COPY, OURS))
    ));
    Ok(line)
}

/// Looks at each page, since those that were mapped come when they are looked at.
fn touch(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .step_by(4096)
        .map(|byte| u64::from(*byte))
        .sum()
}

fn right(sum: i64, n: i64) -> Result<()> {
    match sum == n * (n + 1) / 2 {
        true => Ok(()),
        false => Err(format!("the sum of the results is {sum}").into()),
    }
}
