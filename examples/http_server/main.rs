//! An HTTP server that calls Python: axum on tokio, on one thread, which no call ever blocks.
//!
//! Python runs on the pool's workers. A request has half a second: then its call is interrupted and
//! the answer is 504, with the place where the code stood. When as many requests wait as may, the answer
//! is 503 at once. A client that goes away takes its call with it, since a task that is dropped is
//! cancelled.
//!
//! Without arguments it asks itself a few things, prints the answers, and ends. With an address it
//! serves until Ctrl-C: `cargo run --example http_server 127.0.0.1:8080`, then
//! `curl '127.0.0.1:8080/primes?below=10000'`.

use std::error::Error as StdError;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use owngil::{Error, Function, Pool};
use serde::Deserialize;
use tokio::net::TcpListener;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/http_server/http_server.py"
);

/// How long an answer may take.
const LIMIT: Duration = Duration::from_millis(500);

type AnyError = Box<dyn StdError + Send + Sync>;

/// What all requests share.
#[derive(Clone)]
struct Site {
    pool: Pool,
    count_primes: Function,
}

#[derive(Deserialize)]
struct Question {
    below: u64,
}

async fn primes(
    State(site): State<Site>,
    Query(question): Query<Question>,
) -> Result<String, (StatusCode, String)> {
    let call = site.pool.task(&site.count_primes).args(question.below);
    // Refused when the queue is full; to wait for room there is `submit_async().await`.
    let task = call.deadline(LIMIT).try_submit::<u64>().map_err(status)?;
    let count = task.await.map_err(status)?;
    Ok(format!("{count} primes are below {}", question.below))
}

/// What an error means to a client.
fn status(error: Error) -> (StatusCode, String) {
    let status = match error {
        Error::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
        Error::QueueFull | Error::ShutDown => StatusCode::SERVICE_UNAVAILABLE,
        Error::Value(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AnyError> {
    let pool = Pool::builder().workers(2).queue_limit(4).build()?;
    let count_primes = Function::file(SCRIPT, "count_primes");
    pool.load(&count_primes)?; // what is wrong with the script shows here
    let site = Site {
        pool: pool.clone(),
        count_primes,
    };
    let app = Router::new().route("/primes", get(primes)).with_state(site);

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let bound = listener.local_addr()?;
    let stop = async move {
        match address {
            Some(_) => {
                eprintln!("listening on http://{bound}/primes?below=10000");
                let _ = tokio::signal::ctrl_c().await;
            }
            None => {
                let visitor = tokio::task::spawn_blocking(move || visit(bound));
                visitor.await.expect("the visitor got its answers");
            }
        }
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?;
    // All requests have their answers. This waits for workers, so it is not for the runtime's thread.
    tokio::task::spawn_blocking(move || pool.shutdown()).await?;
    Ok(())
}

/// A client, on threads of its own: it asks, and prints the answers.
fn visit(server: SocketAddr) {
    for path in ["/primes?below=10000", "/primes?below=none"] {
        println!("GET {path}: {}", ask(server, path));
    }
    // More at once than can run and wait, and none of them ends in time.
    let busy: Vec<_> = (0..12)
        .map(|_| thread::spawn(move || ask(server, "/primes?below=1000000000")))
        .collect();
    let mut answers: Vec<String> = busy.into_iter().map(|one| one.join().unwrap()).collect();
    answers.sort();
    for kind in ["503", "504"] {
        let n = answers
            .iter()
            .filter(|answer| answer.starts_with(kind))
            .count();
        println!("{n} of {} busy requests: {kind}", answers.len());
    }
    // A client tries again after a refusal.
    let last = loop {
        let answer = ask(server, "/primes?below=100");
        if !answer.starts_with("503") {
            break answer;
        }
        thread::sleep(Duration::from_millis(20));
    };
    println!("GET /primes?below=100: {last}");
}

/// The status and the first line of the body of an answer.
fn ask(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).expect("the server listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
    )
    .expect("the server reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the server answers");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or_default();
    format!("{status} {}", body.lines().next().unwrap_or_default())
}
