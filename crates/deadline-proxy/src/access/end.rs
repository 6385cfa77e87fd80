//! How an answer ends.

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With all that it had.
    Complete,
    /// At the deadline.
    Stopped,
    /// Its source broke off.
    Broken,
    /// Nobody took the rest.
    Dropped,
    /// There was none.
    Unanswered,
}

impl End {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Broken => "broken",
            Self::Dropped => "dropped",
            Self::Unanswered => "unanswered",
        }
    }
}
