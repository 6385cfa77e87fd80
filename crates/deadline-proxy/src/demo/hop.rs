//! The hops of the chain.

/// One service that a request of the demo passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// The reverse proxy, which passes on and does no work of its own.
    Proxy,
    /// The first service; it calls the second.
    Orders,
    /// The last service; it has a database, where there is one.
    Payments,
    /// The server of SQL, and one statement in it.
    Database,
}

impl Hop {
    /// Every hop, in the order in which a request passes them.
    pub const ALL: [Self; 4] = [Self::Proxy, Self::Orders, Self::Payments, Self::Database];

    /// Its name, as it stands in answers and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Orders => "orders",
            Self::Payments => "payments",
            Self::Database => "database",
        }
    }

    /// The hop of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hop| hop.as_str() == name)
    }
}
