//! Submission: a call that waits for room in the queue, as a future.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use serde::de::DeserializeOwned;

use super::Pool;
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::task::{Job, Slot, Task};
use crate::worker::Ticket;

/// The call's batch and its slot.
pub(super) struct Prepared {
    pub(super) home: Arc<Shared>,
    /// The only worker that may take it, if there is one.
    pub(super) worker: Option<usize>,
    pub(super) job: Job,
    pub(super) slot: Arc<Slot>,
    pub(super) deadline: Option<Instant>,
}

/// A future that submits a call and resolves to its [`Task`]. See [`Pool::submit_async`].
///
/// It is ready as soon as the call is in the queue: at the first poll, unless the queue is full. Waiting submissions
/// get their places in roughly the order in which they came. A deadline counts from the creation of this future. If it
/// passes before there is room, the future resolves to a task that already has its outcome.
///
/// Dropping it drops the call. Until then it is a handle to its pool: see [`Pool`](Pool#dropping).
///
/// # Errors
///
/// As [`Pool::submit`]. A pool that is shut down meanwhile takes no call that waits for room.
#[must_use = "it is submitted when it is polled"]
pub struct Submission<T> {
    /// The pool whose queue it waits for; `None` where it is refused at once.
    home: Option<Arc<Shared>>,
    /// Until it is ready.
    made: Option<Result<Prepared>>,
    /// Where it waits for room.
    ticket: Ticket,
    value: PhantomData<fn() -> T>,
    _pool: Pool,
}

impl<T> Submission<T> {
    pub(super) fn new(pool: &Pool, made: Result<Prepared>) -> Self {
        Submission {
            home: made.as_ref().ok().map(|made| Arc::clone(&made.home)),
            made: Some(made),
            ticket: Ticket::default(),
            value: PhantomData,
            _pool: pool.clone(),
        }
    }

    /// Waits on this thread for room in the queue.
    pub(super) fn wait(mut self) -> Result<Task<T>> {
        self.leave();
        let made = self.made.take();
        made.expect("a submission is not waited for after it was ready")?
            .submit()
    }

    /// Submits the call if there is room in the queue; gives itself back if there is none.
    pub(super) fn try_submit(mut self) -> Result<std::result::Result<Task<T>, Self>> {
        let made = self.made.take();
        let made = made.expect("a submission is not tried after it was ready")?;
        Ok(made.try_submit()?.map_err(|made| {
            self.made = Some(Ok(made));
            self
        }))
    }

    fn refused(&mut self, error: Error) -> Poll<Result<Task<T>>> {
        self.leave();
        Poll::Ready(Err(error))
    }

    /// Gives up its place among those who wait for room.
    fn leave(&mut self) {
        if let Some(home) = &self.home {
            home.queue.leave(&mut self.ticket, false);
        }
    }
}

impl<T> Future for Submission<T> {
    type Output = Result<Task<T>>;

    /// # Panics
    ///
    /// When it has been ready before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Task<T>>> {
        let this = &mut *self;
        let made = this.made.take();
        let made = match made.expect("a submission is not polled after it was ready") {
            Ok(made) => made,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Some(worker) = made.worker {
            return Poll::Ready(made.order(worker));
        }
        let Prepared {
            home: shared,
            worker,
            mut job,
            slot,
            mut deadline,
        } = made;
        loop {
            job = match shared.try_enqueue(job) {
                Err(error) => return this.refused(error),
                Ok(Some(refused)) => refused,
                Ok(None) => {
                    shared.queue.leave(&mut this.ticket, true);
                    if let Some(deadline) = deadline {
                        shared.expect_by(deadline, &slot);
                    }
                    return Poll::Ready(Ok(Task::new(slot)));
                }
            };
            if let Some(deadline) = deadline.take() {
                // It holds for the time before the queue as well: then the slot wakes.
                shared.expect_by(deadline, &slot);
            }
            if slot.poll(context.waker()).is_some() {
                this.leave();
                return Poll::Ready(Ok(Task::new(slot)));
            }
            let has_room = shared.queue.poll_room(&mut this.ticket, context.waker());
            // Closing the pool wakes all that wait then, so this sees it or is woken.
            if let Err(error) = shared.admission.open().map(drop) {
                return this.refused(error);
            }
            if !has_room {
                this.made = Some(Ok(Prepared {
                    home: shared,
                    worker,
                    job,
                    slot,
                    deadline,
                }));
                return Poll::Pending;
            }
        }
    }
}

impl<T> Drop for Submission<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> fmt::Debug for Submission<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("ready", &self.made.is_none())
            .finish_non_exhaustive()
    }
}

/// A future that submits a call and resolves to its value. See [`Pool::call_async`].
///
/// Dropping it cancels the call.
///
/// # Errors
///
/// Whatever became of the call instead of a value; see [`Error`].
#[derive(Debug)]
#[must_use = "it is submitted when it is polled"]
pub struct Calling<T> {
    submission: Submission<T>,
    task: Option<Task<T>>,
}

impl<T> Calling<T> {
    pub(super) fn new(submission: Submission<T>) -> Self {
        Calling {
            submission,
            task: None,
        }
    }
}

impl<T: DeserializeOwned> Future for Calling<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        let task = match &mut this.task {
            Some(task) => task,
            None => match pin!(&mut this.submission).poll(context) {
                Poll::Ready(Ok(task)) => this.task.insert(task),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            },
        };
        pin!(task).poll(context)
    }
}
