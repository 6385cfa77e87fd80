//! What files mean, where that is more than one key.

use std::time::Duration;

use super::*;
use crate::access::{Output, What};
use crate::attempt::{End, Link, Outcome};
use crate::client::{Side, Strangers};
use crate::listen::Address;
use crate::route::{self, FieldMatch, Host};

const APP: &str = "[upstream.app]\ntargets = \"http://127.0.0.1:3000\"\n";
const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn good(text: &str) -> Settings {
    settings(text).unwrap_or_else(|told| panic!("{told}"))
}

/// One upstream of a chain: its name, its limit, what goes on.
type Named = (String, Option<Duration>, Vec<Outcome>);

/// The chain of the first route, with names, and its end.
fn chain(route: &str) -> (Vec<Named>, End) {
    let text = format!(
        "{APP}[upstream.b]\ntargets = \"http://b\"\n[upstream.c]\ntargets = \"http://c\"\n[[route]]\n{route}\n"
    );
    let rest = "[[route]]\nprefix = \"/rest\"\nchain = [{ upstream = \"app\", on = \"any\" }, { upstream = \"b\", on = \"any\" }, { upstream = \"c\" }]\n";
    let settings = good(&(text + rest));
    let name = |link: &Link| settings.proxy.upstreams[link.upstream].name.clone();
    let attempts = &settings.proxy.routes[0].attempts;
    (attempts.chain.iter().map(|link| (name(link), link.limit, link.on.clone())).collect(), attempts.end)
}

#[test]
fn what_a_file_does_not_say_is_as_the_command_line_has_it() {
    let settings = good(APP);
    assert_eq!(settings.listeners, [crate::listen::Settings::new(Address::Tcp(([127, 0, 0, 1], 8080).into()))]);
    assert_eq!((settings.admin.to_string(), settings.drain_limit), ("127.0.0.1:9901".to_owned(), 30 * SECOND));
    assert_eq!((settings.workers, settings.limits), (crate::worker::cores(), crate::limits::Settings::default()));
    assert_eq!((settings.access, settings.proxy.hop.as_str()), (crate::access::Settings::default(), "proxy"));
    assert_eq!(settings.expired, 50);
    assert_eq!(settings.proxy.forwarding, crate::forward::Settings::default());
    let [route] = settings.proxy.routes.as_slice() else { panic!("one route") };
    assert_eq!((route.name.as_str(), route.policy.timeout(), route.attempts.retries), ("default", None, 0));
    assert_eq!(good(&format!("listener = []\nroute = []\n{APP}")).listeners.len(), 1);
}

#[test]
fn limits_and_the_rest_of_the_process_are_as_they_are_written() {
    let settings = good(&format!(
        "workers = 3\ndrain_timeout = \"1m\"\nexpired = 0\n{APP}[limits]\nmin_body_rate = \"off\"\nmax_in_flight = 7\nmax_streams = 5\n\
         [access_log]\nrequests = \"sampled\"\nsample = 1\noutput = \"/var/log/a\"\n[retry_budget]\nratio = 0\nmin_per_second = 0\n\
         [forwarding]\ntrust = \"10.0.0.0/8,unix\"\nforwarded = \"both\"\nvia = \"v\"\nrequest_id = false\nrequest_start = true\n"
    ));
    assert_eq!((settings.workers.get(), settings.drain_limit, settings.expired), (3, 60 * SECOND, 0));
    assert_eq!((settings.limits.body_rate, settings.limits.in_flight, settings.limits.streams), (None, Some(7), 5));
    assert_eq!((settings.access.what, settings.access.output), (What::Sampled(1.0), Output::File("/var/log/a".into())));
    assert_eq!((settings.proxy.retry_budget.ratio, settings.proxy.retry_budget.min_per_second), (0.0, 0));
    let forwarding = settings.proxy.forwarding;
    assert!(forwarding.trust.contain(None) && forwarding.trust.contain(Some(([10, 1, 2, 3], 1).into())));
    assert_eq!((forwarding.via.as_deref(), forwarding.request_id, forwarding.request_start), (Some("v"), false, true));
}

#[cfg(feature = "otlp")]
#[test]
fn traces_go_to_a_collector_all_of_them_unless_it_is_said_otherwise() {
    use crate::traces::{Endpoint, Protocol, Settings};
    let traces =
        |keys: &str| good(&format!("{APP}[traces]\nendpoint = \"http://127.0.0.1:4317\"\n{keys}\n")).traces.unwrap();
    let endpoint: Endpoint = "http://127.0.0.1:4317".parse().unwrap();
    assert_eq!(good(APP).traces, None);
    assert_eq!(traces(""), Settings::new(endpoint.clone()));
    let service = "edge".to_owned();
    let told = Settings { endpoint, protocol: Protocol::Http, sample: 0.1, service };
    assert_eq!(traces("protocol = \"http\"\nsample = 0.1\nservice = \"edge\""), told);
}

#[test]
fn a_listener_has_a_side_and_what_strangers_may_say_there() {
    let side = |keys: &str| good(&format!("[[listener]]\naddress = \"[::]:80\"\n{keys}\n{APP}")).listeners[0].side;
    assert_eq!(side(""), Side::Internal);
    assert_eq!(side("side = \"edge\""), Side::Edge(Strangers::Cap));
    assert_eq!(side("side = \"edge\"\nstrangers = \"drop\""), Side::Edge(Strangers::Drop));
    let chosen = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    assert_eq!(good(&format!("{chosen}{chosen}{APP}")).listeners.len(), 2);
}

// R38
#[test]
fn a_comma_passes_on_what_is_not_there_and_a_bar_whatever_fails() {
    let gone = || vec!["404".parse().unwrap(), "410".parse().unwrap()];
    let (limit, named) = (Some(30 * SECOND), |name: &str| name.to_owned());
    let (links, end) = chain("upstream = \"app, b|c\"");
    assert_eq!(
        links,
        [(named("app"), limit, gone()), (named("b"), limit, vec![Outcome::Any]), (named("c"), limit, vec![])]
    );
    assert_eq!(end, End::Answer);
    assert_eq!(chain("upstream = \"app,off\""), (vec![(named("app"), None, gone())], End::Off));
    assert_eq!(
        chain("upstream = \"app\"\ntry_timeout = \"2s\""),
        (vec![(named("app"), Some(2 * SECOND), vec![])], End::Answer)
    );
}

// R38
#[test]
fn a_chain_in_full_says_each_edge_and_each_limit() {
    let (links, end) = chain(
        "try_timeout = \"9s\"\nchain = [{ upstream = \"b\", on = [\"5xx\", \"connect\"], timeout = \"1s\" }, \
         { upstream = \"app\", on = \"timeout\" }, { upstream = \"off\" }]",
    );
    let on = |words: &[&str]| words.iter().map(|word| word.parse().unwrap()).collect::<Vec<Outcome>>();
    let expected = [
        ("b".to_owned(), Some(SECOND), on(&["5xx", "connect"])),
        ("app".to_owned(), Some(9 * SECOND), on(&["timeout"])),
    ];
    assert_eq!((links.as_slice(), end), (expected.as_slice(), End::Off));
}

#[test]
fn direct_is_an_upstream_for_each_host_that_a_route_names() {
    let settings = good(&format!(
        "{APP}[[route]]\nname = \"out\"\nhost = [\"a.example\", \"B.example\"]\nupstream = \"app|direct\"\n\
         [[route]]\nhost = \"a.example\"\nprefix = \"/x\"\nupstream = \"direct\"\n"
    ));
    let names: Vec<_> = settings.proxy.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    assert_eq!(names, ["app", "direct (a.example)", "direct (b.example)"]);
    assert_eq!(settings.proxy.upstreams[2].targets[0].to_string(), "https://b.example");
    let routes: Vec<_> = settings
        .proxy
        .routes
        .iter()
        .map(|route| (route.name.as_str(), route.named, route.matches.hosts.clone()))
        .collect();
    let out = |host: &str| ("out", route::Named::Given, vec![Host::Exact(host.to_owned())]);
    let second = ("route 2", route::Named::ByPlace, vec![Host::Exact("a.example".to_owned())]);
    assert_eq!(routes, [out("a.example"), out("b.example"), second]);
    let places: Vec<Vec<_>> = settings
        .proxy
        .routes
        .iter()
        .map(|route| route.attempts.chain.iter().map(|link| link.upstream).collect())
        .collect();
    assert_eq!(places, [vec![0, 1], vec![0, 2], vec![1]]);
}

#[test]
fn a_target_by_host_has_the_settings_of_its_table() {
    let settings = good(
        "[upstream.direct]\ntargets = [\"http://{host}:8080\", \"http://spare:80\"]\nconnections = 3\n\
         [[route]]\nhost = \"[::1]\"\nupstream = \"direct\"\n",
    );
    let [upstream] = settings.proxy.upstreams.as_slice() else { panic!("one upstream") };
    let targets: Vec<_> = upstream.targets.iter().map(ToString::to_string).collect();
    assert_eq!((targets, upstream.connections), (vec!["http://[::1]:8080".to_owned(), "http://spare".to_owned()], 3));
    assert_eq!(
        good("[upstream.direct]\ntargets = \"http://a\"\n[[route]]\nupstream = \"direct\"").proxy.upstreams[0].name,
        "direct"
    );
}

#[test]
fn a_secret_is_taken_from_the_environment_into_values_of_fields_and_not_shown() {
    let env = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    let text = format!(
        "{APP}headers = {{ authorization = \"Bearer ${{TOKEN}}.${{TOKEN}}\", x-plain = \"$${{TOKEN}} $5\" }}\n\
         [[route]]\nname = \"${{TOKEN}}\"\nupstream = \"app\"\nheaders = {{ x-key = \"${{TOKEN}}\", x-is = true, x-is-not = false, x-plain = \"a\" }}\n"
    );
    let settings = parse("f", &text, &env).unwrap();
    let fields = &settings.proxy.upstreams[0].fields;
    assert_eq!(
        (fields[0].1.as_bytes(), fields[1].1.as_bytes()),
        (b"Bearer s3cret.s3cret".as_slice(), b"${TOKEN} $5".as_slice())
    );
    assert!(fields.iter().all(|(_, value)| value.is_sensitive()));
    let wanted = &settings.proxy.routes[0].matches.fields;
    let is = |name: &str| wanted.iter().find(|(field, _)| field == name).map(|(_, field)| field.clone());
    assert!(matches!(is("x-key"), Some(FieldMatch::Is(value)) if value == "s3cret" && value.is_sensitive()));
    assert!(matches!(is("x-plain"), Some(FieldMatch::Is(value)) if !value.is_sensitive()));
    assert_eq!((is("x-is"), is("x-is-not")), (Some(FieldMatch::Present), Some(FieldMatch::Absent)));
    assert_eq!(settings.proxy.routes[0].name, "${TOKEN}");
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn a_route_that_is_taken_in_part_is_left_alone() {
    let two = |first: &str, second: &str| {
        settings(&format!("{APP}[[route]]\nupstream = \"app\"\n{first}\n[[route]]\nupstream = \"app\"\n{second}\n"))
    };
    for (first, second) in [
        ("host = \"a\"", "host = [\"a\", \"b\"]"),
        ("method = \"GET\"", ""),
        ("path = \"/a\"", "prefix = \"/a\""),
        ("path = \"/a\"", "path = \"/a/\""),
        ("path = \"/{a}\"", "path = \"/a\""),
        ("headers = { x = \"a\" }", "headers = { x = true }"),
        ("host = \"a\"", "host = \"*.a\""),
    ] {
        assert!(two(first, second).is_ok(), "{first} and {second}: {:?}", two(first, second).err());
    }
    for (first, second) in [
        ("host = [\"a\", \"b\"]", "host = \"B\""),
        ("", "prefix = \"/\""),
        ("headers = { x = \"a\", y = true }", "headers = { Y = true, X = \"a\" }"),
    ] {
        assert!(
            two(first, second).is_err_and(|told| told.contains("route[2]: no request can take it")),
            "{first} and {second}"
        );
    }
}

#[test]
fn what_policies_say_of_retries_holds_for_their_routes() {
    let settings = good(&format!(
        "{APP}[policy.default]\ntimeout = \"3s\"\nretries = 3\nbackoff = \"40ms\"\n[policy.once]\nstatus = 503\n\
         [[route]]\nupstream = \"app\"\nreplay = 0\n[[route]]\nprefix = \"/once\"\npolicy = \"once\"\nupstream = \"app\"\n"
    ));
    let [often, once] = settings.proxy.routes.as_slice() else { panic!("two routes") };
    assert_eq!(
        (often.attempts.retries, often.attempts.backoff, often.attempts.replay),
        (3, Duration::from_millis(40), 0)
    );
    assert_eq!((once.attempts.retries, once.policy.status_code().as_u16(), once.policy.timeout()), (0, 503, None));
    assert_eq!((often.policy.name().as_str(), once.policy.name().as_str()), ("default", "once"));
}
