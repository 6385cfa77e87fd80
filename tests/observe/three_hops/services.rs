//! The two services, as their authors would write them: nothing in a handler speaks of a deadline.

use std::future::pending;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use deadline_sql::deadpool_postgres::Pool;
use http::Uri;
use reqwest::{Client, Method, Request};
use tokio_postgres::NoTls;
use tower::ServiceBuilder;
use tower::limit::ConcurrencyLimitLayer;
use tower_deadline::axum::Failure;
use tower_deadline::reqwest::PropagateReqwest;
use tower_deadline::{BoxError, DeadlineLayer, Exceeded, Ledger, Policy, PolicySet, PropagateLayer};

use super::slow::{Limit, Place, Slow};
use crate::sql::support::Database;
use crate::support::MS;

/// A request that is there to be in the way: it has no limit, and no end.
pub(super) const HELD: &str = "held";

/// Of the policies, the one for whom no limit holds is the first.
const POLICIES: &str = r#"
    [policy.default]

    [policy.loose]
    timeout = "20s"
    reserve = "300ms"
    ledger = "public"

    [policy.short]
    timeout = "700ms"
    reserve = "300ms"
    ledger = "public"

    [route]
    client = "loose"
    proxy = "loose"
    code = "loose"
    orders = "short"
"#;

/// What orders needs to call payments.
#[derive(Clone)]
struct Payments {
    client: PropagateReqwest,
    hasty: PropagateReqwest,
    address: SocketAddr,
    deaf: SocketAddr,
}

impl Payments {
    fn new(address: SocketAddr, deaf: SocketAddr) -> Self {
        let built = |layer: PropagateLayer| layer.reqwest().build(Client::builder().no_proxy());
        let client = built(PropagateLayer::new()).expect("a client can be built");
        let hasty = built(PropagateLayer::new().timeout(Place::Orders.due())).expect("a client can be built");
        Self { client, hasty, address, deaf }
    }

    async fn charge(&self, limit: &str, slow: &str, run: &str) -> Result<String, Failure> {
        let is_deaf = slow == Slow::OrdersConnect.word();
        let address = if is_deaf { self.deaf } else { self.address };
        let client = if limit == Limit::OrdersCode.word() { &self.hasty } else { &self.client };
        let request = Request::new(Method::GET, format!("http://{address}/{limit}/{slow}/{run}").parse()?);
        let charged = client.execute(request).await?;
        if let Some(exceeded) = charged.extensions().get::<Exceeded>() {
            return Err(exceeded.clone().into());
        }
        Ok(charged.error_for_status()?.text().await?)
    }
}

/// Takes one request at a time for each path; calls payments, unless it is itself what is slow.
pub(super) fn orders(payments: SocketAddr, deaf: SocketAddr) -> Router {
    let set = PolicySet::from_toml(POLICIES).expect("policies of ours");
    // The first segment of a path says who sets the limit.
    let deadline = DeadlineLayer::by(set, |head| head.uri().path().split('/').nth(1).map(Into::into)).hop("orders");
    let layers = ServiceBuilder::new().layer(deadline).layer(ConcurrencyLimitLayer::new(1));
    routes().layer(layers).with_state(Payments::new(payments, deaf))
}

fn routes() -> Router<Payments> {
    let path = |slow: Slow| format!("/{{limit}}/{}/{{run}}", slow.word());
    Slow::ALL.into_iter().fold(Router::new(), |routes, slow| routes.route(&path(slow), get(order)))
}

async fn order(State(payments): State<Payments>, uri: Uri) -> Result<String, Failure> {
    let mut segments = uri.path().split('/').skip(1);
    let [limit, slow, run] = [(); 3].map(|()| segments.next().unwrap_or_default());
    if run == HELD || slow == Slow::OrdersHandler.word() {
        return pending().await;
    }
    payments.charge(limit, slow, run).await
}

/// What payments needs of its database.
#[derive(Clone)]
struct Store {
    pool: Pool,
    /// Its one connection is in use.
    full: Pool,
    /// Of a database that does not answer.
    deaf: Pool,
}

impl Store {
    async fn new(database: &Database, deaf: SocketAddr) -> Result<Self, BoxError> {
        let one = Pool::builder(database.config(), NoTls).max_size(1).build()?;
        let taken = one.get().await?;
        tokio::spawn(async {
            let _taken = taken;
            pending::<()>().await;
        });
        Ok(Self {
            pool: Pool::builder(database.config(), NoTls).build()?,
            full: one,
            deaf: Pool::builder(database.by_way_of(deaf).config(), NoTls).build()?,
        })
    }
}

/// The end of the chain, but for its database: that is told to stop 20 ms before the deadline.
pub(super) async fn payments(database: Database, deaf: SocketAddr) -> Router {
    let store = Store::new(&database, deaf).await.expect("the database takes connections");
    let policy = Policy::new().reserve(20 * MS).ledger(Ledger::Public);
    Router::new()
        .route("/{limit}/{slow}/{run}", get(charge))
        .layer(DeadlineLayer::new(policy).hop("payments"))
        .with_state(store)
}

async fn charge(
    State(store): State<Store>,
    Path((_, slow, _)): Path<(String, String, String)>,
) -> Result<String, Failure> {
    let is = |one: Slow| slow == one.word();
    if is(Slow::PaymentsHandler) {
        return pending().await;
    }
    let pool = match () {
        () if is(Slow::PaymentsPool) => &store.full,
        () if is(Slow::PaymentsConnect) => &store.deaf,
        () => &store.pool,
    };
    let statement = match () {
        () if is(Slow::Statement) => "SELECT pg_sleep(60)",
        () if is(Slow::LockedRow) => "UPDATE accounts SET balance = balance - 1 WHERE id = 1",
        () => "SELECT 1",
    };
    pool.get().await?.execute(statement, &[]).await?;
    Ok("charged\n".to_owned())
}
