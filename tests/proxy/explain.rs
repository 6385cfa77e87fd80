//! `explain` and the proxy itself: the same decisions for the same requests, and what is told is what is sent.

mod requests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::process::Command;
use tokio::task::JoinSet;
use tower_deadline::Dialect;

use self::requests::{Asked, LISTENERS, Random};
use crate::support::{Folder, Head, Program, Server, binary, body, soon, timeout};

const REQUESTS: usize = 1_000;

/// Programs at a time, of which each tells of one request after the other.
const PROGRAMS: usize = 4;

/// What an attempt of a chain may take, where nobody says.
const TRY: Duration = Duration::from_secs(30);

const FILE: &str = r#"
hop = "edge"
admin = "127.0.0.1:0"
workers = 1
[[listener]]
address = "127.0.0.1:0"
[[listener]]
address = "127.0.0.2:0"
side = "edge"
[[listener]]
address = "127.0.0.3:0"
side = "edge"
strangers = "drop"
[forwarding]
trust = ["127.0.0.1"]
forwarded = "both"
[upstream.blue]
targets = ["http://UPSTREAM"]
headers = { x-key = "k" }
[upstream.green]
targets = ["http://UPSTREAM"]
[policy.payment]
timeout = "20s"
min = "1s"
[policy.report]
timeout = "10s"
max = "60s"
on_invalid = "ignore"
[policy.trial]
max = "40s"
mode = "observe"
[[route]]
name = "orders"
host = "shop.example"
path = "/orders/{id}"
method = ["GET", "POST"]
policy = "payment"
upstream = "blue"
[[route]]
name = "tenant"
host = ["shop.example", "*.shop.example"]
prefix = "/orders"
headers = { x-tenant = "green" }
policy = "report"
upstream = "green,blue"
rewrite = { prefix = "/v2", original = "x-original-path" }
[[route]]
name = "trial"
host = "*.shop.example"
policy = "trial"
upstream = "green"
upgrade = "reject"
[[route]]
name = "inside"
host = "other.example"
headers = { x-real-ip = true }
policy = "report"
upstream = "green"
[[route]]
name = "chat"
prefix = "/chat"
upstream = "green"
upgrade = ["websocket"]
[[route]]
name = "reports"
prefix = "/reports"
policy = "report"
upstream = "blue"
"#;

/// What an upstream has received, by the id of the request.
type Received = Arc<Mutex<HashMap<String, (String, HeaderMap)>>>;

async fn upstream() -> (Server, Received) {
    let received = Received::default();
    let told = Arc::clone(&received);
    let server = Server::answering(move |request: Request<Incoming>| {
        let told = Arc::clone(&told);
        async move {
            let (request, rest) = request.into_parts();
            rest.collect().await.unwrap();
            let start = format!("{} {}", request.method, request.uri);
            told.lock().unwrap().insert(id(&request.headers), (start, request.headers));
            Response::new(body(Empty::new()))
        }
    });
    (server.await, received)
}

/// The id that the proxy gives this request.
async fn put(address: SocketAddr, asked: &Asked) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{}:0", asked.from).parse().unwrap()).unwrap();
    let mut client = soon("a connection", socket.connect(address)).await.unwrap();
    if asked.http2 {
        let (mut sender, connection) = h2::client::handshake(client).await.unwrap();
        tokio::spawn(async move { connection.await.map_or_else(drop, drop) });
        let (answer, mut stream) = sender.send_request(asked.request(), asked.body.is_none()).unwrap();
        asked.body.into_iter().for_each(|length| stream.send_data(vec![0; length].into(), true).unwrap());
        return id(soon("an answer", answer).await.unwrap().headers());
    }
    client.write_all(asked.head().as_bytes()).await.unwrap();
    client.write_all(&vec![0; asked.body.unwrap_or_default()]).await.unwrap();
    let mut answer = Vec::new();
    loop {
        if let Some((head, _)) = Head::split(&answer) {
            return id(&head.headers);
        }
        let read = soon("an answer", client.read_buf(&mut answer)).await.unwrap();
        assert!(read > 0, "no answer to {asked:?}");
    }
}

fn id(headers: &HeaderMap) -> String {
    headers["x-request-id"].to_str().unwrap().to_owned()
}

/// What the proxy tells of its requests, by their ids.
async fn live(file: &str, all: &[Asked]) -> (Vec<String>, HashMap<String, Vec<String>>) {
    let mut command = Command::new(binary("deadline-proxy"));
    command.args(["run", "--config", file]).env("DEADLINE_EXPLAIN", "1");
    let mut program = Program::launch("deadline-proxy", command);
    let mut addresses = Vec::new();
    for _ in LISTENERS {
        addresses.push(program.address().await);
    }
    let mut ids = Vec::new();
    for asked in all {
        ids.push(put(addresses[asked.listener], asked).await);
    }
    program.terminate().await;
    let mut told: HashMap<String, Vec<String>> = HashMap::new();
    for line in program.finish().await.stderr.lines() {
        let mut parts = line.splitn(3, ' ');
        let (Some("explain"), Some(id), Some(words)) = (parts.next(), parts.next(), parts.next()) else { continue };
        told.entry(id.to_owned()).or_default().push(words.to_owned());
    }
    (ids, told)
}

/// What `explain` tells of each of these requests.
async fn explained(file: &str, all: &[Asked]) -> Vec<Vec<String>> {
    let mut programs = JoinSet::new();
    for first in 0..PROGRAMS {
        let (file, all) = (file.to_owned(), all.to_vec());
        programs.spawn(async move {
            let mut told = Vec::new();
            for (at, asked) in all.iter().enumerate().skip(first).step_by(PROGRAMS) {
                let finished = Program::start("deadline-proxy", asked.arguments(&file)).finish().await;
                assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{asked:?}");
                told.push((at, finished.stdout.lines().map(str::to_owned).collect::<Vec<_>>()));
            }
            told
        });
    }
    let mut told = programs.join_all().await.concat();
    told.sort();
    told.into_iter().map(|(_, lines)| lines).collect()
}

/// Without what is another each time: ids, ports, and the milliseconds that have passed.
fn steady(line: &str) -> String {
    let volatile = ["x-request-id", "x-forwarded-port"].into_iter().chain(Dialect::ALL.map(Dialect::as_str));
    let mut prefixes = volatile.map(|name| format!("send: {name}: "));
    if let Some(prefix) = prefixes.find(|prefix| line.starts_with(prefix.as_str())) {
        return prefix + "…";
    }
    let is_time = |word: &str| word.starts_with(|char: char| char.is_ascii_digit()) && word.ends_with('s');
    let word = |word: &str| match word.rsplit_once("127.0.0.") {
        Some((before, rest)) if rest.contains(':') => {
            let after = rest.split_once('"').map_or("", |(_, after)| after);
            format!("{before}127.0.0.{}:…{after}", &rest[..1])
        }
        _ if line.starts_with("attempt: ") && is_time(word) => "…".to_owned(),
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// What stands in the lines of what is sent, as it would stand in a request; nothing where none is.
fn sent(lines: &[String]) -> Option<(String, Vec<(String, String)>)> {
    let mut sent = lines.iter().filter_map(|line| line.strip_prefix("send: "));
    let start = sent.next()?.to_owned();
    let mut fields: Vec<_> = sent
        .map(|field| field.split_once(": ").unwrap())
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    fields.sort();
    Some((start, fields))
}

/// The same of what was received, with secrets as they are told.
fn arrived((start, headers): &(String, HeaderMap)) -> (String, Vec<(String, String)>) {
    let told = |name: &str, value: &str| match name {
        "authorization" | "cookie" | "x-key" => "***".to_owned(),
        _ => without_query(value),
    };
    let fields = headers.iter().map(|(name, value)| (name.to_string(), told(name.as_str(), value.to_str().unwrap())));
    let mut fields: Vec<_> = fields.collect();
    fields.sort();
    (without_query(start), fields)
}

fn without_query(text: &str) -> String {
    text.split_once('?').map_or_else(|| text.to_owned(), |(path, _)| format!("{path}?***"))
}

/// Whether an upstream was told what the line of the deadline comes to, or what an attempt of a chain may take.
fn is_granted(lines: &[String], headers: &HeaderMap) -> bool {
    // Before it, what of a stranger does not count.
    let told = lines.iter().rev().find_map(|line| line.strip_prefix("deadline: ")).unwrap();
    let (_, granted) = told.rsplit_once(": ").unwrap();
    let told = headers.get("x-request-timeout").map(|_| timeout(headers, Dialect::XRequestTimeout));
    let Ok(granted) = granted.trim_end_matches(['n', 's']).parse().map(Duration::from_secs_f64) else {
        return granted == "none" && told.is_none();
    };
    // What is observed alone goes on with nothing left.
    told.map_or(granted.is_zero(), |told| told <= granted && told + Duration::from_secs(5) > granted.min(TRY))
}

#[tokio::test]
async fn explain_agrees_with_what_the_proxy_does() {
    let (server, received) = upstream().await;
    let folder = Folder::new();
    let file = folder.write("proxy.toml", &FILE.replace("UPSTREAM", &server.address.to_string()));
    let mut random = Random::seeded(7);
    let all: Vec<_> = (0..REQUESTS).map(|number| Asked::some(&mut random, number)).collect();
    let ((ids, live), explained) = tokio::join!(live(&file, &all), explained(&file, &all));
    let received = received.lock().unwrap();
    let mut topics: HashMap<String, usize> = HashMap::new();
    for ((asked, id), explained) in all.iter().zip(&ids).zip(&explained) {
        let live = &live[id];
        let steadily = |lines: &[String]| lines.iter().map(|line| steady(line)).collect::<Vec<_>>();
        assert_eq!(steadily(explained), steadily(live), "{asked:?}");
        assert_eq!(sent(live), received.get(id).map(arrived), "{asked:?}");
        assert!(received.get(id).is_none_or(|(_, headers)| is_granted(live, headers)), "{asked:?} {live:?}");
        for line in live {
            let (topic, words) = line.split_once(": ").unwrap();
            let words = if topic == "answer" { words.split(':').next().unwrap_or_default() } else { "" };
            *topics.entry(format!("{topic} {words}").trim_end().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(live.len(), REQUESTS);
    // One that never happens proves nothing.
    for topic in ["policy", "deadline", "strip", "answer 200", "answer 400", "answer 404", "answer 504"] {
        assert!(topics.get(topic).is_some_and(|count| *count > REQUESTS / 100), "{topic}: {topics:?}");
    }
}
