//! Clocks: the CPU time of a thread or process, readable by others.

use std::mem::MaybeUninit;
use std::time::Duration;

/// The CPU time of one thread of this process.
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// That of the present thread; `None` where the system has none.
    pub fn of_this_thread() -> Option<ThreadClock> {
        let mut clock = MaybeUninit::<libc::clockid_t>::uninit();
        // SAFETY: it takes nothing and cannot fail.
        let this = unsafe { libc::pthread_self() };
        // SAFETY: the present thread, which exists; the id is written to `clock`.
        let status = unsafe { libc::pthread_getcpuclockid(this, clock.as_mut_ptr()) };
        // SAFETY: it was written, as the status says.
        (status == 0).then(|| ThreadClock(unsafe { clock.assume_init() }))
    }

    /// For how long that thread has run so far; `None` when it is gone.
    ///
    /// The system may give the number of a thread that is gone to another of this process: then it is that
    /// one's time.
    pub fn time(&self) -> Option<Duration> {
        time(self.0)
    }
}

/// The CPU time of a process, with all of its threads.
#[derive(Clone, Copy, Debug)]
pub struct ProcessClock(libc::clockid_t);

impl ProcessClock {
    /// That of the process with this number; `None` where there is none, or the system has no such clock.
    pub fn of(process: u32) -> Option<ProcessClock> {
        let process = libc::pid_t::try_from(process).ok()?;
        let mut clock = MaybeUninit::<libc::clockid_t>::uninit();
        // SAFETY: any number may be asked for; the id is written to `clock`.
        let status = unsafe { libc::clock_getcpuclockid(process, clock.as_mut_ptr()) };
        // SAFETY: it was written, as the status says.
        (status == 0).then(|| ProcessClock(unsafe { clock.assume_init() }))
    }

    /// For how long that process has run so far; `None` when it is gone.
    ///
    /// The system may give the number of a process that is gone to another: then it is that one's time.
    pub fn time(&self) -> Option<Duration> {
        time(self.0)
    }
}

fn time(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: any number may be asked for, and one that is no clock gives an error; the time is where
    // the answer is to be written.
    let status = unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
    if status != 0 {
        return None;
    }
    // SAFETY: it was written, as the status says.
    let time = unsafe { time.assume_init() };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_while_its_thread_works_and_not_while_it_waits() {
        let (clocks, got) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let clock = ThreadClock::of_this_thread().unwrap();
            let long = clock.time().unwrap() + Duration::from_millis(20);
            while clock.time().unwrap() < long {
                std::hint::spin_loop();
            }
            clocks.send(clock).unwrap();
            stopped.recv().unwrap_err();
        });
        let clock = got.recv().unwrap();
        let first = clock.time().unwrap();
        assert!(first >= Duration::from_millis(20));
        let own = ThreadClock::of_this_thread().unwrap();
        let until = own.time().unwrap() + Duration::from_millis(50);
        while own.time().unwrap() < until {
            std::hint::spin_loop();
        }
        // It only fell asleep meanwhile.
        assert!(clock.time().unwrap() - first < Duration::from_millis(25));
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn a_process_has_the_time_of_all_its_threads_until_it_is_gone() {
        let own = ProcessClock::of(std::process::id()).unwrap();
        let thread = ThreadClock::of_this_thread().unwrap();
        assert!(own.time().unwrap() >= thread.time().unwrap());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let clock = ProcessClock::of(child.id());
        child.wait().unwrap();
        assert!(clock.is_none_or(|clock| clock.time().is_none()));
        assert!(ProcessClock::of(u32::MAX).is_none());
    }
}
