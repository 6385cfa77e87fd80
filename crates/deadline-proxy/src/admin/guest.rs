//! Who is answered, of those who reach a listener that is on this machine alone.
//!
//! Covers pages in a browser on this machine. What runs in a page may read the answers of the host that the page came from,
//! and a name that somebody else owns can lead to this machine a second after it led to theirs (DNS rebinding). Such a
//! request says by which name it came. Does not look at anybody where the listener is for others too: by which names they
//! know it, nobody says.

use std::net::{IpAddr, Ipv6Addr};

use http::Request;
use http::header::HOST;
use http::uri::Authority;

/// Whether the request asks for this machine by an address of it, or by a name that nobody elsewhere can lead here: one
/// without a dot, as this machine's own are, or below `localhost` (RFC 6761 section 6.3). One that says no name, as a health
/// check may, comes from no browser.
pub(super) fn means_here<B>(request: &Request<B>) -> bool {
    let fields = request.headers().get_all(HOST).iter().filter(|field| !field.is_empty());
    let told = fields.map(|field| field.to_str().ok().and_then(|field| field.parse::<Authority>().ok()));
    let asked = request.uri().authority().cloned();
    told.chain(asked.map(Some))
        .all(|authority| authority.is_some_and(|authority| is_here(authority.host())))
}

fn is_here(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host.parse::<IpAddr>().is_ok() || !name.contains('.') || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_else_can_own_does_not_mean_this_machine() {
        for (host, here) in [
            ("127.0.0.1:9901", true),
            ("127.0.0.1", true),
            ("[::1]:9901", true),
            ("localhost:9901", true),
            ("Proxy.LOCALHOST.:9901", true),
            ("build-7", true),
            ("", true),
            ("evil.example:9901", false),
            ("evil.example.", false),
            ("127.0.0.1.evil.example", false),
            ("notlocalhost.example", false),
            ("evil.notlocalhost", false),
            ("127.1", false),
            ("me@evil.example", false),
            ("[evil.example]", false),
            ("a b", false),
            ("\u{ff}", false),
        ] {
            let request = Request::get("/config").header(HOST, host).body(()).unwrap();
            assert_eq!(means_here(&request), here, "{host}");
        }
    }

    #[test]
    fn each_way_to_say_a_name_counts() {
        let of = |uri: &str| Request::get(uri);
        assert!(means_here(&of("/").body(()).unwrap()));
        assert!(means_here(&of("http://127.0.0.1:9901/").body(()).unwrap()));
        assert!(!means_here(&of("http://evil.example/").body(()).unwrap()));
        assert!(!means_here(&of("http://127.0.0.1/").header(HOST, "evil.example").body(()).unwrap()));
        assert!(!means_here(&of("/").header(HOST, "127.0.0.1").header(HOST, "evil.example").body(()).unwrap()));
    }
}
