//! What a line tells of the head of a request.

use http::header::HOST;
use http::{HeaderValue, Method, Request, Uri, Version};

use super::form::{Line, Value};
use crate::client::Client;

/// What is kept of a head: none of it is copied before there is a line to write.
#[derive(Debug)]
pub(super) struct Head {
    client: Option<Client>,
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    version: Version,
}

impl Head {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self {
            client: request.extensions().get().copied(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            host: request.headers().get(HOST).cloned(),
            version: request.version(),
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn tell(&self, line: &mut Line) {
        let client = self.client.and_then(|client| client.address);
        line.extend(client.map(|client| ("client", Value::text(client))));
        line.push(("method", Value::text(&self.method)));
        line.extend(self.host().map(|host| ("host", Value::Text(host))));
        line.push(("path", Value::text(self.uri.path())));
        let version = match self.version {
            Version::HTTP_2 => "2",
            Version::HTTP_11 => "1.1",
            _ => "1.0",
        };
        line.push(("version", Value::text(version)));
    }

    fn host(&self) -> Option<String> {
        let named = self.uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = String::from_utf8_lossy(named.or(self.host.as_ref().map(HeaderValue::as_bytes))?);
        // What may stand before it are a name and a password.
        host.rsplit('@').next().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_query_nor_a_password_is_told() {
        for uri in ["http://me:secret@shop.example/a?token=secret", "/a?token=secret"] {
            let request = Request::get(uri).header(HOST, "me:secret@shop.example").body(()).unwrap();
            let mut line = Line::new();
            Head::of(&request).tell(&mut line);
            let text = |key: &'static str, text: &str| (key, Value::text(text));
            let path =
                [text("method", "GET"), text("host", "shop.example"), text("path", "/a"), text("version", "1.1")];
            assert_eq!(line, path);
        }
    }
}
