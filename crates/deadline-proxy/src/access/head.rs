//! What a line tells of the head of a request.

use std::net::SocketAddr;

use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::form::{Line, Value};
use crate::traces::TraceId;

/// What is kept of a head: none of it is copied before there is a line to write.
#[derive(Debug)]
pub(super) struct Head {
    client: Option<SocketAddr>,
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    version: Version,
    /// As it came; not looked at yet.
    traceparent: Option<HeaderValue>,
    /// Where it has a span.
    trace: Option<TraceId>,
}

/// W3C Trace Context.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

impl Head {
    /// Of a request of this client.
    pub(super) fn of<B>(request: &Request<B>, client: Option<SocketAddr>) -> Self {
        let (mut host, mut traceparent) = (None, None);
        for (name, value) in request.headers() {
            if *name == HOST {
                host.get_or_insert_with(|| value.clone());
            } else if *name == TRACEPARENT {
                traceparent.get_or_insert_with(|| value.clone());
            }
        }
        Self {
            client,
            method: request.method().clone(),
            uri: request.uri().clone(),
            host,
            version: request.version(),
            traceparent,
            trace: None,
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// The trace of its span, which may have begun here.
    pub(super) fn belongs_to(&mut self, trace: Option<TraceId>) {
        self.trace = trace;
    }

    pub(super) fn tell(&self, line: &mut Line) {
        line.extend(self.client.map(|client| ("client", Value::text(client))));
        line.push(("method", Value::text(&self.method)));
        line.extend(self.host().map(|host| ("host", Value::Text(host))));
        line.push(("path", Value::text(self.uri.path())));
        let version = match self.version {
            Version::HTTP_2 => "2",
            Version::HTTP_11 => "1.1",
            _ => "1.0",
        };
        line.push(("version", Value::text(version)));
        let trace = self.trace.map(|trace| trace.to_string());
        let trace = trace.or_else(|| self.trace().map(str::to_owned));
        line.extend(trace.map(|trace| ("trace", Value::Text(trace))));
    }

    /// `VERSION-TRACE-PARENT-FLAGS`, in lower case; a trace of zeros is none.
    fn trace(&self) -> Option<&str> {
        let mut parts = self.traceparent.as_ref()?.to_str().ok()?.split('-');
        let (_, trace) = (parts.next().filter(|version| version.len() == 2)?, parts.next()?);
        let is_hex = trace.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (trace.len() == 32 && is_hex && trace.bytes().any(|byte| byte != b'0')).then_some(trace)
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
    fn a_trace_is_told_where_it_is_one() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        for (field, told) in [
            (format!("00-{trace}-b7ad6b7169203331-01"), Some(trace)),
            (format!("00-{trace}"), Some(trace)),
            (format!("0-{trace}-b7ad6b7169203331-01"), None),
            (format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()), None),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), None),
            (format!("00-{trace}0-b7ad6b7169203331-01"), None),
            ("<script>".to_owned(), None),
            (String::new(), None),
        ] {
            let request = Request::get("/").header(&TRACEPARENT, &field).body(()).unwrap();
            assert_eq!(Head::of(&request, None).trace(), told, "{field}");
        }
    }

    #[test]
    fn neither_a_query_nor_a_password_is_told() {
        for uri in ["http://me:secret@shop.example/a?token=secret", "/a?token=secret"] {
            let request = Request::get(uri).header(HOST, "me:secret@shop.example").body(()).unwrap();
            let mut line = Line::new();
            Head::of(&request, None).tell(&mut line);
            let text = |key: &'static str, text: &str| (key, Value::text(text));
            let path =
                [text("method", "GET"), text("host", "shop.example"), text("path", "/a"), text("version", "1.1")];
            assert_eq!(line, path);
        }
    }
}
