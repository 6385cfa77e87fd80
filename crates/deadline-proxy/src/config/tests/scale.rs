//! How long a large file takes. What prints it is to be run by hand:
//!
//! ```text
//! cargo test --release -p deadline-proxy --lib config::tests::scale -- --ignored --nocapture
//! ```

use std::fmt::Write;

use tower_deadline::now;

use super::*;
use crate::limits::Limits;
use crate::proxy::Proxy;

/// So many routes, each by a host, a path and a method, with policies and upstreams that many share.
fn large(routes: usize) -> String {
    let mut text = String::from("[policy.default]\ntimeout = \"3s\"\n");
    for nth in 0..100 {
        writeln!(text, "[policy.p{nth}]\ntimeout = \"3s\"\nmax = \"30s\"\nretries = 1").unwrap();
        writeln!(text, "[upstream.u{nth}]\ntargets = [\"http://10.0.0.{nth}:3000\", \"http://10.0.1.{nth}:3000\"]")
            .unwrap();
    }
    for nth in 0..routes {
        let (host, shared) = (nth % 1_000, nth % 100);
        writeln!(
            text,
            "[[route]]\nname = \"r{nth}\"\nhost = \"h{host}.example\"\nprefix = \"/api/{nth}\"\nmethod = [\"GET\", \"POST\"]\n\
             policy = \"p{shared}\"\nupstream = \"u{shared},u{}\"",
            (shared + 1) % 100
        )
        .unwrap();
    }
    text
}

#[test]
#[ignore = "prints how long it takes"]
fn ten_thousand_routes_are_read_and_built() {
    for routes in [1_000, 10_000, 100_000] {
        let (text, begun) = (large(routes), now());
        let settings = settings(&text).unwrap();
        let (read, begun) = (now() - begun, now());
        let proxy = Proxy::new(&settings.proxy, &Limits::new(settings.limits.clone()).unwrap());
        assert!(proxy.is_ok() && settings.proxy.routes.len() == routes);
        println!("{routes} routes, {} bytes: read in {read:?}, built in {:?}", text.len(), now() - begun);
    }
}

#[test]
fn a_text_that_is_no_toml_takes_no_longer_than_its_length() {
    let (text, begun) = ("this is a line of some log: hello\n".repeat(30_000), now());
    assert_eq!(parse("f", &text, &|_| None).unwrap_err().complaints().len(), 30_000);
    // A minute and more, where each line is looked for from the first one on.
    assert!(now() - begun < std::time::Duration::from_secs(20), "{:?}", now() - begun);
}

#[test]
fn a_file_without_an_end_is_not_read_to_it() {
    let told = read(Path::new("/dev/zero")).unwrap_err().to_string();
    assert_eq!(told, "/dev/zero: cannot be read: it is larger than 64 MiB; expected a configuration");
}

#[test]
#[ignore = "prints how long it takes"]
fn ten_thousand_complaints_are_told() {
    for routes in [1_000, 10_000, 100_000] {
        let text = large(routes)
            .replace("method = [\"GET\"", "methods = [\"GET\"")
            .replace("policy = \"p", "policy = \"q");
        let begun = now();
        let error = parse("f", &text, &|_| None).unwrap_err();
        assert_eq!(error.complaints().len(), 2 * routes);
        println!("{routes} routes with {} complaints: told in {:?}", 2 * routes, now() - begun);
    }
}
