//! Link: frames over one end of a Unix socket pair.
//!
//! A frame has the lengths of its two parts, a record that describes it, and raw bytes. It may carry a file, which
//! arrives with the first byte or at the latest before the frame is complete.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire;

/// The size of the lengths at the start of a frame: four bytes for the record's, eight for the raw bytes'.
const LENGTHS: usize = 12;

/// The largest size of a record.
const RECORD_MAX: usize = 256 << 20;

/// The largest number of raw bytes.
const BODY_MAX: u64 = 1 << 40;

/// The size of one read.
const PIECE: usize = 256 << 10;

/// An empty buffer with more capacity than this is freed.
const KEPT: usize = 1 << 20;

/// How many files one read can receive.
const N_FILES: usize = 8;

/// The two ends of a connection. Programs that this process starts do not inherit them.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

/// Writes frames.
#[derive(Debug)]
pub(super) struct Writer {
    socket: Arc<OwnedFd>,
    bytes: Vec<u8>,
    n_sent: usize,
    /// Each file, with the offset of the byte that it travels with.
    files: VecDeque<(usize, OwnedFd)>,
}

/// Reads frames.
#[derive(Debug)]
pub(super) struct Reader {
    socket: Arc<OwnedFd>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    files: VecDeque<OwnedFd>,
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Some,
    /// Nothing has arrived.
    Nothing,
    /// The connection has ended.
    End,
}

pub(super) fn both(socket: OwnedFd) -> (Writer, Reader) {
    let socket = Arc::new(socket);
    let writer = Writer {
        socket: Arc::clone(&socket),
        bytes: Vec::new(),
        n_sent: 0,
        files: VecDeque::new(),
    };
    let reader = Reader {
        socket,
        bytes: Vec::new(),
        start: 0,
        end: 0,
        files: VecDeque::new(),
    };
    (writer, reader)
}

impl Writer {
    /// Queues a frame for sending.
    pub(super) fn put<T: Serialize>(
        &mut self,
        record: &T,
        body: &[&[u8]],
        file: Option<OwnedFd>,
    ) -> io::Result<()> {
        let start = self.bytes.len();
        if let Some(file) = file {
            self.files.push_back((start, file));
        }
        self.bytes.extend_from_slice(&[0; LENGTHS]);
        wire::encode_into(record, &mut self.bytes).map_err(malformed)?;
        let n_record = (self.bytes.len() - start - LENGTHS) as u32;
        body.iter()
            .for_each(|part| self.bytes.extend_from_slice(part));
        let n_body: u64 = body.iter().map(|part| part.len() as u64).sum();
        self.bytes[start..start + 4].copy_from_slice(&n_record.to_le_bytes());
        self.bytes[start + 4..start + LENGTHS].copy_from_slice(&n_body.to_le_bytes());
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n_sent == self.bytes.len()
    }

    /// Sends as much as the socket takes. Returns whether that was everything.
    pub(super) fn send(&mut self) -> io::Result<bool> {
        while !self.is_empty() {
            match self.send_piece(SendFlags::DONTWAIT) {
                Err(Errno::AGAIN) => return Ok(false),
                sent => sent?,
            }
        }
        Ok(true)
    }

    /// Ends this direction of the connection.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let closed = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Write);
        Ok(closed?)
    }

    /// Sends everything, and waits for the other side to read it.
    pub(super) fn send_all(&mut self) -> io::Result<()> {
        while !self.is_empty() {
            self.send_piece(SendFlags::empty())?;
        }
        Ok(())
    }

    fn send_piece(&mut self, flags: SendFlags) -> rustix::io::Result<()> {
        let file = match self.files.front() {
            Some((with, _)) if *with == self.n_sent => self.files.front(),
            _ => None,
        };
        // The next file needs a send of its own.
        let later = self.files.get(usize::from(file.is_some()));
        let end = later.map_or(self.bytes.len(), |(with, _)| *with);
        let piece = [IoSlice::new(&self.bytes[self.n_sent..end])];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let files: [BorrowedFd<'_>; 1];
        if let Some((_, file)) = file {
            files = [file.as_fd()];
            beside.push(SendAncillaryMessage::ScmRights(&files));
        }
        let flags = flags | SendFlags::NOSIGNAL;
        let n = rustix::io::retry_on_intr(|| sendmsg(&self.socket, &piece, &mut beside, flags))?;
        if file.is_some() {
            self.files.pop_front();
        }
        self.n_sent += n;
        if self.is_empty() {
            self.n_sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        }
        Ok(())
    }
}

impl Reader {
    /// The record and the raw bytes of the next frame, if it is complete.
    pub(super) fn take<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<u8>)>> {
        let Some((n_record, n_body)) = self.lengths()? else {
            return Ok(None);
        };
        let record = self.start + LENGTHS;
        let (body, end) = (record + n_record, record + n_record + n_body);
        if end > self.end {
            return Ok(None);
        }
        let read = wire::decode(&self.bytes[record..body]).map_err(malformed)?;
        let rest = self.bytes[body..end].to_vec();
        self.start = end;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > KEPT {
                self.bytes = Vec::new();
            }
        }
        Ok(Some((read, rest)))
    }

    /// The file that came with the frame.
    pub(super) fn take_file(&mut self) -> io::Result<OwnedFd> {
        let file = self.files.pop_front();
        file.ok_or_else(|| malformed("a file is missing"))
    }

    fn lengths(&self) -> io::Result<Option<(usize, usize)>> {
        let there = &self.bytes[self.start..self.end];
        let (Some(n_record), Some(n_body)) = (
            there.first_chunk().map(|n| u32::from_le_bytes(*n) as usize),
            there
                .get(4..LENGTHS)
                .and_then(|n| n.first_chunk())
                .map(|n| u64::from_le_bytes(*n)),
        ) else {
            return Ok(None);
        };
        if n_record > RECORD_MAX || n_body > BODY_MAX {
            return Err(malformed("a frame that is too large"));
        }
        Ok(Some((n_record, n_body as usize)))
    }

    /// Reads what has arrived.
    pub(super) fn read(&mut self) -> io::Result<Read> {
        self.read_with(RecvFlags::DONTWAIT)
    }

    /// Waits until something arrives, and reads it.
    pub(super) fn read_waiting(&mut self) -> io::Result<Read> {
        self.read_with(RecvFlags::empty())
    }

    fn read_with(&mut self, flags: RecvFlags) -> io::Result<Read> {
        self.make_room()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(N_FILES))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let room = &mut self.bytes[self.end..];
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let read = rustix::io::retry_on_intr(|| {
            recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(room)],
                &mut beside,
                flags,
            )
        });
        let read = match read {
            Err(Errno::AGAIN) => return Ok(Read::Nothing),
            read => read?,
        };
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files);
            }
        }
        self.end += read.bytes;
        Ok(match read.bytes {
            0 => Read::End,
            _ => Read::Some,
        })
    }

    fn make_room(&mut self) -> io::Result<()> {
        let whole = self
            .lengths()?
            .map_or(LENGTHS, |(record, body)| LENGTHS + record + body);
        let missing = (self.start + whole).saturating_sub(self.end);
        if self.start > 0 && self.start + whole > self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        // Reserves only what the next reads can fill, whatever length the frame claims.
        let wanted = self.end + missing.clamp(4 << 10, PIECE);
        if self.bytes.len() < wanted {
            let length = wanted.max(2 * self.bytes.len().min(whole));
            self.bytes.resize(length.max(64 << 10), 0);
        }
        Ok(())
    }

    /// Waits up to `limit` for something to read, or also for room to write if `writes` is set.
    pub(super) fn wait(&self, writes: bool, limit: Duration) -> io::Result<bool> {
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, writes);
        let limit = Timespec {
            tv_sec: limit.as_secs() as _,
            tv_nsec: limit.subsec_nanos() as _,
        };
        let mut sockets = [PollFd::new(&self.socket, flags)];
        match poll(&mut sockets, Some(&limit)) {
            Err(Errno::INTR) => Ok(false),
            n => Ok(n? > 0),
        }
    }

    /// Waits for the next frame. Returns `None` at that time or at the end of the connection.
    pub(super) fn take_by<T: DeserializeOwned>(
        &mut self,
        deadline: Instant,
    ) -> io::Result<Option<(T, Vec<u8>)>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            match self.read()? {
                Read::Some => continue,
                Read::End => return Ok(None),
                Read::Nothing => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.wait(false, left)?;
        }
    }
}

/// The error for malformed data from another process.
pub(super) fn malformed(reason: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}

#[cfg(test)]
mod tests {
    use owngil_ffi::Mapping;

    use super::*;

    #[test]
    fn frames_of_all_sizes_arrive_whole_with_their_files() {
        let (ours, theirs) = pair().unwrap();
        let (mut writer, _) = both(ours);
        let (_, mut reader) = both(theirs);
        let sizes = [0_usize, 1, 100, 5 << 20, 3];
        let sender = std::thread::spawn(move || {
            for size in sizes {
                let body: Vec<u8> = (0..size).map(|n| n as u8).collect();
                let file = (size != 100).then(|| Mapping::file_of(&[&body, b"!"]).unwrap());
                writer.put(&size.to_string(), &[&body], file).unwrap();
            }
            writer.send_all().unwrap();
        });
        for size in sizes {
            let until = Instant::now() + Duration::from_secs(60);
            let (record, body): (String, _) = reader.take_by(until).unwrap().unwrap();
            assert_eq!((record, body.len()), (size.to_string(), size));
            assert!(body.iter().enumerate().all(|(n, byte)| *byte == n as u8));
            if size != 100 {
                let mapping = Mapping::open(reader.take_file().unwrap()).unwrap();
                assert_eq!(mapping.as_ref().len(), size + 1);
            }
        }
        sender.join().unwrap();
        assert_eq!(reader.read_waiting().unwrap(), Read::End);
        assert!(reader.take_file().is_err());
    }

    #[test]
    fn what_is_no_frame_is_an_error_and_takes_no_memory() {
        let (ours, theirs) = pair().unwrap();
        let (_, mut reader) = both(theirs);
        rustix::io::write(&ours, &[0xFF; 40]).unwrap();
        assert_eq!(reader.read().unwrap(), Read::Some);
        assert!(reader.take::<String>().is_err());
        let (ours, theirs) = pair().unwrap();
        let (_, mut reader) = both(theirs);
        let mut large = vec![2, 0, 0, 0];
        large.extend_from_slice(&(BODY_MAX - 1).to_le_bytes());
        large.extend_from_slice(&[1, 0]);
        rustix::io::write(&ours, &large).unwrap();
        assert_eq!(reader.read().unwrap(), Read::Some);
        assert!(reader.take::<String>().unwrap().is_none());
        assert_eq!(reader.read().unwrap(), Read::Nothing);
        assert!(reader.bytes.len() < 4 << 20);
    }
}
