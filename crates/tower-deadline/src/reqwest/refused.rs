//! Requests that a server says it did not look at.
//!
//! Covers the two ways of HTTP/2, which reqwest sends again by default too: a stream that was refused, and a
//! connection that was closed gracefully. Nothing else is tried again here: a retry layer outside decides that.

use std::error::Error;
use std::iter::successors;

use h2::Reason;

/// How often a call sends a refused request again. reqwest starts anew with each redirect.
pub(super) const AT_MOST: usize = 2;

/// Whether the request was not looked at, so that sending it again is safe.
pub(super) fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut chain = successors(Some(error), |&error| error.source());
    chain.any(|error| error.downcast_ref().is_some_and(is_unseen))
}

fn is_unseen(error: &h2::Error) -> bool {
    let reason = error.reason();
    let refused = error.is_reset() && reason == Some(Reason::REFUSED_STREAM);
    let graceful = error.is_go_away() && reason == Some(Reason::NO_ERROR);
    error.is_remote() && (refused || graceful)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    // That a server's own word is taken is shown on a real connection: nobody else can make such an error.
    #[test]
    fn what_no_server_said_is_not_tried_again() {
        assert!(!is_refused(&io::Error::other("reset")));
        assert!(!is_refused(&h2::Error::from(Reason::REFUSED_STREAM)));
    }
}
