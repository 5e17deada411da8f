//! Limits: the fastest possible: interpreters called from a bare Rust loop, without a
//! queue, a pool or a payload, and a bare channel between two threads.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use owngil_ffi::{Attached, Config, Interpreter, Object, PyResult, Runtime, STACK_SIZE};

use crate::Result;
use crate::measure::cores::Meeting;
use crate::setting::N_WORKERS;

/// The function that stands for all tiny ones.
pub(crate) const TINY: &str = "def f(x):\n    return x + 1\n";

/// What an interpreter is to do, given its namespace; it gives a figure of its own.
type Work = Box<dyn for<'a> FnOnce(Attached<'a>, &Object<'a>) -> PyResult<'a, f64> + Send>;

/// Interpreters on threads of their own, without anything of owngil's around them.
pub(crate) struct Bare {
    threads: Vec<Sender<Order>>,
}

struct Order {
    meeting: Arc<Meeting>,
    work: Work,
    done: Sender<Result<Done, String>>,
}

struct Done {
    start: Instant,
    end: Instant,
    figure: f64,
}

impl Bare {
    /// Starts them, with what the source text defines.
    pub(crate) fn start(source: &'static str) -> Result<Bare> {
        let runtime = Runtime::start(&Config::default())?;
        let (ready, started) = unbounded();
        let mut threads = Vec::new();
        for _ in 0..N_WORKERS {
            let (orders, received) = unbounded();
            let ready = ready.clone();
            thread::Builder::new()
                .stack_size(STACK_SIZE)
                .spawn(move || live(runtime, source, &received, &ready))?;
            threads.push(orders);
        }
        for _ in 0..N_WORKERS {
            started.recv()??;
        }
        Ok(Bare { threads })
    }

    /// Has all of them work at once; how long that took from the first start to the last end, and
    /// the sum of their figures.
    pub(crate) fn all(&self, make: impl Fn(usize) -> Work) -> Result<(Duration, f64)> {
        self.some(self.threads.len(), make)
    }

    /// As [`all`](Bare::all), for the first `n` of them.
    pub(crate) fn some(&self, n: usize, make: impl Fn(usize) -> Work) -> Result<(Duration, f64)> {
        let meeting = Arc::new(Meeting::new(n));
        let (done, finished) = unbounded();
        for (place, thread) in self.threads.iter().take(n).enumerate() {
            let order = Order {
                meeting: Arc::clone(&meeting),
                work: make(place),
                done: done.clone(),
            };
            thread.send(order).map_err(|_| "an interpreter is gone")?;
        }
        drop(done);
        let all: Vec<Done> = finished.iter().collect::<Result<_, String>>()?;
        let start = all.iter().map(|done| done.start).min();
        let end = all.iter().map(|done| done.end).max();
        let (Some(start), Some(end), true) = (start, end, all.len() == n) else {
            return Err("an interpreter is gone".into());
        };
        let sum = all.iter().map(|done| done.figure).sum();
        Ok((end - start, sum))
    }

    /// Calls of `f` per second, all interpreters together: an int made, a call, an int read.
    pub(crate) fn tiny_calls(&self, n: i64) -> Result<f64> {
        let each = n / self.threads.len() as i64;
        let (elapsed, _) =
            self.all(|_| work(move |attached, globals| tiny(attached, globals, each)))?;
        Ok((each * self.threads.len() as i64) as f64 / elapsed.as_secs_f64())
    }

    /// How long one call of `f` takes in one interpreter, in seconds.
    pub(crate) fn tiny_call(&self, n: i64) -> Result<f64> {
        let (elapsed, _) = self.some(1, |_| {
            work(move |attached, globals| tiny(attached, globals, n))
        })?;
        Ok(elapsed.as_secs_f64() / n as f64)
    }
}

/// Helps the compiler see that the closure is good for any lifetime.
pub(crate) fn work(
    work: impl for<'a> FnOnce(Attached<'a>, &Object<'a>) -> PyResult<'a, f64> + Send + 'static,
) -> Work {
    Box::new(work)
}

/// The function that a namespace has under this name.
pub(crate) fn function<'a>(globals: &Object<'a>, name: &str) -> PyResult<'a, Object<'a>> {
    globals.invoke("__getitem__", &[globals.attached().str(name)?])
}

fn tiny<'a>(attached: Attached<'a>, globals: &Object<'a>, n: i64) -> PyResult<'a, f64> {
    let f = function(globals, "f")?;
    let mut sum = 0;
    for x in 0..n {
        sum += f.call(&[attached.int(x)?])?.as_i64().unwrap_or(0);
    }
    Ok(sum as f64)
}

fn live(
    runtime: &'static Runtime,
    source: &str,
    orders: &Receiver<Order>,
    ready: &Sender<Result<(), String>>,
) {
    let mut interpreter = match Interpreter::new(runtime) {
        Ok(interpreter) => interpreter,
        Err(error) => {
            let _ = ready.send(Err(error.to_string()));
            return;
        }
    };
    interpreter.attach(|attached| {
        let globals = attached.dict().and_then(|globals| {
            // CPython does this in each interpreter.
            attached.site()?.invoke("main", &[])?;
            attached.exec(source, "<bare>", &globals)?;
            Ok(globals)
        });
        let globals = match globals {
            Ok(globals) => globals,
            Err(raised) => {
                let _ = ready.send(Err(format!("{:?}", raised.describe())));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        while let Ok(Order {
            meeting,
            work,
            done,
        }) = attached.detach(|| orders.recv())
        {
            meeting.wait();
            let start = Instant::now();
            let figure = work(attached, &globals);
            let end = Instant::now();
            let reported = figure.map(|figure| Done { start, end, figure });
            let _ = done.send(reported.map_err(|raised| format!("{:?}", raised.describe())));
        }
    });
}

/// A thread that sends back what it gets.
pub(crate) struct Echo {
    there: Sender<u64>,
    back: Receiver<u64>,
}

impl Echo {
    pub(crate) fn start() -> Echo {
        let (there, received) = bounded::<u64>(64);
        let (answers, back) = bounded(64);
        thread::spawn(move || {
            for message in received {
                if answers.send(message).is_err() {
                    return;
                }
            }
        });
        Echo { there, back }
    }

    /// The middle one of `n` round trips, in seconds.
    pub(crate) fn round_trip(&self, n: usize) -> Result<f64> {
        middle_of(n, || {
            self.there.send(1)?;
            self.back.recv()?;
            Ok(())
        })
    }
}

/// How long the middle one of `n` runs takes, in seconds.
pub(crate) fn middle_of(n: usize, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let middle = times.get(n / 2).ok_or("no run")?;
    Ok(middle.as_secs_f64())
}
