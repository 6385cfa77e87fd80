//! Which request to explain.

use std::net::IpAddr;

use clap::Args;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};

use super::RunArgs;
use super::run::REQUEST;
use crate::dry_run::Ask;
use crate::listen::Address;

/// A request, and the proxy that it would come to.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The method of the request, such as GET.
    #[arg(value_name = "METHOD", value_parser = method)]
    pub method: Method,

    /// The path of the request, with its query: /orders/7?x=1.
    #[arg(value_name = "PATH", value_parser = path)]
    pub path: PathAndQuery,

    /// A field of the request. Can be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field, help_heading = REQUEST)]
    pub fields: Vec<(HeaderName, HeaderValue)>,

    /// The host that the request is addressed to. [default: localhost]
    #[arg(long, value_name = "HOST", value_parser = host, help_heading = REQUEST)]
    pub host: Option<HeaderValue>,

    /// The address of the client. [default: 127.0.0.1]
    #[arg(long, value_name = "IP", value_parser = ip, help_heading = REQUEST)]
    pub from: Option<IpAddr>,

    /// The listener by which the request comes in, as --listen or the file writes it. [default: the first]
    #[arg(long, value_name = "ADDR", help_heading = REQUEST)]
    pub listener: Option<Address>,

    /// How many bytes the body of the request has. [default: none]
    #[arg(long, value_name = "N", help_heading = REQUEST)]
    pub body_bytes: Option<u64>,

    /// The request comes by HTTP/2, and not by HTTP/1.1.
    #[arg(long, help_heading = REQUEST)]
    pub http2: bool,

    /// The proxy that it would come to.
    #[command(flatten)]
    pub proxy: RunArgs,
}

impl ExplainArgs {
    /// The request.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask {
            host: self.host.clone(),
            fields: self.fields.clone(),
            from: self.from,
            listener: self.listener.clone(),
            body: self.body_bytes,
            http2: self.http2,
            ..Ask::new(self.method.clone(), self.path.clone())
        }
    }
}

fn method(text: &str) -> Result<Method, String> {
    text.parse().map_err(|_| "a method such as GET or POST is expected".to_owned())
}

fn path(text: &str) -> Result<PathAndQuery, String> {
    let path = text.parse().ok().filter(|_| text.starts_with('/') && !text.contains('#'));
    path.ok_or_else(|| "a path such as /orders/7?x=1 is expected".to_owned())
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = text
        .split_once(':')
        .and_then(|(name, value)| Some((name.parse().ok()?, value.trim().parse().ok()?)));
    parsed.ok_or_else(|| "a field such as 'accept: text/html' is expected".to_owned())
}

fn host(text: &str) -> Result<HeaderValue, String> {
    let host = text.parse().ok().filter(|_| text.parse::<http::uri::Authority>().is_ok() && !text.contains('@'));
    host.ok_or_else(|| "a host such as shop.example or shop.example:8080 is expected".to_owned())
}

fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "an address such as 192.0.2.1 or 2001:db8::1 is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Verb};
    use clap::Parser;

    fn parsed(words: &[&str]) -> Result<Ask, String> {
        let words = ["deadline-proxy", "explain", "--upstream", "http://a"].iter().chain(words);
        match Cli::try_parse_from(words).map_err(|error| error.to_string())?.verb {
            Verb::Explain(args) => Ok(args.ask()),
            _ => Err("another verb".to_owned()),
        }
    }

    #[test]
    fn a_request_is_what_was_written() {
        let plain = parsed(&["GET", "/"]).unwrap();
        assert_eq!(format!("{plain:?}"), format!("{:?}", Ask::new(Method::GET, PathAndQuery::from_static("/"))));
        let words = "POST /a?b=c -H x-a:1 --header x-a:2 --host shop.example:81 --from 2001:db8::1 --listener fd:web \
                     --body-bytes 7 --http2 --timeout 3s";
        let full = parsed(&words.split_whitespace().collect::<Vec<_>>()).unwrap();
        assert_eq!((full.method.as_str(), full.path.as_str()), ("POST", "/a?b=c"));
        let fields: Vec<_> = full.fields.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(fields, [("x-a", "1"), ("x-a", "2")]);
        assert_eq!(full.host.unwrap(), "shop.example:81");
        assert_eq!((full.from, full.listener), ("2001:db8::1".parse().ok(), "fd:web".parse().ok()));
        assert_eq!((full.body, full.http2), (Some(7), true));
        let spaced = parsed(&["GET", "/", "-H", "Accept:  text/html "]).unwrap();
        assert_eq!(spaced.fields[0].1, "text/html");
    }

    #[test]
    fn what_is_no_request_is_told_with_what_is_expected() {
        for (words, argument, expected) in [
            (&["G T", "/"][..], "'<METHOD>'", "a method such as GET or POST is expected"),
            (&["GET", "orders"], "'<PATH>'", "a path such as /orders/7?x=1 is expected"),
            (&["GET", "http://a/"], "'<PATH>'", "a path such as /orders/7?x=1 is expected"),
            (&["GET", "/a#b"], "'<PATH>'", "a path such as /orders/7?x=1 is expected"),
            (
                &["GET", "/", "-H", "accept"],
                "'--header <NAME: VALUE>'",
                "a field such as 'accept: text/html' is expected",
            ),
            (
                &["GET", "/", "-H", "a b: c"],
                "'--header <NAME: VALUE>'",
                "a field such as 'accept: text/html' is expected",
            ),
            (&["GET", "/", "-H", "a: b\nc: d"], "'--header <NAME: VALUE>'", "a field such as"),
            (&["GET", "/", "--host", "a/b"], "'--host <HOST>'", "a host such as shop.example or shop.example:8080 is"),
            (&["GET", "/", "--host", "u@a"], "'--host <HOST>'", "a host such as shop.example or shop.example:8080 is"),
            (&["GET", "/", "--from", "a"], "'--from <IP>'", "an address such as 192.0.2.1 or 2001:db8::1 is expected"),
            (&["GET", "/", "--listener", "8080"], "'--listener <ADDR>'", "IP:PORT, unix:/PATH, fd:NAME or fd:INDEX"),
            (&["GET", "/", "--body-bytes", "many"], "'--body-bytes <N>'", "invalid digit"),
            (&["GET"], "<PATH>", "were not provided"),
        ] {
            let error = parsed(words).unwrap_err();
            assert!(error.contains(argument) && error.contains(expected), "{words:?}: {error}");
        }
    }
}
