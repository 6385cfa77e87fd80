//! How many fields a head over HTTP/2 may have.
//!
//! hyper counts the fields of HTTP/1.1 itself, and of HTTP/2 only their bytes: 64 KiB are two thousand small fields,
//! each of which every later hop looks at. Answers 431. Does not count trailers.

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use tower_deadline::Answers;
use tower_deadline::dialect::Call;

use crate::count::{self, Refusal};

/// Refuses heads of too many fields. See the module.
#[derive(Clone, Debug)]
pub struct HeadCount {
    most: usize,
    answers: Answers,
}

impl HeadCount {
    /// Lets in heads of at most this many fields.
    #[must_use]
    pub fn new(most: usize, answers: Answers) -> Self {
        Self { most, answers }
    }

    /// The answer to a request of too many fields.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), Box<Response<Bytes>>> {
        let Self { most, answers } = self;
        if request.version() != Version::HTTP_2 || request.headers().len() <= *most {
            return Ok(());
        }
        count::refused(Refusal::HeadCount);
        let (status, call) = (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Call::of(request.headers()));
        Err(Box::new(answers.failure(status, &format!("more than {most} fields"), call)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(version: Version, fields: usize) -> u16 {
        let mut request = Request::get("/").version(version).body(()).unwrap();
        for _ in 0..fields {
            request.headers_mut().append("a", "1".parse().unwrap());
        }
        HeadCount::new(3, Answers::new())
            .check(&request)
            .map_or_else(|answer| answer.status().as_u16(), |()| 200)
    }

    #[test]
    fn one_field_too_many_is_a_431_also_where_they_share_a_name() {
        assert_eq!(status(Version::HTTP_2, 3), 200);
        assert_eq!(status(Version::HTTP_2, 4), 431);
        assert_eq!(status(Version::HTTP_11, 4), 200, "hyper has counted them");
    }
}
