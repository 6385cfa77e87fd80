//! The methods of connections and transactions.

use std::fmt;

use bytes::Buf;
use tokio_postgres::types::{BorrowToSql, ToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage, Statement, ToStatement};

use super::flight::{open, run};
use super::{CopyIn, CopyOut, Driver, Error, Raw, Rows};
use crate::Lease;
use crate::statements;

/// What a [`Connection`](super::Connection) and a [`Transaction`](super::Transaction) both do: the methods of
/// `tokio_postgres::GenericClient`, each of which ends at the deadline.
///
/// A function that works in a transaction and without one takes a `&mut Session`.
///
/// Before each statement the server is told how long it may take, in the same flight. A method may be dropped at any
/// time, and its statement is stopped then; what it did is unknown, as with any statement whose answer nobody saw. At
/// the deadline a method returns at once, and the statement is stopped in the background: the next one waits for that.
///
/// A transaction is begun by [`transaction`](Self::transaction), or else by a method that is given the statement as text:
/// `BEGIN` by [`query`](Self::query) or [`execute`](Self::execute) is not noticed, and stays open with the connection.
///
/// The errors are those of [`Error`](crate::Error) everywhere.
pub struct Session {
    pub(super) lease: Lease<Driver>,
}

/// Parameters of a statement.
type Params<'a> = &'a [&'a (dyn ToSql + Sync)];
/// Parameters of a statement, each with its type.
type TypedParams<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

#[expect(clippy::missing_errors_doc, reason = "they are the same for all, and stand at the type")]
impl Session {
    pub(super) fn new(lease: Lease<Driver>) -> Self {
        Self { lease }
    }

    /// Like `Client::query`.
    pub async fn query<T>(&mut self, statement: &T, params: Params<'_>) -> Result<Vec<Row>, Error>
    where
        T: ?Sized + ToStatement,
    {
        run!(self, client => client.query(statement, params))
    }

    /// Like `Client::query_one`.
    pub async fn query_one<T>(&mut self, statement: &T, params: Params<'_>) -> Result<Row, Error>
    where
        T: ?Sized + ToStatement,
    {
        run!(self, client => client.query_one(statement, params))
    }

    /// Like `Client::query_opt`.
    pub async fn query_opt<T>(&mut self, statement: &T, params: Params<'_>) -> Result<Option<Row>, Error>
    where
        T: ?Sized + ToStatement,
    {
        run!(self, client => client.query_opt(statement, params))
    }

    /// Like `Client::query_raw`: the rows one by one.
    pub async fn query_raw<T, P, I>(&mut self, statement: &T, params: I) -> Result<Rows<'_>, Error>
    where
        T: ?Sized + ToStatement,
        P: BorrowToSql,
        I: IntoIterator<Item = P>,
        I::IntoIter: ExactSizeIterator,
    {
        open!(self, client => client.query_raw(statement, params)).map(|(watch, rows)| Rows::new(watch, rows))
    }

    /// Like `Client::query_typed`: the statement is not prepared, which takes one round trip less.
    pub async fn query_typed(&mut self, statement: &str, params: TypedParams<'_>) -> Result<Vec<Row>, Error> {
        self.suspect_if(statements::begins(statement));
        run!(self, client => client.query_typed(statement, params))
    }

    /// Like `Client::query_typed_one`.
    pub async fn query_typed_one(&mut self, statement: &str, params: TypedParams<'_>) -> Result<Row, Error> {
        self.suspect_if(statements::begins(statement));
        run!(self, client => client.query_typed_one(statement, params))
    }

    /// Like `Client::query_typed_opt`.
    pub async fn query_typed_opt(&mut self, statement: &str, params: TypedParams<'_>) -> Result<Option<Row>, Error> {
        self.suspect_if(statements::begins(statement));
        run!(self, client => client.query_typed_opt(statement, params))
    }

    /// Like `Client::query_typed_raw`.
    pub async fn query_typed_raw<P, I>(&mut self, statement: &str, params: I) -> Result<Rows<'_>, Error>
    where
        P: BorrowToSql,
        I: IntoIterator<Item = (P, Type)>,
    {
        self.suspect_if(statements::begins(statement));
        open!(self, client => client.query_typed_raw(statement, params)).map(|(watch, rows)| Rows::new(watch, rows))
    }

    /// Like `Client::execute`.
    pub async fn execute<T>(&mut self, statement: &T, params: Params<'_>) -> Result<u64, Error>
    where
        T: ?Sized + ToStatement,
    {
        run!(self, client => client.execute(statement, params))
    }

    /// Like `Client::execute_raw`.
    pub async fn execute_raw<T, P, I>(&mut self, statement: &T, params: I) -> Result<u64, Error>
    where
        T: ?Sized + ToStatement,
        P: BorrowToSql,
        I: IntoIterator<Item = P>,
        I::IntoIter: ExactSizeIterator,
    {
        run!(self, client => client.execute_raw(statement, params))
    }

    /// Like `Client::execute_typed`.
    pub async fn execute_typed(&mut self, statement: &str, params: TypedParams<'_>) -> Result<u64, Error> {
        self.suspect_if(statements::begins(statement));
        run!(self, client => client.execute_typed(statement, params))
    }

    /// Like `Client::prepare`.
    pub async fn prepare(&mut self, statement: &str) -> Result<Statement, Error> {
        self.suspect_if(statements::begins(statement));
        run!(self, client => client.prepare(statement))
    }

    /// Like `Client::prepare_typed`.
    pub async fn prepare_typed(&mut self, statement: &str, types: &[Type]) -> Result<Statement, Error> {
        self.suspect_if(statements::begins(statement));
        run!(self, client => client.prepare_typed(statement, types))
    }

    /// Like `deadpool_postgres::ClientWrapper::prepare_cached`: nothing is sent for a statement that the connection has.
    pub async fn prepare_cached(&mut self, statement: &str) -> Result<Statement, Error> {
        self.prepare_typed_cached(statement, &[]).await
    }

    /// Like `deadpool_postgres::ClientWrapper::prepare_typed_cached`.
    pub async fn prepare_typed_cached(&mut self, statement: &str, types: &[Type]) -> Result<Statement, Error> {
        self.suspect_if(statements::begins(statement));
        if let Some(kept) = self.lease.connection().and_then(|connection| connection.prepared.find(statement, types)) {
            return Ok(kept);
        }
        let prepared = run!(self, client => client.prepare_typed(statement, types))?;
        if let Some(connection) = self.lease.connection_mut() {
            connection.prepared.keep(statement, types, prepared.clone());
        }
        Ok(prepared)
    }

    /// Like `Client::simple_query`. A transaction that it leaves open is ended when the connection goes back.
    pub async fn simple_query(&mut self, statements: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.suspect_if(statements::may_begin(statements));
        run!(self, client => client.simple_query(statements))
    }

    /// Like `Client::batch_execute`. A transaction that it leaves open is ended when the connection goes back.
    pub async fn batch_execute(&mut self, statements: &str) -> Result<(), Error> {
        self.suspect_if(statements::may_begin(statements));
        run!(self, client => client.batch_execute(statements))
    }

    /// Like `Client::copy_in`.
    pub async fn copy_in<T, U>(&mut self, statement: &T) -> Result<CopyIn<'_, U>, Error>
    where
        T: ?Sized + ToStatement,
        U: Buf + Send + 'static,
    {
        open!(self, client => client.copy_in(statement)).map(|(watch, sink)| CopyIn::new(watch, sink))
    }

    /// Like `Client::copy_out`.
    pub async fn copy_out<T>(&mut self, statement: &T) -> Result<CopyOut<'_>, Error>
    where
        T: ?Sized + ToStatement,
    {
        open!(self, client => client.copy_out(statement)).map(|(watch, bytes)| CopyOut::new(watch, bytes))
    }

    /// The client itself, for what has no method here. Nothing is stopped at the deadline, until this is dropped; then
    /// what still runs is stopped, and an open transaction is ended.
    pub async fn raw(&mut self) -> Result<Raw<'_>, Error> {
        Raw::begin(&mut self.lease).await
    }

    /// The server's process for this connection, for a log; `None` while a statement is being stopped.
    #[must_use]
    pub fn backend(&self) -> Option<u32> {
        self.lease.connection().and_then(|connection| connection.backend.pid())
    }

    fn suspect_if(&mut self, may_begin: bool) {
        if may_begin && self.lease.depth() == 0 {
            self.lease.suspect();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("lease", &self.lease).finish()
    }
}
