//! What can be done with the futures.

use bytes::Bytes;
use http_deadline::Deadline;
use tokio_postgres::types::{ToSql, Type};

use super::*;

fn spawnable<F: Future + Send>(future: F) {
    drop(future);
}

/// Each method's future can be a task's. It is enough that this compiles.
#[expect(dead_code, reason = "it is not to be run")]
fn every_future_can_be_spawned(pool: &Pool, session: &mut Session, text: &'static str, deadline: Deadline) {
    let none: [&(dyn ToSql + Sync); 0] = [];
    let typed: [(&(dyn ToSql + Sync), Type); 0] = [];
    spawnable(pool.get());
    spawnable(pool.get_before(deadline));
    spawnable(pool.drain(std::time::Duration::ZERO));
    spawnable(session.query(text, &[]));
    spawnable(session.query_one(text, &[]));
    spawnable(session.query_opt(text, &[]));
    spawnable(session.query_raw(text, none));
    spawnable(session.query_typed(text, &typed));
    spawnable(session.query_typed_one(text, &typed));
    spawnable(session.query_typed_opt(text, &typed));
    spawnable(session.execute(text, &[]));
    spawnable(session.execute_raw(text, none));
    spawnable(session.execute_typed(text, &typed));
    spawnable(session.prepare(text));
    spawnable(session.prepare_cached(text));
    spawnable(session.simple_query(text));
    spawnable(session.batch_execute(text));
    spawnable(session.copy_in::<_, Bytes>(text));
    spawnable(session.copy_out(text));
    spawnable(session.raw());
    spawnable(session.transaction());
    spawnable(session.build_transaction().read_only(true).start());
    spawnable(async {
        let mut outer = session.transaction().await?;
        outer.transaction().await?.rollback().await?;
        outer.commit().await
    });
}

/// A handler is as large as the largest of them, and the driver's own has a kilobyte.
#[test]
fn a_future_is_not_large() {
    fn of<F>(_: impl FnOnce(&'static mut Session) -> F) -> usize {
        size_of::<F>()
    }
    for (name, size) in [
        ("query_one", of(|session| session.query_one("", &[]))),
        ("execute", of(|session| session.execute("", &[]))),
        ("query_raw", of(|session| session.query_raw("", [] as [&(dyn ToSql + Sync); 0]))),
        ("batch_execute", of(|session| session.batch_execute(""))),
        ("transaction", of(|session| session.transaction())),
    ] {
        assert!(size <= 3_072, "{name}: {size}");
    }
}
