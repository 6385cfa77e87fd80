//! Chains of upstreams (R38): what passes on, within which time, and who is told as whose answer it is.

use std::time::Duration;

use crate::support::{
    Act, Asked, Ended, Http1Client, MS, Mirror, Place, Proxy, Then, Told, Upstream, assert_due, curl,
};

const WHOLE: Duration = Duration::from_secs(5);

/// Does by the last part of the path what the path says: `/a/404/b/200` is a 404 of `a`, and a 200 of `b`.
fn mirror(name: &'static str) -> Mirror {
    Mirror::start(move |visit, _| {
        let mut parts = visit.head.path().split('/').skip_while(|part| *part != name).skip(1);
        match parts.next().expect("the path says what everybody does") {
            "close" => Act::now(Then::Close),
            "stall" => Act::now(Then::Stall),
            status => Act::answer(status.parse().expect("a status is a number"), "x-mirror: yes\r\n", name),
        }
    })
}

async fn ask(proxy: &Proxy, start: &str) -> Told {
    let asked = Asked { start: start.to_owned(), ..Asked::get("/", WHOLE) };
    asked.put(&mut Http1Client::connect(proxy.address).await).await
}

async fn two(chain: &str) -> (Mirror, Mirror, Proxy) {
    let (a, b) = (mirror("a"), mirror("b"));
    let proxy = Proxy::of(&[("a", a.address), ("b", b.address)], &format!("[[route]]\n{chain}\n")).await;
    (a, b, proxy)
}

#[tokio::test]
async fn a_comma_passes_on_what_is_not_there_and_a_bar_every_failure() {
    let cases = [
        (r#"upstream = "a,b""#, "200", "a"),
        (r#"upstream = "a,b""#, "302", "a"),
        (r#"upstream = "a,b""#, "404", "b"),
        (r#"upstream = "a,b""#, "410", "b"),
        (r#"upstream = "a,b""#, "403", "a"),
        (r#"upstream = "a,b""#, "500", "a"),
        (r#"upstream = "a,b""#, "503", "a"),
        (r#"upstream = "a|b""#, "302", "a"),
        (r#"upstream = "a|b""#, "404", "b"),
        (r#"upstream = "a|b""#, "403", "b"),
        (r#"upstream = "a|b""#, "500", "b"),
        (r#"upstream = "a|b""#, "close", "b"),
        (r#"chain = [{ upstream = "a", on = ["5xx"] }, { upstream = "b" }]"#, "500", "b"),
        (r#"chain = [{ upstream = "a", on = ["5xx"] }, { upstream = "b" }]"#, "404", "a"),
        (r#"chain = [{ upstream = "a", on = ["broken"] }, { upstream = "b" }]"#, "close", "b"),
    ];
    for (chain, outcome, answers) in cases {
        let (a, b, proxy) = two(chain).await;
        let told = ask(&proxy, &format!("GET /a/{outcome}/b/200")).await;
        let case = format!("{chain} {outcome}: {told:?}");
        assert_eq!(told.upstream(), Some(answers), "{case}");
        assert_eq!((told.text.as_str(), a.visits().len()), (answers, 1), "{case}");
        assert_eq!(told.status(), if answers == "b" { 200 } else { outcome.parse().unwrap() }, "{case}");
        assert_eq!(b.visits().len(), usize::from(answers == "b"), "{case}");
        let outcome = if outcome == "close" { "broken" } else { outcome };
        let passed = if answers == "b" { format!("; details=\"a {outcome}\"") } else { String::new() };
        let expected = format!("proxy; next-hop=\"{answers}\"{passed}");
        assert_eq!(told.field("proxy-status"), Some(expected.as_str()), "{case}");
    }
}

#[tokio::test]
async fn whoever_is_not_there_is_passed_over_where_the_chain_says_so() {
    let (gone, b) = (Place::take(), mirror("b"));
    for (chain, status) in [("a|b", 200), ("a,b", 502)] {
        let rest = format!("[[route]]\nupstream = \"{chain}\"\n");
        let proxy = Proxy::of(&[("a", gone.address), ("b", b.address)], &rest).await;
        let told = ask(&proxy, "GET /b/200").await;
        assert_eq!(told.status(), status, "{chain}: {told:?}");
        assert!(told.field("proxy-status").is_some_and(|field| field.contains("\"a connect\"")), "{told:?}");
    }
    // Nothing was sent: that is passed on of any method.
    let proxy = Proxy::of(&[("a", gone.address), ("b", b.address)], "[[route]]\nupstream = \"a|b\"\n").await;
    assert_eq!(ask(&proxy, "POST /b/200").await.status(), 200);
}

#[tokio::test]
async fn what_may_have_been_done_is_not_passed_on() {
    for outcome in ["500", "404", "close"] {
        let (a, b, proxy) = two("upstream = \"a|b\"").await;
        let told = ask(&proxy, &format!("POST /a/{outcome}/b/200")).await;
        assert_eq!(told.status(), outcome.parse().unwrap_or(502), "{told:?}");
        assert_eq!((a.visits().len(), b.visits().len()), (1, 0), "{outcome}");
    }
}

#[tokio::test]
async fn off_ends_a_chain_with_an_error_that_names_what_each_gave() {
    let (_a, _b, proxy) = two("upstream = \"a,b,off\"").await;
    let told = ask(&proxy, "GET /a/404/b/410").await;
    assert_eq!((told.status(), told.upstream()), (502, None));
    assert_eq!(told.field("content-type"), Some("application/problem+json"));
    assert!(told.text.contains("every upstream of the chain passed it on: a 404, b 410"), "{}", told.text);
    assert_eq!(told.field("proxy-status"), Some("proxy; details=\"a 404, b 410\""));
    // What does not pass on is an answer, the last one's too.
    for (path, answers) in [("/a/404/b/500", ("b", 500)), ("/a/500/b/200", ("a", 500)), ("/a/410/b/200", ("b", 200))] {
        let told = ask(&proxy, &format!("GET {path}")).await;
        assert_eq!((told.text.as_str(), told.status()), answers, "{path}");
    }
}

#[tokio::test]
async fn a_try_has_its_own_limit_within_what_is_left() {
    let (a, b, proxy) = two("upstream = \"a|b\"\ntry_timeout = \"300ms\"").await;
    let told = ask(&proxy, "GET /a/stall/b/200").await;
    assert_eq!((told.status(), told.text.as_str()), (200, "b"));
    assert_eq!(told.field("proxy-status"), Some("proxy; next-hop=\"b\"; details=\"a timeout\""));
    assert_due(told.took, 300 * MS);
    for visit in a.visits().into_iter().chain(b.visits()) {
        assert!(visit.head.timeout() <= 300 * MS, "{visit:?}");
    }
    assert_eq!(a.visits()[0].ended, Some(Ended::Cancelled));

    // Who has less than that left is told less, and nobody is asked with nothing.
    let mut client = Http1Client::connect(proxy.address).await;
    let told = Asked::get("/a/stall/b/stall", 450 * MS).put(&mut client).await;
    assert_eq!(told.status(), 504);
    assert_due(told.took, 450 * MS);
    let left = b.visits()[1].head.timeout();
    assert!(left <= 150 * MS, "{left:?}");
    assert!(told.text.contains("\"origin\":\"header\""), "the deadline of the request, and no limit: {}", told.text);
}

/// Once an answer is passed on, there is nobody else to ask: only the deadline counts.
#[tokio::test]
async fn the_limit_of_a_try_does_not_cut_a_body_short() {
    let (a, b) = (Upstream::start().await, mirror("b"));
    let rest = "[[route]]\nupstream = \"a|b\"\ntry_timeout = \"300ms\"\n";
    let proxy = Proxy::of(&[("a", a.address), ("b", b.address)], rest).await;
    // Its second message comes after 900 ms.
    let answer = curl(&["-H", "X-Request-Timeout: 5s", &proxy.url("/text")]).await;
    assert_eq!((answer.exit, answer.text().as_str()), (Some(0), "message 1\nmessage 2\n"));
    let answer = curl(&["-H", "X-Request-Timeout: 600ms", &proxy.url("/text")]).await;
    assert_eq!((answer.exit, answer.text().as_str()), (Some(18), "message 1\n"));
}

#[tokio::test]
async fn a_token_reaches_the_mirror_that_it_is_for_and_no_other() {
    let mirrors = [mirror("a"), mirror("b"), mirror("c")];
    let [a, b, c] = mirrors.each_ref().map(|mirror| mirror.address);
    let text = format!(
        "admin = \"127.0.0.1:0\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\nupstream = \"a|b|c\"\n\
         [upstream.a]\ntargets = [\"http://{a}\"]\n[upstream.c]\ntargets = [\"http://{c}\"]\n\
         [upstream.b]\ntargets = [\"http://{b}\"]\nheaders = {{ authorization = \"Bearer ${{MIRROR_TOKEN}}\" }}\n",
    );
    let variables = [("MIRROR_TOKEN", "s3cret"), ("DEADLINE_EXPLAIN", "1")];
    let proxy = Proxy::configured_with(&text, &variables).await;
    for (own, others) in [("", None), ("authorization: Basic b3du\r\n", Some("Basic b3du"))] {
        let asked = Asked { fields: own.to_owned(), ..Asked::get("/a/500/b/500/c/200", WHOLE) };
        let told = asked.put(&mut Http1Client::connect(proxy.address).await).await;
        assert_eq!((told.status(), told.text.as_str()), (200, "c"));
        for (mirror, expected) in mirrors.iter().zip([others, Some("Bearer s3cret"), others]) {
            let visits = mirror.visits();
            let got: Vec<_> = visits.last().unwrap().head.headers.get_all("authorization").iter().collect();
            assert_eq!(got, expected.into_iter().collect::<Vec<_>>(), "{own}");
        }
    }
    proxy.program.terminate().await;
    let said = proxy.program.finish().await;
    let (explains, tells) = (said.stderr.contains("attempt: 3: c"), said.stderr.contains("s3cret"));
    assert!(explains && !tells, "not even to whoever wants to know everything: {}", said.stderr);
}

#[tokio::test]
async fn an_answer_that_is_passed_over_gives_its_connection_back() {
    let (a, _b, proxy) = two("upstream = \"a,b\"").await;
    let mut client = Http1Client::connect(proxy.address).await;
    for _ in 0..20 {
        assert_eq!(Asked::get("/a/404/b/200", WHOLE).put(&mut client).await.status(), 200);
    }
    let connections = a.visits().iter().filter(|visit| visit.turn == 0).count();
    assert!(connections <= 3, "{connections} for 20 requests");
}
