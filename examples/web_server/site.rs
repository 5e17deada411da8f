//! Site: the server itself, axum in front of a pool.

use std::net::SocketAddr;
use std::time::Duration;
use std::{io, thread};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use owngil::{Buffer, Error, Function, Pool};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::FOLDER;
use super::comparison::AnyError;

/// How long an answer may take, and one that is known to be slow.
const LIMIT: Duration = Duration::from_secs(10);
const LIMIT_SLOW: Duration = Duration::from_millis(300);

/// The longest body that is taken.
const BODY_LEN_MAX: usize = 1 << 20;

/// A server that runs, until the process ends.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) pool: Pool,
}

#[derive(Clone)]
struct Site {
    pool: Pool,
    respond: Function,
    primes: Function,
    stuck: Function,
}

type Refused = (StatusCode, String);

/// Serves on a thread of its own.
pub(crate) fn serve(pool: Pool) -> Result<Served, AnyError> {
    let function = |name| Function::file(format!("{FOLDER}/wsgi.py"), name);
    let site = Site {
        pool: pool.clone(),
        respond: function("respond"),
        primes: function("primes"),
        stuck: function("stuck"),
    };
    // The application is imported in every worker before the first request comes.
    pool.load(&site.respond)?;
    let app = Router::new()
        .route("/primes", get(primes))
        .route("/stuck", get(stuck))
        .fallback(application)
        .with_state(site);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    thread::spawn(move || -> io::Result<()> {
        runtime.block_on(async { axum::serve(listener, app).await })
    });
    Ok(Served { address, pool })
}

#[derive(Deserialize)]
struct Question {
    below: u64,
}

async fn primes(
    State(site): State<Site>,
    Query(question): Query<Question>,
) -> Result<String, Refused> {
    let call = site.pool.task(&site.primes).args(question.below);
    let task = call.deadline(LIMIT).try_submit::<u64>().map_err(refused)?;
    let count = task.await.map_err(refused)?;
    Ok(format!("{count} primes are below {}", question.below))
}

async fn stuck(State(site): State<Site>) -> Result<String, Refused> {
    let call = site.pool.task(&site.stuck).args(());
    let task = call
        .time_limit(LIMIT_SLOW)
        .try_submit::<u64>()
        .map_err(refused)?;
    task.await.map(|sum| sum.to_string()).map_err(refused)
}

/// A response of the WSGI application: status, headers, body.
type Given = (u16, Vec<(String, String)>, Buffer);

async fn application(
    State(site): State<Site>,
    request: Request,
) -> Result<Response<Body>, Refused> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LEN_MAX).await;
    let body = body.map_err(|error| (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
    let fields = head.headers.iter();
    let headers: Vec<(&str, &str)> = fields
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let arguments = (
        head.method.as_str(),
        path,
        query,
        headers,
        Buffer::from_owner(body),
    );
    let call = site.pool.task(&site.respond).args(arguments);
    let task = call
        .deadline(LIMIT)
        .try_submit::<Given>()
        .map_err(refused)?;
    let (status, headers, content) = task.await.map_err(refused)?;
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let response = response.body(Body::from(content.to_vec()));
    response.map_err(|error| (StatusCode::BAD_GATEWAY, error.to_string()))
}

/// What an error means to a client.
fn refused(error: Error) -> Refused {
    let status = match error {
        Error::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
        Error::QueueFull | Error::ShutDown => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string())
}
