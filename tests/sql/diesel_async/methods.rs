//! What users of diesel-async know is as they know it.

use deadline_sql::diesel_async::{Connection, find};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;

use super::super::support::{Database, Relay};
use super::{items, pid, pool, run, with_items, within};
use crate::support::MS;

#[derive(Debug, PartialEq, Queryable, QueryableByName, Insertable, Selectable)]
#[diesel(table_name = items)]
struct Item {
    id: i32,
    name: String,
}

fn item(id: i32) -> Item {
    Item { id, name: format!("item {id}") }
}

#[tokio::test]
async fn the_methods_of_a_connection_do_what_they_say() {
    let database = with_items().await;
    let mut connection = pool(&database, 1).get_before(within(60_000)).await.unwrap();
    let many: Vec<Item> = (1..=3).map(item).collect();
    assert_eq!(diesel::insert_into(items::table).values(&many).execute(&mut connection).await, Ok(3));
    let one = diesel::insert_into(items::table).values(item(4)).returning(Item::as_returning());
    assert_eq!(one.get_result(&mut connection).await, Ok(item(4)));
    let all = items::table.order(items::id).select(Item::as_select()).load(&mut connection).await;
    assert_eq!(all, Ok((1..=4).map(item).collect()));
    let first: Item = items::table.filter(items::id.gt(1)).order(items::id).first(&mut connection).await.unwrap();
    assert_eq!(first, item(2));
    let none = items::table.find(9).first::<Item>(&mut connection).await;
    assert_eq!((none.optional(), connection.backend().is_some()), (Ok(None), true));
    let stream = items::table.order(items::id).select(items::id).load_stream::<i32>(&mut connection).await.unwrap();
    assert_eq!(stream.try_collect::<Vec<_>>().await, Ok(vec![1, 2, 3, 4]));
    let boxed = items::table.filter(items::id.eq_any(vec![1, 3])).count().into_boxed();
    assert_eq!(boxed.get_result::<i64>(&mut connection).await, Ok(2));
    let text = diesel::sql_query("SELECT * FROM items WHERE id = $1").bind::<diesel::sql_types::Integer, _>(2);
    assert_eq!(text.get_results::<Item>(&mut connection).await, Ok(vec![item(2)]));
    connection
        .batch_execute("DELETE FROM items WHERE id > 1; DELETE FROM items WHERE id > 2")
        .await
        .unwrap();
    assert_eq!(items::table.count().get_result::<i64>(&mut connection).await, Ok(1));
}

#[tokio::test]
async fn an_error_of_diesels_is_as_diesel_has_it() {
    let database = with_items().await;
    let mut connection = pool(&database, 1).get_before(within(60_000)).await.unwrap();
    diesel::insert_into(items::table).values(item(1)).execute(&mut connection).await.unwrap();
    let again = diesel::insert_into(items::table).values(item(1)).execute(&mut connection).await.unwrap_err();
    let Error::DatabaseError(DatabaseErrorKind::UniqueViolation, told) = &again else { panic!("{again:?}") };
    assert_eq!((told.constraint_name(), find(&again).is_none()), (Some("items_pkey"), true));
    assert_eq!(items::table.count().get_result::<i64>(&mut connection).await, Ok(1), "the connection goes on");
}

#[tokio::test]
async fn a_function_over_any_connection_takes_ours() {
    async fn rename<C>(connection: &mut C, id: i32, name: &str) -> QueryResult<usize>
    where
        C: AsyncConnection<Backend = diesel::pg::Pg>,
    {
        diesel::update(items::table.find(id)).set(items::name.eq(name)).execute(connection).await
    }
    let database = with_items().await;
    let url = database.url();
    // An own one, as those who do not pool have it.
    let mut connection = Connection::establish(&url).await.unwrap();
    diesel::insert_into(items::table).values(item(1)).execute(&mut connection).await.unwrap();
    assert_eq!(rename(&mut connection, 1, "another").await, Ok(1));
    assert_eq!(items::table.select(items::name).first(&mut connection).await, Ok("another".to_owned()));
    let unreachable = Connection::establish("postgres://postgres@127.0.0.1:1/postgres").await.unwrap_err();
    assert!(matches!(unreachable, ConnectionError::BadConnection(_)), "{unreachable:?}");
    let nonsense = Connection::establish("nonsense").await.unwrap_err();
    assert!(matches!(nonsense, ConnectionError::InvalidConnectionUrl(_)), "{nonsense:?}");
}

#[tokio::test]
async fn a_connection_is_used_again_and_leaves_no_limit_behind() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let show = || diesel::dsl::sql::<diesel::sql_types::Text>("current_setting('statement_timeout')");
    let told: String = diesel::select(show()).get_result(&mut connection).await.unwrap();
    assert!(told.ends_with("ms") || told == "1min", "{told}");
    let first = pid(&mut connection).await;
    drop(connection);
    let mut connection = pool.get().await.unwrap();
    assert_eq!(diesel::select(show()).get_result(&mut connection).await, Ok("0".to_owned()));
    assert_eq!(pid(&mut connection).await, first);
}

#[tokio::test]
async fn a_transaction_by_hand_is_not_left_to_the_next_one() {
    let database = with_items().await;
    let watcher = database.watcher().await;
    let pool = pool(&database, 1);
    let mut connection = pool.get().await.unwrap();
    run(&mut connection, "BEGIN").await.unwrap();
    diesel::insert_into(items::table).values(item(1)).execute(&mut connection).await.unwrap();
    drop(connection);
    watcher.until_idle(super::PROMPT).await;
    let mut connection = pool.get().await.unwrap();
    assert_eq!(items::table.count().get_result::<i64>(&mut connection).await, Ok(0));
}

#[tokio::test]
async fn the_time_that_the_server_is_told_costs_no_round_trip() {
    let database = with_items().await;
    let relay = Relay::delaying(database.address, 20 * MS).await;
    let mut connection = pool(&database.by_way_of(relay.address), 1).get_before(within(60_000)).await.unwrap();
    let count = async |connection: &mut Connection| {
        assert_eq!(items::table.count().get_result::<i64>(connection).await, Ok(0));
        diesel::delete(items::table).execute(connection).await.unwrap();
    };
    // Both are prepared once.
    count(&mut connection).await;
    let before = relay.flights();
    count(&mut connection).await;
    assert_eq!(relay.flights() - before, 2);
    connection
        .transaction(async |connection| items::table.find(1).execute(connection).await)
        .await
        .unwrap();
    let before = relay.flights();
    connection
        .transaction(async |connection| items::table.find(1).execute(connection).await)
        .await
        .unwrap();
    assert_eq!(relay.flights() - before, 3, "BEGIN, the statement, COMMIT");
}
