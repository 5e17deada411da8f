//! Load: clients that ask as fast as they get answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::comparison::AnyError;

pub(crate) const N_CLIENTS: usize = 8;

/// The status and the body.
pub(crate) type Answer = (u16, String);

pub(crate) struct Answered {
    /// In the order of the requests.
    pub(crate) answers: Vec<Answer>,
    pub(crate) times: Vec<Duration>,
}

/// Has several clients share the requests.
pub(crate) fn answer_all(server: SocketAddr, paths: &[String]) -> Result<Answered, AnyError> {
    let next = AtomicUsize::new(0);
    let client = || {
        let mut answered = Vec::new();
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let answer = ask(server, "GET", path, "")?;
            answered.push((path, answer, start.elapsed()));
        }
        Ok::<_, AnyError>(answered)
    };
    let mut answered = Vec::new();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..N_CLIENTS).map(|_| scope.spawn(client)).collect();
        for client in clients {
            answered.extend(client.join().map_err(|_| "a client panicked")??);
        }
        Ok::<_, AnyError>(())
    })?;
    answered.sort_by_key(|(path, ..)| *path);
    let times = answered.iter().map(|(.., time)| *time).collect();
    let answers = answered.into_iter().map(|(_, answer, _)| answer).collect();
    Ok(Answered { answers, times })
}

/// Asks over a connection of its own.
pub(crate) fn ask(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Result<Answer, AnyError> {
    let mut stream = TcpStream::connect(server)?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("an answer without an end of its head")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    Ok((status.parse()?, body.to_owned()))
}
