//! Buffers: bytes in and out of a pool, and a pickled object that holds many of them.
//!
//! A copy is measured on the spot, into memory that is as fresh as the pool's would be: beyond some
//! megabytes the system hands out new pages for it, and they cost more than the copying.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use owngil::{Buffer, Function, Payload, Pool};
use serde_bytes::{ByteBuf, Bytes};
use serde_json::json;

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::{Bare, Echo, TINY, middle_of, work};
use crate::measure::peers;
use crate::report::line::{Line, Role, Unit};
use crate::rows::throughput::{add_peers, pool};
use crate::setting::Setting;

const OURS: &str = "owngil";

const SOURCE: &str = "
from dataclasses import dataclass

BLOBS = {}


@dataclass
class Frame:
    width: int
    pixels: bytearray


def take(_):
    return None


def make(n):
    BLOBS[n] = bytes(n)


def give(n):
    return BLOBS[n]


def make_frame(n):
    BLOBS['frame'] = Frame(1024, bytearray(n))


def give_frame():
    return BLOBS['frame']
";

struct Size {
    name: &'static str,
    n_bytes: usize,
    /// How many of which the middle one is taken.
    n_runs: usize,
}

const SIZES: [Size; 3] = [
    Size {
        name: "64 KB",
        n_bytes: 64 << 10,
        n_runs: 2000,
    },
    Size {
        name: "1 MB",
        n_bytes: 1 << 20,
        n_runs: 200,
    },
    Size {
        name: "64 MB",
        n_bytes: 64 << 20,
        n_runs: 3,
    },
];

/// What the rows are compared with: hand-overs, calls and copies without anything around them.
struct Floor {
    bare: Bare,
    echo: Echo,
}

impl Floor {
    fn start() -> Result<Floor> {
        Ok(Floor {
            bare: Bare::start(TINY)?,
            echo: Echo::start(),
        })
    }

    /// A message to another thread and back, and a call there.
    fn hand_over(&self) -> Result<f64> {
        Ok(self.echo.round_trip(2000)? + self.bare.tiny_call(20_000)?)
    }

    /// A copy into a new Python `bytes`.
    fn copy_in(&self, blob: &Arc<Vec<u8>>, n: usize) -> Result<f64> {
        let (elapsed, _) = self.bare.some(1, |_| {
            let blob = Arc::clone(blob);
            work(move |attached, _| {
                for _ in 0..n {
                    black_box(attached.bytes(&blob)?);
                }
                Ok(0.0)
            })
        })?;
        Ok(elapsed.as_secs_f64() / n as f64)
    }

    /// A message with a copy of the bytes to an interpreter, which copies them into a `bytes`, and an
    /// answer: what each side copies has to come from the other core's cache.
    fn carry_in(&self, blob: &[u8], n: usize) -> Result<f64> {
        self.carry(n, blob, |blob, there, back| {
            there.send(blob.to_vec())?;
            back.recv()?;
            Ok(())
        })
    }

    /// A message to an interpreter, which answers with a copy of its `bytes`, and a copy of that.
    fn carry_out(&self, blob: &[u8], n: usize) -> Result<f64> {
        self.carry(n, blob, |_, there, back| {
            there.send(Vec::new())?;
            black_box(back.recv()?.to_vec());
            Ok(())
        })
    }

    /// The middle one of `n` exchanges with an interpreter that makes a `bytes` of what it gets; what is
    /// empty it answers with a copy of a `bytes` as large as `blob`.
    fn carry(
        &self,
        n: usize,
        blob: &[u8],
        exchange: impl Fn(&[u8], &Sender<Vec<u8>>, &Receiver<Vec<u8>>) -> Result<()> + Sync,
    ) -> Result<f64> {
        let (there, received) = bounded::<Vec<u8>>(64);
        let (answers, back) = bounded::<Vec<u8>>(64);
        thread::scope(|scope| {
            let exchange = &exchange;
            let asking = scope.spawn(move || {
                let middle = middle_of(n, || exchange(blob, &there, &back));
                middle.map_err(|error| error.to_string())
            });
            let n_bytes = blob.len();
            self.bare.some(1, |_| {
                let (received, answers) = (received.clone(), answers.clone());
                work(move |attached, _| {
                    let own = attached.bytes(&vec![7; n_bytes])?;
                    for message in received {
                        let answer = match message.is_empty() {
                            true => own.as_bytes().unwrap_or_default().to_vec(),
                            false => {
                                black_box(attached.bytes(&message)?);
                                Vec::new()
                            }
                        };
                        if answers.send(answer).is_err() {
                            break;
                        }
                    }
                    Ok(0.0)
                })
            })?;
            let middle = asking.join().map_err(|_| "the asking thread panicked")?;
            Ok(middle?)
        })
    }
}

/// A copy into a new `Vec`.
fn copy(blob: &[u8], n: usize) -> Result<f64> {
    middle_of(n, || {
        black_box(blob.to_vec());
        Ok(())
    })
}

/// Bytes that are copied on their way: into the message, and out of it.
pub(crate) fn bytes(setting: &Setting) -> Result<Vec<Line>> {
    const FLOOR: &str = "bare hand-over, two copies";
    let floor = Floor::start()?;
    let pool = pool()?;
    let (take, give, make) = functions();
    let mut lines = Vec::new();
    for size in &SIZES {
        let n = size.n_runs.div_ceil(setting.pick(1, 2));
        let blob = Arc::new(vec![7_u8; size.n_bytes]);
        on_all(&pool, &make, size.n_bytes)?;

        let mut into = Contest::new().peers_for(setting.pick(5, 1));
        into.add(Role::Limit, FLOOR, || floor.carry_in(&blob, n));
        into.add(Role::Ours, OURS, || {
            middle_of(n, || Ok(pool.call(&take, (Bytes::new(&blob),))?))
        });
        let line = hold(setting, into, "in", size, FLOOR);
        lines.push(line);

        let mut out = Contest::new().peers_for(setting.pick(5, 1));
        out.add(Role::Limit, FLOOR, || floor.carry_out(&blob, n));
        out.add(Role::Ours, OURS, || {
            middle_of(n, || {
                let given: ByteBuf = pool.call(&give, size.n_bytes)?;
                if given.len() == size.n_bytes {
                    Ok(())
                } else {
                    Err("bytes are missing".into())
                }
            })
        });
        let line = hold(setting, out, "out", size, FLOOR);
        lines.push(line);
    }
    Ok(lines)
}

fn hold<'a>(
    setting: &Setting,
    mut contest: Contest<'a>,
    way: &'static str,
    size: &'static Size,
    floor: &str,
) -> Line {
    let with_bytes = [peers::INTERPRETERS, peers::POOL, peers::PROCESSES];
    add_peers(&mut contest, setting, &with_bytes, move |peer| {
        let n = if size.n_bytes > 1 << 20 { 1 } else { 50 };
        peer.figure(way, json!({ "size": size.n_bytes, "n": n }))
    });
    let held = contest.hold(setting, setting.pick(9, 4));
    let title = format!("bytes, {}, {way}, copied", size.name);
    let mut line = Line::new("bytes", title, Unit::Seconds);
    held.enter(&mut line);
    line.at_most(
        1.2,
        &format!("a {floor}"),
        held.ratio(OURS, floor),
        Unit::Times,
    );
    line
}

fn functions() -> (Function, Function, Function) {
    let at = |name: &str| Function::source(SOURCE, name);
    (at("take"), at("give"), at("make"))
}

/// Prepares every worker.
fn on_all(pool: &Pool, function: &Function, n_bytes: usize) -> Result<()> {
    for outcome in pool.broadcast::<(), _>(function, n_bytes)? {
        outcome?;
    }
    Ok(())
}

/// A dataclass with 16 MB in it, which crosses pickled.
pub(crate) fn dataclass(setting: &Setting) -> Result<Vec<Line>> {
    const FLOOR: &str = "bare hand-over, one copy";
    const N_BYTES: usize = 16 << 20;
    let n = setting.pick(9, 5);
    let floor = Floor::start()?;
    let pool = pool()?;
    let at = |name: &str| Function::source(SOURCE, name);
    let (take, give) = (at("take"), at("give_frame"));
    on_all(&pool, &at("make_frame"), N_BYTES)?;
    let blob = Arc::new(vec![7_u8; N_BYTES]);
    let payload: Payload = pool.call(&give, ())?;
    let with_objects = [peers::INTERPRETERS, peers::POOL, peers::PROCESSES];
    let mut lines = Vec::new();
    for way in ["in", "out"] {
        let mut contest = Contest::new().peers_for(setting.pick(5, 1));
        contest.add(Role::Limit, FLOOR, || {
            let copied = match way {
                "in" => floor.copy_in(&blob, n)?,
                _ => copy(&blob, n)?,
            };
            Ok(floor.hand_over()? + copied)
        });
        contest.add(Role::Ours, OURS, || match way {
            "in" => middle_of(n, || Ok(pool.call(&take, (&payload,))?)),
            _ => middle_of(n, || {
                let given: Payload = pool.call(&give, ())?;
                if given.is_opaque() {
                    Ok(())
                } else {
                    Err("no pickled object".into())
                }
            }),
        });
        add_peers(&mut contest, setting, &with_objects, move |peer| {
            peer.figure("frame", json!({ "size": N_BYTES, "n": 3, "way": way }))
        });
        let held = contest.hold(setting, setting.pick(9, 4));
        let title = format!("dataclass holding 16 MB, {way}");
        let mut line = Line::new("dataclass", title, Unit::Seconds);
        held.enter(&mut line);
        line.at_most(
            1.2,
            &format!("a {FLOOR}"),
            held.ratio(OURS, FLOOR),
            Unit::Times,
        );
        lines.push(line);
    }
    Ok(lines)
}

/// Bytes that are not copied: what they cost does not depend on their number.
pub(crate) fn shared(setting: &Setting) -> Result<Vec<Line>> {
    const FLOOR: &str = "bare hand-over and call";
    let floor = Floor::start()?;
    let pool = pool()?;
    let (take, give, make) = functions();
    let mut lines = Vec::new();
    for size in &SIZES {
        let n = setting.pick(2000, 1000);
        let buffer = Buffer::from(vec![7_u8; size.n_bytes]);
        on_all(&pool, &make, size.n_bytes)?;
        for way in ["in", "out"] {
            let mut contest = Contest::new();
            contest.add(Role::Limit, FLOOR, || floor.hand_over());
            contest.add(Role::Ours, OURS, || match way {
                "in" => middle_of(n, || Ok(pool.call(&take, (&buffer,))?)),
                _ => middle_of(n, || {
                    let given: Buffer = pool.call(&give, size.n_bytes)?;
                    if given.len() == size.n_bytes {
                        Ok(())
                    } else {
                        Err("bytes are missing".into())
                    }
                }),
            });
            let held = contest.hold(setting, setting.pick(9, 4));
            let title = format!("bytes, {}, {way}, without a copy", size.name);
            let mut line = Line::new("buffers", title, Unit::Seconds);
            held.enter(&mut line);
            let ours = line.median(OURS).unwrap_or(f64::NAN);
            line.at_most(5e-6, "for a call", ours, Unit::Seconds);
            lines.push(line);
        }
    }
    Ok(lines)
}
