//! Which of several routes is taken.

use super::super::{Miss, Table, Unclear};
use super::{request, routes};

/// The route that a request takes, as it is written.
fn taken<'a>(texts: &[&'a str], asked: &str) -> &'a str {
    Table::new(&routes(texts)).find(&request(asked)).map_or("none", |route| texts[route])
}

/// All of them match: the first is taken, in whatever order they are written.
#[test]
fn the_most_specific_is_taken_whatever_the_order() {
    for (asked, best, other) in [
        ("GET http://a.b.example/x", "@a.b.example", "@*.b.example /x"),
        ("GET http://a.b.example/x", "@*.b.example", "@*.example /x"),
        ("GET http://a.b.example/x", "@*.example", "/x"),
        ("GET http://a.b.example/x", "@c.example,a.b.example /*", "@*.b.example,*.example /x"),
        ("GET http://a/x/y", "/x/y", "/x/{id}"),
        ("GET http://a/x/y", "/x/{id}", "/{a}/y"),
        ("GET http://a/x/y", "/x/y", "/x/y/*"),
        ("GET http://a/x/y", "/x/y/*", "/x/{id}"),
        ("GET http://a/x/y", "/x/y/*", "/x/*"),
        ("GET http://a/x/y", "/x/*", "/*"),
        ("GET http://a/x/y", "/x/*", "/{a}/y"),
        ("GET http://a/x/y", "/{a}/y", "/{a}/*"),
        ("GET http://a/x/y/z", "/x/y/*", "/x/{id}/z"),
        ("GET http://a/x", "/x", "GET,POST x-a=1"),
        ("GET http://a/x x-a=1", "GET", "x-a=1"),
        ("GET http://a/x x-a=1 x-b=1", "GET x-a=1", "GET"),
        ("GET http://a/x x-a=1 x-b=1", "x-a x-b=1 !x-c", "x-a=1 x-b=1"),
    ] {
        let asked = if asked.contains(" x-") { asked.to_owned() } else { format!("{asked} x-a=1") };
        assert_eq!(taken(&[best, other], &asked), best, "{other}");
        assert_eq!(taken(&[other, best], &asked), best, "{other}");
    }
}

#[test]
fn of_those_that_say_as_much_the_first_is_taken() {
    for (one, other) in [("x-a=1", "x-a"), ("/{a}", "/{b}"), ("GET", "GET,POST"), ("!x-b", "x-a")] {
        assert_eq!(taken(&[one, other], "GET http://a/x x-a=1"), one);
        assert_eq!(taken(&[other, one], "GET http://a/x x-a=1"), other);
    }
}

#[test]
fn a_less_specific_route_takes_what_a_more_specific_one_does_not() {
    let texts = [
        "@a.b.example /x/y POST",
        "@a.b.example /x/{id} x-a=1",
        "@a.b.example /x/*  DELETE",
        "@*.b.example /x/y PUT",
        "@*.example x-b",
        "/*",
    ]
    .map(|text| text.replace("  ", " "));
    let texts = texts.each_ref().map(String::as_str);
    for (asked, expected) in [
        ("POST http://a.b.example/x/y", 0),
        ("GET http://a.b.example/x/y x-a=1", 1),
        ("DELETE http://a.b.example/x/y x-a=2", 2),
        ("PUT http://a.b.example/x/y", 3),
        ("GET http://a.b.example/x/y x-b=1", 4),
        ("GET http://a.b.example/x/y", 5),
    ] {
        assert_eq!(taken(&texts, asked), texts[expected], "{asked}");
    }
}

#[test]
fn all_conditions_hold_at_once() {
    let text = "@shop.example,*.shop.example /orders/{id} GET,HEAD x-a=1 x-b !x-c";
    for (asked, is_taken) in [
        ("GET http://shop.example/orders/7 x-a=1 x-b=", true),
        ("HEAD http://eu.SHOP.example.:8443/orders/7?a=b x-a=2 x-a=1 x-b=2", true),
        ("GET http://shop.example/orders/%37%2f8 x-a=1 x-b=2", true),
        ("POST http://shop.example/orders/7 x-a=1 x-b=2", false),
        ("GET http://myshop.example/orders/7 x-a=1 x-b=2", false),
        ("GET http://shop.example/orders/ x-a=1 x-b=2", false),
        ("GET http://shop.example/orders/7/ x-a=1 x-b=2", false),
        ("GET http://shop.example/Orders/7 x-a=1 x-b=2", false),
        ("GET http://shop.example/orders/7 x-a=2 x-b=2", false),
        ("GET http://shop.example/orders/7 x-a=1", false),
        ("GET http://shop.example/orders/7 x-a=1 x-b=2 x-c=", false),
    ] {
        assert_eq!(taken(&[text], asked), if is_taken { text } else { "none" }, "{asked}");
    }
}

#[test]
fn a_prefix_ends_between_two_segments() {
    for (asked, is_taken) in [
        ("/orders", true),
        ("/orders/", true),
        ("/orders/7", true),
        ("/orders//7", true),
        ("/%6frders/7", true),
        ("/orders-old", false),
        ("/orders%2f7", false),
        ("//orders", false),
        ("/", false),
    ] {
        let expected = if is_taken { "/orders/*" } else { "none" };
        assert_eq!(taken(&["/orders/*"], &format!("GET http://a{asked}")), expected, "{asked}");
    }
}

#[test]
fn a_request_without_a_path_takes_a_route_that_names_none() {
    for asked in ["OPTIONS *", "CONNECT db.example:5432"] {
        assert_eq!(taken(&["/", "/{any}", "x-a", "/*"], asked), "/*", "{asked}");
        assert_eq!(taken(&["/", "/{any}", "/a/*"], asked), "none", "{asked}");
    }
    assert_eq!(taken(&["@db.example", "/*"], "CONNECT db.example:5432"), "@db.example");
    // RFC 8441: this one has a path.
    assert_eq!(taken(&["/chat/*", "/*"], "CONNECT https://shop.example/chat/7"), "/chat/*");
}

#[test]
fn an_unclear_path_is_refused_wherever_paths_matter() {
    let found = |texts: &[&str], asked: &str| Table::new(&routes(texts)).find(&request(asked));
    let (dots, unclear) = ("GET http://a/x/%2e%2e/y", Err(Miss::Path(Unclear::Dots)));
    assert_eq!(found(&["/x/*"], dots), unclear);
    assert_eq!(found(&["@a", "@b"], dots), unclear);
    assert_eq!(found(&["@a GET"], dots), Ok(0));
    assert_eq!(found(&["/*"], "GET http://a/%zz"), Ok(0));
    let mut rewritten = routes(&["/*"]);
    rewritten[0].rewrite = Some(super::super::Rewrite { prefix: "/v2".to_owned(), original: None });
    assert_eq!(Table::new(&rewritten).find(&request(dots)), unclear);
}
