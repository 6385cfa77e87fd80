//! The server of all tests, and those of single ones.

use std::sync::OnceLock;

use deadline_sql::throwaway::{Builder, Server};

/// Those of all tests that run at once, and a storm.
const CONNECTIONS: &str = "400";

/// The one of all tests. It must not be stopped, nor its settings changed.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| own_server(Server::builder().setting("max_connections", CONNECTIONS)))
}

/// One that a test may do with what it likes.
pub(crate) fn own_server(builder: Builder) -> Server {
    builder.start().unwrap_or_else(|error| panic!("{error}; `cargo xtask test` installs what it may"))
}
