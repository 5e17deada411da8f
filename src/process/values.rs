//! Values: encoded values on their way to another process.
//!
//! Their bytes and small buffers go over the socket. Large buffers go as one sealed memory file, which the other side
//! maps, so it reads the same pages that were written here. A large buffer that is in such a file already is sent as
//! that file, without a copy.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use owngil_ffi::{Mapping, Owner};

use super::frame::Shape;
use super::link::{Reader, malformed};
use crate::bytes::Bytes;
use crate::payload::{Buffer, memfd};

/// From this many bytes on, buffers go as a file. Below, copying them through the socket costs less than creating and
/// mapping a file.
const FILE_FROM: usize = 128 << 10;

/// Encoded values, ready to be sent: their layout, and their buffers, either for the socket or as a file.
pub(super) struct Sent<'b> {
    pub(super) shape: Shape,
    pub(super) inline: Vec<&'b [u8]>,
    pub(super) file: Option<OwnedFd>,
}

/// Prepares encoded values for sending.
pub(super) fn send(values: &Bytes) -> io::Result<Sent<'_>> {
    let buffers: Vec<&[u8]> = values.buffers().iter().map(|buffer| &**buffer).collect();
    let n_bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    let known = (n_bytes >= FILE_FROM)
        .then(|| memfd::found(&buffers))
        .flatten();
    let (file, starts) = match known {
        Some((file, starts)) => (Some(file), starts),
        None => {
            let starts = buffers.iter().scan(0, |end, buffer| {
                let start = *end;
                *end += buffer.len() as u64;
                Some(start)
            });
            let starts = starts.collect();
            let file = (n_bytes >= FILE_FROM).then(|| Mapping::file_of(&buffers));
            (file.transpose()?, starts)
        }
    };
    let lengths = buffers.iter().map(|buffer| buffer.len() as u64);
    let shape = Shape {
        n_bytes: values.len() as u64,
        buffers: starts.into_iter().zip(lengths).collect(),
        has_file: file.is_some(),
    };
    let inline = match file {
        Some(_) => Vec::new(),
        None => buffers,
    };
    Ok(Sent {
        shape,
        inline,
        file,
    })
}

/// Takes the encoded values from the start of `body`, and leaves the rest there.
pub(super) fn receive(shape: &Shape, body: &mut Vec<u8>, reader: &mut Reader) -> io::Result<Bytes> {
    let n_bytes = length(shape.n_bytes)?;
    let whole = match shape.has_file {
        true => Some(memfd::map(reader.take_file()?)?),
        false => None,
    };
    if body.len() < n_bytes {
        return Err(malformed("values that are cut off"));
    }
    let mut rest = body.split_off(n_bytes);
    let mut at = 0;
    let mut buffers = Vec::with_capacity(shape.buffers.len().min(1024));
    for (start, n) in &shape.buffers {
        let (start, n) = (length(*start)?, length(*n)?);
        let from = match &whole {
            Some(_) => start,
            None => at,
        };
        let end = from.checked_add(n);
        let end = end.ok_or_else(|| malformed("a buffer that is too long"))?;
        let buffer = match &whole {
            Some(mapping) if end <= AsRef::<[u8]>::as_ref(&**mapping).len() => {
                Buffer::of_part(Arc::clone(mapping) as Arc<Owner>, from..end)
            }
            None if end <= rest.len() => Buffer::from(rest[from..end].to_vec()),
            _ => return Err(malformed("a buffer that is cut off")),
        };
        at = end;
        buffers.push(buffer);
    }
    if whole.is_none() {
        rest.drain(..at);
    }
    let values = std::mem::replace(body, rest);
    Ok(Bytes::of(values, buffers))
}

fn length(n: u64) -> io::Result<usize> {
    usize::try_from(n).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::super::link;
    use super::*;
    use crate::payload::{Encoding, encode_call};

    const LARGE: usize = 9 << 20;

    fn through(values: &Bytes) -> Bytes {
        let (ours, theirs) = link::pair().unwrap();
        let (mut writer, _) = link::both(ours);
        let (_, mut reader) = link::both(theirs);
        let Sent {
            shape,
            inline,
            file,
        } = send(values).unwrap();
        let mut body = vec![&**values];
        body.extend(inline);
        body.push(b"rest");
        writer.put(&shape, &body, file).unwrap();
        writer.send_all().unwrap();
        assert_eq!(reader.read().unwrap(), link::Read::Some);
        let (shape, mut body) = reader.take::<Shape>().unwrap().unwrap();
        let received = receive(&shape, &mut body, &mut reader).unwrap();
        assert_eq!(body, b"rest");
        received
    }

    #[test]
    fn values_and_their_buffers_arrive() {
        for sizes in [vec![], vec![3], vec![0, 5, 0], vec![FILE_FROM, 0, 7]] {
            let buffer = |size: &usize| Buffer::from(vec![*size as u8 + 1; *size]);
            let buffers: Vec<Buffer> = sizes.iter().map(buffer).collect();
            for n in [2, 300] {
                let received = through(&Bytes::of(vec![7; n], buffers.clone()));
                assert_eq!(*received, vec![7; n]);
                assert_eq!(received.buffers(), buffers);
            }
        }
    }

    #[test]
    fn what_is_in_a_file_goes_on_in_it() {
        let large = Buffer::from(vec![1; LARGE]);
        let first = through(&Bytes::of(vec![0], vec![large]));
        let part = first.buffers()[0].slice(5..5 + FILE_FROM);
        let Sent { shape, file, .. } = send(&Bytes::of(vec![0], vec![part.clone()])).unwrap();
        assert_eq!(shape.buffers, [(5, FILE_FROM as u64)]);
        let mapping = Mapping::open(file.unwrap()).unwrap();
        assert_eq!(mapping.as_ref().len(), LARGE);
        // Next to a buffer that is in no file, both are written into a new one.
        let other = Buffer::from(vec![2; 9]);
        let both = through(&Bytes::of(vec![0], vec![part.clone(), other.clone()]));
        assert_eq!(both.buffers(), [part, other]);
    }

    #[test]
    fn smaller_files_are_not_kept_open() {
        let small = Buffer::from(vec![1; FILE_FROM]);
        let received = through(&Bytes::of(vec![0], vec![small]));
        assert_eq!(memfd::found(&[&received.buffers()[0]]).map(drop), None);
    }

    #[test]
    fn large_bytes_are_written_into_a_file_to_begin_with() {
        let bytes = vec![3; LARGE];
        let mut encoding = Encoding::default();
        memfd::preferred(true, || {
            encode_call(&(serde_bytes::Bytes::new(&bytes),), &mut encoding).unwrap();
        });
        let values = Bytes::take_from(&mut encoding);
        assert!(memfd::found(&[&values.buffers()[0]]).is_some());
        assert_eq!(*through(&values).buffers()[0], bytes[..]);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let (_, theirs) = link::pair().unwrap();
        let (_, mut reader) = link::both(theirs);
        for (n_bytes, buffers, has_file) in [
            (9, vec![], false),
            (1, vec![(0, 9)], false),
            (1, vec![(0, u64::MAX), (0, 2)], false),
            (1, vec![(0, 1)], true),
        ] {
            let shape = Shape {
                n_bytes,
                buffers,
                has_file,
            };
            assert!(receive(&shape, &mut vec![0; 4], &mut reader).is_err());
        }
    }
}
