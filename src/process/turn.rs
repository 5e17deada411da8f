//! Turn: which job a worker process runs. Both sides know it at any moment, even after the process died.
//!
//! Several jobs may be on their way to the worker, so that it never waits for the next. Both sides share one number,
//! which holds the job that began last and a *revision*. The worker begins a job with one atomic step, which fails if
//! the revision is not the one that the job was sent with. The pool takes back all jobs that have not begun with one
//! atomic step, too: it increments the revision, and the old number shows which jobs had begun.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use owngil_ffi::Board;
use rustix::time::{ClockId, clock_gettime};

use crate::interpreter::Progress;
use crate::monitor::Load;
use crate::payload::Encoding;

/// The bits of the number that hold the job. Jobs count from 1; 48 bits last for a century.
const JOB_BITS: u32 = 48;

/// The board's number that holds job and revision.
const TURN: usize = 0;

/// The board's number for the memory in use.
const MEMORY: usize = 1;

/// The board's number for how many calls of the running job have ended.
const ENDED: usize = 2;

/// The board's number for the values in its bytes: how many, in the upper half, and their length, in the lower.
const SAVED: usize = 3;

/// The board's number that is 1 once the job's function is loaded.
const CALLS: usize = 4;

/// The board's number for the last job whose further calls must not run.
const STOPPED: usize = 5;

/// The board's number for the job that loads code or has done so last, times two, and one more while it does.
const LOAD: usize = 6;

/// The board's number for the time at which that load began or ended, in nanoseconds of the system's monotonic clock.
const LOAD_TIME: usize = 7;

/// One side's view of the board.
#[derive(Debug)]
pub(crate) struct Turn(Board);

/// How far a job got before its process ended.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// Whether its function was loaded.
    pub(crate) is_loaded: bool,
    /// How many of its calls had ended. The next one was running.
    pub(crate) n_ended: u32,
    /// How many calls, from the first on, have their values in `values`.
    pub(crate) n_saved: u32,
    pub(crate) values: Vec<u8>,
}

/// Records after each call how far a job has got, and the values as long as they fit.
#[derive(Debug)]
pub(super) struct Diary {
    turn: Turn,
    n_written: usize,
    is_full: bool,
}

impl Diary {
    pub(super) fn new(turn: Turn) -> Diary {
        Diary {
            turn,
            n_written: 0,
            is_full: false,
        }
    }
}

impl Progress for Diary {
    #[inline]
    fn begins(&mut self) {
        (self.n_written, self.is_full) = (0, false);
        self.turn.0.number(CALLS).store(1, Ordering::Release);
    }

    #[inline]
    fn is_stopped(&self) -> bool {
        let stopped = self.turn.0.number(STOPPED).load(Ordering::Relaxed);
        stopped != 0 && stopped == self.turn.begun()
    }

    #[inline]
    fn ended(&mut self, n: u32, values: &Encoding) {
        let new = values.get(self.n_written..).unwrap_or_default();
        self.is_full |= !values.buffers().is_empty();
        self.is_full = self.is_full || !self.turn.0.write(self.n_written, new);
        let numbers = &self.turn.0;
        // The bytes are written before the number that announces them.
        if !self.is_full {
            self.n_written += new.len();
            let saved = u64::from(n) << 32 | self.n_written as u64;
            numbers.number(SAVED).store(saved, Ordering::Release);
        }
        numbers.number(ENDED).store(n.into(), Ordering::Release);
    }
}

impl Turn {
    /// The pool's side, and the file with which the worker opens the other.
    pub(super) fn create() -> io::Result<(Turn, OwnedFd)> {
        let (board, file) = Board::create()?;
        Ok((Turn(board), file))
    }

    /// The worker's side.
    pub(super) fn open(file: &OwnedFd) -> io::Result<Turn> {
        Ok(Turn(Board::open(file)?))
    }

    /// Begins a job, unless it was taken back. The results of the job before it have been sent.
    #[inline]
    pub(super) fn begin(&self, job: u64, revision: u16) -> bool {
        self.0.number(CALLS).store(0, Ordering::Relaxed);
        self.0.number(ENDED).store(0, Ordering::Relaxed);
        self.0.number(SAVED).store(0, Ordering::Relaxed);
        let number = self.number();
        let mut now = number.load(Ordering::Acquire);
        while split(now).1 == revision {
            let next = joined(job, revision);
            match number.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// The number of the job that began last; 0 for none.
    pub(crate) fn begun(&self) -> u64 {
        split(self.number().load(Ordering::Acquire)).0
    }

    /// Takes back all jobs that have not begun. Returns the job that began last, and the new revision. Either side may
    /// call this: a worker that can run no more jobs does so before it reports that.
    pub(crate) fn take_back(&self) -> (u64, u16) {
        let number = self.number();
        let mut now = number.load(Ordering::Acquire);
        loop {
            let (begun, revision) = split(now);
            let next = revision.wrapping_add(1);
            let wanted = joined(begun, next);
            match number.compare_exchange_weak(now, wanted, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return (begun, next),
                Err(other) => now = other,
            }
        }
    }

    /// Keeps the worker from making further calls of that job.
    pub(crate) fn stop(&self, job: u64) {
        self.0.number(STOPPED).store(job, Ordering::Relaxed);
    }

    /// How far the last job got, once the process has ended.
    pub(super) fn remains(&mut self) -> Remains {
        let is_loaded = self.0.number(CALLS).load(Ordering::Acquire) > 0;
        let n_ended = self.0.number(ENDED).load(Ordering::Acquire) as u32;
        let saved = self.0.number(SAVED).load(Ordering::Acquire);
        match self.0.read(0, saved as u32 as usize) {
            Some(values) => Remains {
                is_loaded,
                n_ended,
                n_saved: n_ended.min((saved >> 32) as u32),
                values,
            },
            None => Remains {
                is_loaded,
                n_ended,
                ..Remains::default()
            },
        }
    }

    /// Records how much memory is in use.
    pub(super) fn note_memory(&self, n_bytes: usize) {
        self.0
            .number(MEMORY)
            .store(n_bytes as u64, Ordering::Relaxed);
    }

    /// The memory in use that was recorded last.
    pub(super) fn memory(&self) -> usize {
        self.0.number(MEMORY).load(Ordering::Relaxed) as usize
    }

    /// Records that a load of that job begins, or has ended.
    pub(super) fn note_load(&self, job: u64, is_begin: bool) {
        let numbers = &self.0;
        numbers.number(LOAD_TIME).store(now(), Ordering::Release);
        let load = job << 1 | u64::from(is_begin);
        numbers.number(LOAD).store(load, Ordering::Release);
    }

    /// The last load of that job. One that begins or ends at this moment may have its new time already.
    pub(super) fn load_of(&self, job: u64) -> Load {
        let load = self.0.number(LOAD).load(Ordering::Acquire);
        if load >> 1 != job {
            return Load::NotYet;
        }
        let time = self.0.number(LOAD_TIME).load(Ordering::Acquire);
        let ago = Duration::from_nanos(now().saturating_sub(time));
        let time = Instant::now().checked_sub(ago);
        match (time, load & 1) {
            (None, _) => Load::NotYet,
            (Some(time), 0) => Load::Until(time),
            (Some(time), _) => Load::Since(time),
        }
    }

    fn number(&self) -> &AtomicU64 {
        self.0.number(TURN)
    }
}

/// The system's monotonic clock, which all processes share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn joined(job: u64, revision: u16) -> u64 {
    job | u64::from(revision) << JOB_BITS
}

fn split(number: u64) -> (u64, u16) {
    let job = number & ((1 << JOB_BITS) - 1);
    (job, (number >> JOB_BITS) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_back_does_not_begin_and_what_has_begun_is_reported() {
        let (pool, file) = Turn::create().unwrap();
        let worker = Turn::open(&file).unwrap();
        assert!(worker.begin(1, 0) && worker.begin(2, 0));
        assert_eq!(pool.take_back(), (2, 1));
        assert!(!worker.begin(3, 0));
        assert!(worker.begin(3, 1));
        assert_eq!(pool.begun(), 3);
        for _ in 0..u16::MAX {
            pool.take_back();
        }
        assert_eq!(pool.take_back(), (3, 1));
    }

    #[test]
    fn both_sides_see_the_load_of_a_job() {
        let (pool, file) = Turn::create().unwrap();
        let worker = Turn::open(&file).unwrap();
        assert_eq!(pool.load_of(7), Load::NotYet);
        let before = Instant::now();
        worker.note_load(7, true);
        let Load::Since(begin) = pool.load_of(7) else {
            panic!("it goes on")
        };
        worker.note_load(7, false);
        let Load::Until(end) = pool.load_of(7) else {
            panic!("it has ended")
        };
        // The two clocks are read one after the other.
        let error = Duration::from_millis(5);
        assert!(before <= begin + error && begin <= end + error && end <= Instant::now() + error);
        assert_eq!(pool.load_of(8), Load::NotYet);
    }

    #[test]
    fn each_job_is_begun_or_taken_back() {
        let (pool, file) = Turn::create().unwrap();
        let worker = Turn::open(&file).unwrap();
        let (jobs, sent) = std::sync::mpsc::sync_channel::<(u64, u16)>(4);
        let runner = std::thread::spawn(move || {
            let begun = sent
                .iter()
                .filter(|(job, revision)| worker.begin(*job, *revision));
            begun.map(|(job, _)| job).collect::<Vec<u64>>()
        });
        let mut revision = 0;
        let mut expected = Vec::new();
        let mut open = Vec::new();
        for job in 1..20_000 {
            jobs.send((job, revision)).unwrap();
            open.push(job);
            if job % 7 == 0 {
                let (begun, next) = pool.take_back();
                revision = next;
                expected.extend(open.drain(..).filter(|job| *job <= begun));
            }
        }
        drop(jobs);
        expected.append(&mut open);
        assert_eq!(runner.join().unwrap(), expected);
    }
}
