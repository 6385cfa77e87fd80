//! An axum service on PostgreSQL: a statement ends with its request, in the server too.
//!
//! ```text
//! cargo run -p deadline-examples --example axum_postgres
//! curl -i -H 'X-Request-Timeout: 300ms' http://127.0.0.1:3000/sleep/5    # 504 of stage database
//! curl -i --max-time 0.3 http://127.0.0.1:3000/sleep/5                   # the client hangs up
//! curl -i http://127.0.0.1:3000/active                                   # 0: nothing has been left running
//! curl -i --data apples http://127.0.0.1:3000/orders                     # a transaction
//! ```
//!
//! `DATABASE_URL` says which server. Without it, one is started that is gone with this program.

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io, iter};

use axum::Router;
use axum::extract::{Path, State};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use deadline_sql::deadpool_postgres::Pool;
use deadline_sql::deadpool_postgres::tokio_postgres::NoTls;
use deadline_sql::throwaway::Server;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower_deadline::axum::Failure;
use tower_deadline::{BoxError, Deadline, DeadlineLayer, Policy, now};

/// How long the database may take to let us in, and to make what it lacks.
const START: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS example_orders (id bigserial PRIMARY KEY, item text NOT NULL);
    CREATE TABLE IF NOT EXISTS example_sold (item text PRIMARY KEY, number bigint NOT NULL)";

#[tokio::main]
async fn main() -> ExitCode {
    // What stopped a statement, `SQLSTATE` and the server's process: in the log, and in no answer.
    let log = tracing_subscriber::fmt().with_env_filter("warn,deadline_sql=debug").with_writer(io::stderr);
    log.with_ansi(io::stderr().is_terminal()).init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum_postgres: {}", told(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), BoxError> {
    let (url, _server) = match env::var("DATABASE_URL") {
        Ok(url) => (url, None),
        // It takes a second. Where PostgreSQL is not installed, the error says what installs it.
        Err(_) => {
            let server = tokio::task::spawn_blocking(Server::start).await??;
            (server.url(), Some(server))
        }
    };
    let pool = Pool::builder(url.parse()?, NoTls).max_size(8).build()?;
    // Outside of a request nothing has a deadline but what is given one: a server that never answers is told.
    pool.get_before(Deadline::after(now(), START)).await?.batch_execute(TABLES).await?;

    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(pool.clone())).with_graceful_shutdown(told_to_stop()).await?;
    // The last request has been answered; what it left running has five seconds to be stopped.
    Ok(pool.drain(Duration::from_secs(5)).await?)
}

fn app(pool: Pool) -> Router {
    // PostgreSQL is told to stop 10 ms before the deadline, and says so in time for the answer. Who waits for a
    // connection until then is told that there are too many, with a 503.
    let policy = Policy::new()
        .default_timeout(Duration::from_secs(3))
        .max(Duration::from_secs(60))
        .reserve(Duration::from_millis(10))
        .pool_status(StatusCode::SERVICE_UNAVAILABLE);
    Router::new()
        .route("/sleep/{seconds}", get(sleep))
        .route("/orders", post(order))
        .route("/active", get(active))
        .layer(map_response(log))
        .layer(DeadlineLayer::new(policy).hop("orders"))
        .with_state(pool)
}

/// Nothing here speaks of a deadline: that of the request holds for the connection, and for each statement.
async fn sleep(State(pool): State<Pool>, Path(seconds): Path<f64>) -> Result<String, Failure> {
    pool.get().await?.execute("SELECT pg_sleep($1)", &[&seconds]).await?;
    Ok(format!("slept for {seconds} s\n"))
}

/// Stopped half-way, it has not happened, and what it locked is free at once.
async fn order(State(pool): State<Pool>, item: String) -> Result<String, Failure> {
    let mut connection = pool.get().await?;
    let mut transaction = connection.transaction().await?;
    let order = transaction
        .query_one("INSERT INTO example_orders (item) VALUES ($1) RETURNING id", &[&item])
        .await?;
    let sold = "INSERT INTO example_sold AS before VALUES ($1, 1)
        ON CONFLICT (item) DO UPDATE SET number = before.number + 1 RETURNING number";
    let sold = transaction.query_one(sold, &[&item]).await?;
    transaction.commit().await?;
    let (order, sold): (i64, i64) = (order.try_get(0)?, sold.try_get(0)?);
    Ok(format!("order {order}: {item}, {sold} sold\n"))
}

/// How many statements run in the server, beside this one.
async fn active(State(pool): State<Pool>) -> Result<String, Failure> {
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()";
    let row = pool.get().await?.query_one(others, &[]).await?;
    Ok(format!("{}\n", row.try_get::<_, i64>(0)?))
}

/// Of what failed, a client is told that it did, and this log the rest.
async fn log(response: Response) -> Response {
    if let Some(failure) = response.extensions().get::<Failure>() {
        tracing::warn!("{}", told(failure.error()));
    }
    response
}

/// An error, and what caused it, unless it has said so itself.
fn told(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(error.source(), |&error| error.source());
    causes
        .map(ToString::to_string)
        .fold(error.to_string(), |told, cause| if told.contains(&cause) { told } else { format!("{told}: {cause}") })
}

async fn told_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
