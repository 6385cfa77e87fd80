use super::*;

/// The settings of a text without anything from the environment.
fn settings(text: &str) -> Result<Settings, String> {
    parse("proxy.toml", text, &|_| None).map_err(|error| error.to_string())
}

#[test]
fn one_upstream_takes_everything_where_no_route_says_otherwise() {
    let settings = settings("[upstream.orders]\ntargets = \"http://10.0.0.7:3000\"").unwrap();
    let [route] = settings.proxy.routes.as_slice() else { panic!("one route") };
    assert_eq!((route.name.as_str(), route.attempts.chain[0].upstream), ("default", 0));
    assert_eq!(settings.proxy.upstreams[0].name, "orders");
}
