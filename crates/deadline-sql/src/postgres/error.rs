//! What the errors of tokio-postgres mean.

use tokio_postgres::Error;

use crate::{DriverError, Verdict};

impl DriverError for Error {
    fn verdict(&self) -> Verdict {
        match self.code() {
            Some(code) => Verdict::of_sqlstate(code.code()),
            None if self.is_closed() || is_io(self) => Verdict::Closed,
            None => Verdict::Other,
        }
    }

    fn sqlstate(&self) -> Option<&str> {
        self.code().map(|code| code.code())
    }
}

fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}
