//! TaskOutput: what the tasks print, kept apart by task, and where it goes.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use owngil::{Handover, OutputPolicy, OutputSink, OutputStream, Speaker};

use super::args::OutputArgs;
use super::folder::{Folder, TaskSummary};
use super::replay::{Passed, Replay, ReplayProgress};
use super::spool::{Spool, Text};
use super::tag::{Tagger, Tagstring};
use crate::failure::append_lines;
use crate::fatal::Fatal;
use crate::terminal::stderr::Stderr;
use crate::terminal::stdout::Stdout;
use crate::terminal::stray::Stray;

/// From how many bytes on what is for standard error is written before its end.
const WRITE_AT: usize = 256 << 10;

/// What the tasks print.
pub(crate) struct TaskOutput {
    when: When,
    tag: Option<Tagstring>,
    folder: Option<Folder>,
    place: StdoutOwner,
    stdout: Arc<Stdout>,
    stderr: Arc<Stderr>,
    /// Finds the input of a call that runs, for its tag.
    find: OnceLock<Box<Find>>,
    stray: OnceLock<Stray>,
    state: Mutex<OutputState>,
}

type Find = dyn Fn(u64) -> Option<Vec<u8>> + Send + Sync;

/// When output is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    AtTheEnd,
    LineByLine,
    AtOnce,
}

/// Whose standard output it is that the tasks print to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StdoutOwner {
    /// It is for results: what is printed goes to standard error.
    Results,
    /// That of the tasks.
    Tasks,
    /// That of the workers, which run one task each.
    Workers,
}

#[derive(Debug, Default)]
struct OutputState {
    spool: Spool,
    /// The calls that have printed something and have not ended.
    task_output: HashMap<u64, Streams>,
}

/// What one call has printed, by streams.
#[derive(Debug, Default)]
struct Streams {
    /// What is still to be passed on.
    held: [Text; 2],
    /// All of it, where that is wanted and it is not held.
    whole: [Text; 2],
    passed: [Passed; 2],
    replays: [Option<Replay>; 2],
    taggers: [Tagger; 2],
    is_tagged: bool,
    trouble: Option<io::Error>,
}

impl Streams {
    fn set_tag(&mut self, tagger: Tagger) {
        self.taggers = [tagger.clone(), tagger];
        self.is_tagged = true;
    }
}

/// What is left to be said at the end of a call.
#[derive(Debug, Default)]
pub(crate) struct Remaining {
    /// For standard error, together with what else is said there of the call.
    pub(crate) printed: Vec<u8>,
    /// Why not all could be kept.
    pub(crate) trouble: Option<io::Error>,
}

impl TaskOutput {
    pub(crate) fn new(
        args: &OutputArgs,
        is_ordered: bool,
        place: StdoutOwner,
        streams: (&Arc<Stdout>, &Arc<Stderr>),
    ) -> Result<Arc<TaskOutput>, Fatal> {
        let when = match args {
            _ if args.ungroup => When::AtOnce,
            // Lines of a task whose turn has not come would have to wait all the same.
            _ if is_ordered => When::AtTheEnd,
            _ if args.line_buffer || place == StdoutOwner::Workers => When::LineByLine,
            _ => When::AtTheEnd,
        };
        let tag = match (args.tag, &args.tagstring) {
            (true, _) => Some(Tagstring::new("{}")),
            (false, Some(text)) => Some(Tagstring::new(text)),
            (false, None) => None,
        };
        Ok(Arc::new(TaskOutput {
            when,
            tag,
            folder: args.results.as_deref().map(Folder::open).transpose()?,
            place,
            stdout: Arc::clone(streams.0),
            stderr: Arc::clone(streams.1),
            find: OnceLock::new(),
            stray: OnceLock::new(),
            state: Mutex::default(),
        }))
    }

    /// What is written past the tasks comes here until the end.
    pub(crate) fn hold(&self, stray: Stray) {
        let _ = self.stray.set(stray);
    }

    /// For a pool.
    pub(crate) fn policy(self: &Arc<Self>) -> OutputPolicy {
        OutputPolicy::Sink(Arc::clone(self) as _)
    }

    /// Says how the inputs of calls that run are found.
    pub(crate) fn find_by(&self, find: impl Fn(u64) -> Option<Vec<u8>> + Send + Sync + 'static) {
        let _ = self.find.set(Box::new(find));
    }

    /// Whether there is use for the input and the value of each call at its end.
    pub(crate) fn wants_summary(&self) -> bool {
        self.folder.is_some()
    }

    /// What `input` gives, if there is use for it at a call's end: for its folder or its tag.
    pub(crate) fn wanted(&self, input: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        match self.folder.is_some() || self.tag.is_some() {
            true => input(),
            false => Vec::new(),
        }
    }

    /// A call is made once more: what it has printed, as far as it is held, is not to be seen.
    pub(crate) fn forget(&self, index: u64) {
        let mut state = self.lock();
        if let Some(streams) = state.task_output.remove(&index) {
            for text in streams.held.into_iter().chain(streams.whole) {
                state.spool.drop(text);
            }
        }
    }

    /// A call has ended: passes on what it has printed, but for what is to be said together with the rest.
    pub(crate) fn end(&self, summary: TaskSummary<'_>) -> Remaining {
        let mut streams = match self.lock().task_output.remove(&summary.index) {
            Some(streams) => streams,
            None if self.folder.is_none() => return Remaining::default(),
            None => Streams::default(),
        };
        if let Some(folder) = &self.folder {
            let state = self.lock();
            let printed = match self.when {
                When::AtTheEnd => &streams.held,
                _ => &streams.whole,
            };
            let kept = folder.keep(summary, &state.spool, printed.each_ref());
            if let Err(error) = kept {
                streams.trouble.get_or_insert(error);
            }
        }
        if let (Some(tag), false) = (&self.tag, streams.is_tagged) {
            streams.set_tag(tag.fill(summary.index, summary.input));
        }
        self.pass_on(streams)
    }

    /// Nothing runs any more: passes on what was printed after its call's end.
    pub(crate) fn finish(&self) {
        if let Some(stray) = self.stray.get() {
            stray.end();
        }
        let task_output = std::mem::take(&mut self.lock().task_output);
        for streams in task_output.into_values() {
            let remaining = self.pass_on(streams);
            if !remaining.printed.is_empty() {
                self.stderr.write(&remaining.printed);
            }
        }
    }

    fn pass_on(&self, streams: Streams) -> Remaining {
        let mut remaining = Remaining {
            printed: Vec::new(),
            trouble: streams.trouble,
        };
        let [stdout, stderr] = streams.held;
        let [mut first, mut second] = streams.taggers;
        let both = !stdout.is_empty() && !stderr.is_empty();
        match self.place {
            StdoutOwner::Results => self.to_stderr(stdout, &mut first, &mut remaining),
            StdoutOwner::Tasks | StdoutOwner::Workers => {
                self.to_stdout(stdout, &mut first, &mut remaining);
                if both {
                    // Where both are one terminal, they should stand together.
                    self.stdout.drain();
                }
            }
        }
        self.to_stderr(stderr, &mut second, &mut remaining);
        for text in streams.whole {
            self.lock().spool.drop(text);
        }
        remaining
    }

    fn to_stdout(&self, text: Text, tagger: &mut Tagger, remaining: &mut Remaining) {
        self.take(text, remaining, |piece| {
            self.stdout.append(|out| tagger.append(out, piece));
        });
        self.stdout.append(|out| tagger.end(out));
    }

    fn to_stderr(&self, text: Text, tagger: &mut Tagger, remaining: &mut Remaining) {
        let mut waiting = std::mem::take(&mut remaining.printed);
        self.take(text, remaining, |piece| {
            tagger.append(&mut waiting, piece);
            if waiting.len() >= WRITE_AT {
                let newline = waiting.iter().rposition(|byte| *byte == b'\n');
                let rest = waiting.split_off(newline.map_or(waiting.len(), |at| at + 1));
                self.stderr.write(&waiting);
                waiting = rest;
            }
        });
        tagger.end(&mut waiting);
        remaining.printed = waiting;
    }

    /// Takes a text piece by piece. Tasks may print meanwhile: the reader may be slow.
    fn take(&self, mut text: Text, remaining: &mut Remaining, mut give: impl FnMut(&[u8])) {
        loop {
            let taken = self.lock().spool.take(&mut text);
            match taken {
                Ok(Some(piece)) => give(&piece),
                Ok(None) => return,
                Err(error) => {
                    remaining.trouble.get_or_insert(error);
                    return self.lock().spool.drop(text);
                }
            }
        }
    }

    /// Takes what a call prints. No other thread writes meanwhile, so that a line stays one.
    fn hear(&self, index: u64, stream: OutputStream, text: &[u8]) {
        let mut state = self.lock();
        let OutputState { spool, task_output } = &mut *state;
        let streams = task_output.entry(index).or_default();
        if self.when != When::AtTheEnd {
            self.tag(streams, index);
        }
        let number = usize::from(stream == OutputStream::Stderr);
        let (held, tagger) = (&mut streams.held[number], &mut streams.taggers[number]);
        let (passed, replay) = (&mut streams.passed[number], &mut streams.replays[number]);
        let mut hear = || -> io::Result<()> {
            let mut text = text;
            if self.folder.is_some() && self.when != When::AtTheEnd {
                spool.append(&mut streams.whole[number], text)?;
            }
            if let Some(again) = replay {
                spool.append(held, again.take(&mut text))?;
                match again.progress() {
                    ReplayProgress::GoesOn => return Ok(()),
                    ReplayProgress::Same(before) => {
                        spool.drop(std::mem::take(held));
                        *passed = before;
                    }
                    ReplayProgress::Different => {}
                }
                *replay = None;
            }
            let end = match self.when {
                When::AtTheEnd => 0,
                When::LineByLine => text
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(0, |at| at + 1),
                When::AtOnce => text.len(),
            };
            let (now, later) = text.split_at(end);
            if !now.is_empty() {
                let mut lines = Vec::new();
                while let Some(piece) = spool.take(held)? {
                    passed.add(&piece);
                    tagger.append(&mut lines, &piece);
                    if lines.len() >= WRITE_AT {
                        self.say(stream, &lines);
                        lines.clear();
                    }
                }
                passed.add(now);
                tagger.append(&mut lines, now);
                self.say(stream, &lines);
            }
            spool.append(held, later)
        };
        // A text with a hole would be worse than one that ends.
        if streams.trouble.is_none() {
            streams.trouble = hear().err();
        }
    }

    fn tag(&self, streams: &mut Streams, index: u64) {
        if let (Some(tag), false) = (&self.tag, streams.is_tagged) {
            let input = self.find.get().and_then(|find| find(index));
            streams.set_tag(tag.fill(index, &input.unwrap_or_default()));
        }
    }

    fn say(&self, stream: OutputStream, text: &[u8]) {
        match (self.place, stream) {
            (StdoutOwner::Results, _) | (_, OutputStream::Stderr) => self.stderr.write(text),
            _ => self.stdout.append(|out| out.extend_from_slice(text)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, OutputState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputSink for TaskOutput {
    fn write(&self, stream: OutputStream, text: &[u8]) {
        let mut lines = Vec::with_capacity(text.len() + 1);
        append_lines(&mut lines, text);
        self.say(stream, &lines);
    }

    fn write_of(&self, speaker: Speaker, stream: OutputStream, text: &[u8]) {
        match speaker.index {
            Some(index) => self.hear(index, stream, text),
            None => self.write(stream, text),
        }
    }

    fn retract(&self, speaker: Speaker) {
        let mut state = self.lock();
        let OutputState { spool, task_output } = &mut *state;
        let Some(streams) = speaker.index.and_then(|index| task_output.get_mut(&index)) else {
            return;
        };
        for number in 0..2 {
            for text in [&mut streams.held, &mut streams.whole] {
                spool.drop(std::mem::take(&mut text[number]));
            }
            let passed = std::mem::take(&mut streams.passed[number]);
            let before = streams.replays[number].take();
            streams.replays[number] = Replay::of(before.map_or(passed, |replay| replay.before()));
        }
    }

    fn handover(&self) -> Handover {
        match self.when {
            When::AtTheEnd => Handover::Blocks,
            When::LineByLine => Handover::Lines,
            When::AtOnce => Handover::Pieces,
        }
    }
}

impl fmt::Debug for TaskOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskOutput")
            .field("when", &self.when)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
