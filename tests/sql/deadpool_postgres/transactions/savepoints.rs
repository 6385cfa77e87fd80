//! Transactions within one another.

use deadline_sql::deadpool_postgres::{Error, Session};
use futures_util::FutureExt;

use super::super::{FOREVER, said, within};
use super::Scene;

async fn insert(session: &mut Session, v: i32) {
    session.execute("INSERT INTO t VALUES ($1)", &[&v]).await.unwrap();
}

#[tokio::test]
async fn what_a_part_has_done_is_undone_alone() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get_before(within(60_000)).await.unwrap();
    let mut outer = connection.transaction().await.unwrap();
    insert(&mut outer, 1).await;
    let mut part = outer.transaction().await.unwrap();
    insert(&mut part, 2).await;
    drop(part);
    insert(&mut outer, 3).await;
    let mut part = outer.transaction().await.unwrap();
    insert(&mut part, 4).await;
    part.rollback().await.unwrap();
    let mut part = outer.transaction().await.unwrap();
    insert(&mut part, 5).await;
    part.commit().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(scene.rows().await, [1, 3, 5]);
}

#[tokio::test]
async fn a_part_that_fails_takes_nothing_along() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get_before(within(60_000)).await.unwrap();
    let backend = connection.backend();
    let mut outer = connection.transaction().await.unwrap();
    insert(&mut outer, 1).await;
    let mut part = outer.transaction().await.unwrap();
    insert(&mut part, 2).await;
    assert!(part.query_typed("SELECT 1 / 0", &[]).await.is_err());
    let error = part.commit().await.unwrap_err();
    assert!(matches!(error, Error::RolledBack), "{error:?}");
    insert(&mut outer, 3).await;
    outer.commit().await.unwrap();
    assert_eq!((scene.rows().await, connection.backend()), (vec![1, 3], backend));
}

#[tokio::test]
async fn a_part_that_is_late_or_dropped_takes_nothing_along() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get().await.unwrap();
    let backend = connection.backend();
    for late in [true, false] {
        let mut outer = connection.transaction().await.unwrap();
        insert(&mut outer, 1).await;
        let mut part = outer.transaction().await.unwrap();
        insert(&mut part, 2).await;
        if late {
            let _ambient = tower_deadline::enter(within(100));
            let error = part.query_typed(FOREVER, &[]).await.unwrap_err();
            assert!(said(&error).is_some(), "{error:?}");
        } else {
            assert!(part.query_typed(FOREVER, &[]).now_or_never().is_none());
        }
        drop(part);
        insert(&mut outer, 3).await;
        outer.commit().await.unwrap();
        assert_eq!(scene.rows().await, [1, 3], "late: {late}");
        scene.other.batch_execute("DELETE FROM t").await.unwrap();
    }
    assert_eq!(connection.backend(), backend);
}

#[tokio::test]
async fn a_part_whose_beginning_was_dropped_is_no_part() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get().await.unwrap();
    let mut outer = connection.transaction().await.unwrap();
    insert(&mut outer, 1).await;
    assert!(outer.transaction().now_or_never().is_none());
    // The cancel may have hit the savepoint, and so the transaction; or come too late.
    let continued = outer.execute("INSERT INTO t VALUES (2)", &[]).await.is_ok();
    let committed = outer.commit().await;
    assert_eq!(committed.is_ok(), continued, "{committed:?}");
    assert_eq!(scene.rows().await, if continued { vec![1, 2] } else { vec![] });
    drop(connection);
    scene.assert_nothing_open().await;
}

#[tokio::test]
async fn three_deep_each_ends_by_itself_and_all_with_the_first() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get_before(within(60_000)).await.unwrap();
    let mut first = connection.transaction().await.unwrap();
    insert(&mut first, 1).await;
    let mut second = first.transaction().await.unwrap();
    insert(&mut second, 2).await;
    let mut third = second.transaction().await.unwrap();
    insert(&mut third, 3).await;
    assert!(third.query_typed("SELECT 1 / 0", &[]).await.is_err());
    drop(third);
    insert(&mut second, 4).await;
    second.commit().await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(scene.rows().await, [1, 2, 4]);

    let mut first = connection.transaction().await.unwrap();
    let mut second = first.transaction().await.unwrap();
    let mut third = second.transaction().await.unwrap();
    insert(&mut third, 5).await;
    third.commit().await.unwrap();
    // Whoever leaves the first leaves all.
    drop(second);
    drop(first);
    drop(connection);
    scene.assert_nothing_open().await;
    assert_eq!(scene.rows().await, [1, 2, 4]);
}

#[tokio::test]
async fn a_part_that_is_forgotten_is_a_part_of_what_is_around_it() {
    let scene = Scene::new().await;
    let mut connection = scene.pool.get_before(within(60_000)).await.unwrap();
    for (keep, rows) in [(true, vec![1, 2]), (false, vec![])] {
        let mut outer = connection.transaction().await.unwrap();
        insert(&mut outer, 1).await;
        let mut part = outer.transaction().await.unwrap();
        insert(&mut part, 2).await;
        std::mem::forget(part);
        let ended = if keep { outer.commit().await } else { outer.rollback().await };
        ended.unwrap();
        assert_eq!(scene.rows().await, rows);
        scene.other.batch_execute("DELETE FROM t").await.unwrap();
    }
}
