//! What a capture does with what is written into it.

use super::*;

type Written = Arc<Mutex<Vec<(OutputStream, Vec<u8>)>>>;

fn sink() -> (Arc<Capture>, Written) {
    let written = Written::default();
    let inside = Arc::clone(&written);
    let sink = move |stream: OutputStream, text: &[u8]| {
        inside.lock().unwrap().push((stream, text.to_vec()));
    };
    (Capture::new(OutputPolicy::Sink(Arc::new(sink))), written)
}

#[test]
fn output_is_handed_on_at_the_end_of_the_task() {
    let (capture, written) = sink();
    capture.write(OutputStream::Stdout, b"one\ntw").unwrap();
    capture.write(OutputStream::Stderr, b"oops").unwrap();
    capture.write(OutputStream::Stdout, b"o\n").unwrap();
    assert!(capture.is_dirty() && written.lock().unwrap().is_empty());
    assert_eq!(capture.finish(), None);
    assert!(!capture.is_dirty());
    let written = written.lock().unwrap();
    assert_eq!(
        *written,
        [
            (OutputStream::Stdout, b"one\ntwo\n".to_vec()),
            (OutputStream::Stderr, b"oops".to_vec())
        ]
    );
}

#[test]
fn a_flood_is_handed_on_in_whole_lines() {
    let (capture, written) = sink();
    let line = [b'x'; 999];
    for _ in 0..200 {
        capture.write(OutputStream::Stdout, &line).unwrap();
        if capture.write(OutputStream::Stdout, b"\n").unwrap() {
            capture.hand_on(OutputStream::Stdout);
        }
    }
    let early = written.lock().unwrap().len();
    assert!(early >= 2);
    capture.finish();
    let written = written.lock().unwrap();
    assert!(written.iter().all(|(_, text)| text.ends_with(b"\n")));
    assert_eq!(
        written.iter().map(|(_, text)| text.len()).sum::<usize>(),
        200_000
    );
}

#[test]
fn a_line_without_end_is_handed_on_in_pieces_of_whole_characters() {
    let (capture, written) = sink();
    let line = "ü".repeat(3 * LINE_MAX / 2);
    for character in line.as_bytes().chunks(2) {
        if capture.write(OutputStream::Stdout, character).unwrap() {
            capture.hand_on(OutputStream::Stdout);
        }
    }
    assert!(written.lock().unwrap().len() >= 2);
    capture.finish();
    let written = written.lock().unwrap();
    let pieces: Vec<&str> = written
        .iter()
        .map(|(_, text)| std::str::from_utf8(text).unwrap())
        .collect();
    assert!(pieces.iter().all(|piece| piece.len() <= LINE_MAX));
    assert_eq!(pieces.concat(), line);
}

#[test]
fn what_is_captured_has_a_limit() {
    let capture = Capture::new(OutputPolicy::Capture);
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        capture.write(OutputStream::Stdout, &megabyte).unwrap();
    }
    assert!(
        capture
            .write(OutputStream::Stdout, b"!")
            .unwrap_err()
            .contains("67108864")
    );
    assert_eq!(capture.finish().unwrap().stdout.len(), 64 << 20);
    assert_eq!(capture.finish(), None);
}

#[test]
fn a_thread_prints_into_the_capture_that_it_entered() {
    let (own, _) = sink();
    let (fallback, _) = sink();
    assert!(Arc::ptr_eq(&Capture::current(&fallback), &fallback));
    let entered = own.enter();
    assert!(Arc::ptr_eq(&Capture::current(&fallback), &own));
    drop(entered);
    assert!(Arc::ptr_eq(&Capture::current(&fallback), &fallback));
}
