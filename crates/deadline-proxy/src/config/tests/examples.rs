//! The files that are shown to users.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use toml::Table;

use super::*;
use crate::attempt::{End, Outcome};

/// The example of this name.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/config").join(name)
}

#[track_caller]
fn example(name: &str, variables: &[&str]) -> Settings {
    let text = fs::read_to_string(path(name)).unwrap();
    let env = |variable: &str| variables.contains(&variable).then(|| "of-the-environment".to_owned());
    parse(name, &text, &env).unwrap_or_else(|error| panic!("{error}"))
}

/// The keys of a schema that are in none of these tables.
fn unsaid(schema: &Value, tables: &[&toml::Value], path: &str, unsaid_keys: &mut Vec<String>) {
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        let said: Vec<_> = tables.iter().filter_map(|table| table.get(key)).collect();
        if said.is_empty() {
            unsaid_keys.push(path.clone());
        }
        let several = said.iter().flat_map(|said| said.as_array().into_iter().flatten()).collect::<Vec<_>>();
        let named =
            said.iter().flat_map(|said| said.as_table().into_iter().flat_map(Table::values)).collect::<Vec<_>>();
        unsaid(schema, &said, &path, unsaid_keys);
        unsaid(&schema["items"], &several, &path, unsaid_keys);
        unsaid(&schema["additionalProperties"], &named, &path, unsaid_keys);
    }
}

#[test]
fn the_reference_says_every_key_and_means_what_it_says() {
    let settings = example("reference.toml", &["ORDERS_TOKEN"]);
    assert_eq!((settings.listeners.len(), settings.proxy.upstreams.len(), settings.proxy.routes.len()), (2, 3, 2));
    let text = fs::read_to_string(path("reference.toml")).unwrap();
    let said = toml::Value::Table(text.parse().unwrap());
    let mut missing = Vec::new();
    unsaid(&schema(), &[&said], "", &mut missing);
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_reference_explains_each_key_on_the_lines_above_it() {
    let text = fs::read_to_string(path("reference.toml")).unwrap();
    let is_word = |line: &str| line.starts_with(|first: char| first.is_ascii_lowercase() || "[ ]".contains(first));
    let lines: Vec<_> = text.lines().collect();
    for (nth, line) in lines.iter().enumerate().filter(|(_, line)| is_word(line)) {
        let above = lines[..nth].iter().rev().find(|line| !is_word(line));
        assert!(above.is_some_and(|above| above.starts_with('#')), "{line}");
    }
}

#[test]
fn the_smallest_file_has_one_route() {
    let settings = example("minimal.toml", &[]);
    let [route] = settings.proxy.routes.as_slice() else { panic!("one route") };
    assert_eq!(route.policy.timeout(), Some(std::time::Duration::from_secs(3)));
}

#[test]
fn strangers_come_in_at_the_edge_and_nowhere_else() {
    let settings = example("edge.toml", &[]);
    let sides: Vec<_> = settings.listeners.iter().map(|listener| listener.side).collect();
    assert_eq!(sides, [crate::client::Side::Edge(crate::client::Strangers::Cap), crate::client::Side::Internal]);
    assert!(settings.listeners[0].tls.is_some() && !settings.proxy.forwarding.trust.is_empty());
}

#[test]
fn a_service_of_grpc_is_a_prefix_and_a_method_is_a_path() {
    let settings = example("grpc.toml", &[]);
    let paths: Vec<_> = settings.proxy.routes.iter().map(|route| route.matches.path.to_string()).collect();
    assert_eq!(paths, ["/helloworld.Greeter/…", "/helloworld.Greeter/SayHello"]);
    assert_eq!(settings.proxy.routes[1].attempts.retries, 2);
}

// R38
#[test]
fn the_mirrors_of_go_modules_are_a_chain_with_a_token_for_the_first_alone() {
    let settings = example("goproxy.toml", &["CORP_TOKEN"]);
    let (upstreams, routes) = (&settings.proxy.upstreams, &settings.proxy.routes);
    let chain = |nth: usize| {
        let chain = routes[nth].attempts.chain.iter();
        chain.map(|link| {
            (upstreams[link.upstream].name.as_str(), link.limit.map(|limit| limit.as_secs()), link.on.len())
        })
    };
    assert_eq!(chain(0).collect::<Vec<_>>(), [("corp", Some(5), 5), ("mirror", Some(20), 1), ("backup", Some(30), 0)]);
    assert_eq!(routes[0].attempts.chain[1].on, [Outcome::Any]);
    assert_eq!((routes[0].attempts.end, routes[2].attempts.end), (End::Answer, End::Off));
    assert_eq!(chain(1).collect::<Vec<_>>(), [("corp", None, 0)]);
    let fields = |name| upstreams.iter().find(|upstream| upstream.name == name).map(|upstream| upstream.fields.clone());
    let [(name, token)] = &fields("corp").unwrap()[..] else { panic!("one field") };
    assert_eq!(
        (name.as_str(), token.as_bytes(), token.is_sensitive()),
        ("authorization", b"Bearer of-the-environment".as_slice(), true)
    );
    assert!(fields("mirror").unwrap().is_empty());

    let text = fs::read_to_string(path("goproxy.toml")).unwrap();
    let told = parse("goproxy.toml", &text, &|_| None).unwrap_err().to_string();
    assert!(
        told.ends_with(
            "upstream.corp.headers.authorization: the variable CORP_TOKEN is not set; expected it in the environment"
        ),
        "{told}"
    );
}

#[test]
fn a_file_is_read_by_its_path_and_named_by_it() {
    assert!(read(&path("minimal.toml")).is_ok());
    let absent = read(&path("absent.toml")).unwrap_err();
    assert!(absent.to_string().contains("absent.toml: cannot be read: ") && absent.complaints().is_empty(), "{absent}");
    assert_eq!(
        (absent.file(), std::error::Error::source(&absent).is_some()),
        (path("absent.toml").to_str().unwrap(), true)
    );

    let folder = std::env::temp_dir().join(format!("deadline-proxy-config-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("latin1.toml");
    for (bytes, place) in
        [(b"hop = \"edge\"\n# caf\xe9\n".as_slice(), "2:6"), (b"\xff\xfe", "1:1"), (b"a\n\xff", "2:1")]
    {
        fs::write(&file, bytes).unwrap();
        let told = read(&file).unwrap_err().to_string();
        assert_eq!(told, format!("{}:{place}: is not UTF-8; expected text in UTF-8", file.display()));
    }
    fs::remove_dir_all(&folder).unwrap();
}
