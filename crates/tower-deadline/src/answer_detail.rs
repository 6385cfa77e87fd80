//! What an answer of the layers says, for those further out.

use std::fmt;
use std::sync::Arc;

/// What an answer that a layer has made tells the client, in its extensions: for logs, which do not read bodies. An answer
/// without it is somebody else's.
///
/// ```
/// use http::StatusCode;
/// use tower_deadline::dialect::Call;
/// use tower_deadline::{AnswerDetail, Answers};
///
/// let answer = Answers::new().failure(StatusCode::NOT_FOUND, "no such order", Call::Http);
/// let detail = answer.extensions().get::<AnswerDetail>().map(ToString::to_string);
/// assert_eq!(detail.as_deref(), Some("no such order"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerDetail(Arc<str>);

impl AnswerDetail {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AnswerDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
