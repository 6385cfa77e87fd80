//! Requests by chance, the same ones each time.

use http::Request;

/// Numbers by chance: xorshift.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const METHODS: [&str; 5] = ["GET", "GET", "POST", "DELETE", "OPTIONS"];
const HOSTS: [&str; 4] = ["shop.example", "eu.shop.example", "Shop.Example:81", "other.example"];
const PATHS: [&str; 14] = [
    "/chat",
    "/chat/7",
    "/chat/%2e%2e",
    "/orders/7",
    "/orders/7?x=1&y=%2f",
    "/orders",
    "/orders/7/items",
    "/orders/a%20b",
    "/reports/2026",
    "/reports",
    "/reports/./2026/",
    "/reports//",
    "/orders-old",
    "/",
];

/// One of this machine that is trusted, and one that is not.
const CLIENTS: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

/// As they are written in the file: inside, and at the edge in both ways.
pub(super) const LISTENERS: [&str; 3] = ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"];

/// What HTTP/2 has no fields for, or not with every value.
const HTTP1_ALONE: [&str; 4] = ["connection", "keep-alive", "upgrade", "te"];

const FIELDS: [(&str, &str); 37] = [
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("x-request-timeout", "50s"),
    ("x-request-timeout", "5s"),
    ("x-request-timeout", "25000"),
    ("x-request-timeout", "1h30m"),
    ("x-request-timeout", "9s, 8s"),
    ("x-request-timeout", "0"),
    ("x-request-timeout", "soon"),
    ("grpc-timeout", "9S"),
    ("grpc-timeout", "9"),
    ("x-envoy-expected-rq-timeout-ms", "7000"),
    ("x-envoy-upstream-rq-timeout-ms", "0"),
    ("connect-timeout-ms", "6000"),
    ("x-request-deadline", "1700000000000"),
    ("x-request-start", "t=1"),
    ("connection", "close"),
    ("connection", "x-private, keep-alive"),
    ("connection", "cookie"),
    ("connection", "upgrade"),
    ("upgrade", "h2c"),
    ("keep-alive", "timeout=5"),
    ("proxy-authorization", "Basic eA=="),
    ("te", "trailers"),
    ("te", "gzip;q=0.5"),
    ("trailer", "x-sum"),
    ("x-private", "1"),
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "front.example"),
    ("forwarded", "for=203.0.113.9"),
    ("x-real-ip", "203.0.113.9"),
    ("via", "1.1 front"),
    ("x-tenant", "green"),
    ("authorization", "Bearer secret"),
    ("cookie", "a=secret"),
    ("accept", "text/html"),
];

/// A request, and who makes it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    method: &'static str,
    path: &'static str,
    host: &'static str,
    fields: Vec<(&'static str, String)>,
    pub(super) from: &'static str,
    /// Of [`LISTENERS`].
    pub(super) listener: usize,
    pub(super) body: Option<usize>,
    pub(super) http2: bool,
}

impl Asked {
    pub(super) fn some(random: &mut Random, number: usize) -> Self {
        let count = random.below(5);
        let fields = (0..count).map(|_| random.one(&FIELDS)).map(|(name, value)| (name, value.to_owned()));
        let mut fields: Vec<_> = fields.collect();
        if random.below(3) == 0 {
            // What is looked for in the log, so no two are the same.
            fields.push(("x-request-id", format!("mine-{number}")));
        }
        let http2 = random.below(4) == 0;
        fields.retain(|(name, _)| !(http2 && HTTP1_ALONE.contains(name)));
        let body = random.one(&[None, None, None, Some(5), Some(100_000)]);
        let (method, path) = (random.one(&METHODS), random.one(&PATHS));
        let (host, from, listener) = (random.one(&HOSTS), random.one(&CLIENTS), random.below(LISTENERS.len()));
        Self { method, path, host, fields, from, listener, body, http2 }
    }

    /// As it is written.
    pub(super) fn head(&self) -> String {
        let fields: String = self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = self.body.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
        format!("{} {} HTTP/1.1\r\nhost: {}\r\n{fields}{length}\r\n", self.method, self.path, self.host)
    }

    /// The same, for HTTP/2.
    pub(super) fn request(&self) -> Request<()> {
        let uri = format!("http://{}{}", self.host, self.path);
        let request = Request::builder().method(self.method).uri(uri);
        let request = self.fields.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let length = self.body.into_iter();
        length.fold(request, |request, length| request.header("content-length", length)).body(()).unwrap()
    }

    /// As `explain` is asked about it.
    pub(super) fn arguments(&self, file: &str) -> Vec<String> {
        let words = ["explain", "--config", file, self.method, self.path, "--host", self.host, "--from", self.from];
        let fields = self.fields.iter().flat_map(|(name, value)| ["-H".to_owned(), format!("{name}: {value}")]);
        let listener = ["--listener".to_owned(), LISTENERS[self.listener].to_owned()];
        let body = self.body.into_iter().flat_map(|length| ["--body-bytes".to_owned(), length.to_string()]);
        let http2 = self.http2.then(|| "--http2".to_owned());
        words
            .into_iter()
            .map(str::to_owned)
            .chain(fields)
            .chain(listener)
            .chain(body)
            .chain(http2)
            .collect()
    }
}
