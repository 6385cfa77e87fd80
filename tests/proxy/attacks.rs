//! Clients that mean harm. Each is answered or its connection ended, others are served meanwhile, and the proxy does
//! not grow. Those that only a clock ends (a head or a body that trickles) stand beside the limits, on a paused one.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::frames::{
    CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PREFACE, REFUSED, RST_STREAM,
    RawH2, SETTINGS, WINDOW_UPDATE, frame, head,
};
use crate::support::{Http1Client, MS, Proxy, Upstream, soon};

const MEGABYTE: u64 = 1 << 20;

/// The most that an attack may make the proxy grow by: what an allocator keeps, and what honest clients need.
const GROWTH: u64 = 32 * MEGABYTE;

/// A proxy, and an honest client that asks all the time.
struct Scene {
    proxy: Proxy,
    honest: JoinHandle<()>,
    before: u64,
    /// Only to be kept.
    _upstream: Upstream,
}

impl Scene {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let proxy = Proxy::to(upstream.address).await;
        let mut client = Http1Client::connect(proxy.address).await;
        client.get("/", "").await;
        assert_eq!(client.answer().await.0.status(), 200);
        let before = proxy.program.resident();
        let honest = tokio::spawn(async move {
            loop {
                client.get("/", "").await;
                // `soon` bounds the wait.
                assert_eq!(client.answer().await.0.status(), 200);
                sleep(20 * MS).await;
            }
        });
        Self { proxy, honest, before, _upstream: upstream }
    }

    async fn attacker(&self) -> RawH2 {
        RawH2::connect(self.proxy.address, &[]).await
    }

    /// The honest client was served throughout, a new one is, and the proxy is no larger than it may be.
    async fn assert_stands(self) {
        let mut client = Http1Client::connect(self.proxy.address).await;
        client.get("/", "").await;
        assert_eq!(client.answer().await.0.status(), 200);
        assert!(!self.honest.is_finished(), "the honest client was not served");
        self.honest.abort();
        let grown = self.proxy.program.resident().saturating_sub(self.before);
        assert!(grown < GROWTH, "grown by {} MB", grown / MEGABYTE);
    }
}

/// The code with which the connection was ended.
#[track_caller]
fn farewell(frames: &[Frame]) -> u32 {
    let last = frames.iter().rfind(|frame| frame.kind == GOAWAY);
    last.unwrap_or_else(|| panic!("no farewell in {} frames", frames.len())).code()
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", path))
}

/// Odd numbers: the streams that a client opens.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

/// CVE-2023-44487: streams that are reset before they have cost their sender anything.
#[tokio::test]
async fn a_rapid_reset_ends_the_connection() {
    let scene = Scene::start().await;
    let mut attacker = scene.attacker().await;
    let resets = streams(5_000)
        .flat_map(|stream| [get(stream, "/never"), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat());
    // It may end before all of it is sent.
    attacker.send(&resets.collect::<Vec<u8>>()).await;
    assert_eq!(farewell(&attacker.close().await), CALM);
    scene.assert_stands().await;
}

/// CVE-2024-27316: a head that never ends.
#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let scene = Scene::start().await;
    for part in [&[][..], &[0, 1, b'a', 1, b'b'], &[b'x'; 16_000]] {
        let mut attacker = scene.attacker().await;
        attacker.send(&frame(HEADERS, END_STREAM, 1, &head("GET", "/"))).await;
        let more = frame(CONTINUATION, 0, 1, part);
        for _ in 0..2_000 {
            if !attacker.send(&more).await {
                break;
            }
        }
        let frames = attacker.until_closed().await;
        assert!(frames.iter().any(|frame| frame.kind == GOAWAY), "{} bytes each", part.len());
    }
    scene.assert_stands().await;
}

/// CVE-2019-9512 and CVE-2019-9515: what has to be acknowledged, to somebody who does not read.
#[tokio::test]
async fn acknowledgements_that_nobody_reads_are_not_stored() {
    let scene = Scene::start().await;
    for one in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])] {
        let flood = one.repeat(2_000);
        let mut attackers = Vec::new();
        for _ in 0..8 {
            let mut attacker = scene.attacker().await;
            let flood = flood.clone();
            attackers.push(tokio::spawn(async move {
                // Until the proxy takes no more: it has nowhere to write.
                for _ in 0..200 {
                    if tokio::time::timeout(500 * MS, attacker.send(&flood)).await != Ok(true) {
                        break;
                    }
                }
                attacker
            }));
        }
        for attacker in attackers {
            drop(soon("a flood", attacker).await.unwrap());
        }
    }
    scene.assert_stands().await;
}

#[tokio::test]
async fn heads_that_never_end_keep_nobody_else_out() {
    let scene = Scene::start().await;
    let mut attackers = Vec::new();
    for number in 0..200 {
        let mut attacker = Http1Client::connect(scene.proxy.address).await;
        attacker.send(&format!("GET /{number} HTTP/1.1\r\nhost: a\r\nx-a: ")).await;
        attackers.push(attacker);
    }
    for _ in 0..10 {
        for attacker in &mut attackers {
            attacker.send("b").await;
        }
    }
    scene.assert_stands().await;
}

#[tokio::test]
async fn bodies_that_never_end_keep_nobody_else_out() {
    let scene = Scene::start().await;
    let mut attackers = Vec::new();
    for _ in 0..100 {
        let mut attacker = Http1Client::connect(scene.proxy.address).await;
        attacker.send("POST /never HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n").await;
        attacker.send("x").await;
        attackers.push(attacker);
    }
    scene.assert_stands().await;
}

#[tokio::test]
async fn a_head_of_too_many_fields_or_bytes_is_a_431() {
    let scene = Scene::start().await;
    let many = format!("{}\r\n", "x-a: b\r\n".repeat(100));
    let large = format!("x-a: {}", "b".repeat(500_000));
    for fields in [many, large] {
        let mut attacker = Http1Client::connect(scene.proxy.address).await;
        attacker.send("GET / HTTP/1.1\r\nhost: a\r\n").await;
        attacker.send(&fields).await;
        assert_eq!(attacker.head().await.status(), 431);
    }
    scene.assert_stands().await;
}

/// A field of 4 KB is sent once and then named by its number, a byte each time.
#[tokio::test]
async fn a_head_that_unfolds_to_megabytes_does_not() {
    let scene = Scene::start().await;
    for stream in streams(20) {
        let mut attacker = scene.attacker().await;
        // Literal with indexing: a name of one letter, and 4000 bytes, whose length is 127 + 3873 in seven bits each.
        let mut block = head("GET", "/");
        block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
        block.extend([b'y'; 4_000]);
        block.extend([0xbe; 12_000]);
        attacker.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)).await;
        attacker.send(&get(3, "/")).await;
        let frames = attacker.close().await;
        let served =
            frames.iter().any(|frame| frame.kind == HEADERS && frame.stream == 1 && frame.status() == Some(200));
        assert!(!served, "{stream}: {frames:?}");
    }
    scene.assert_stands().await;
}

#[tokio::test]
async fn streams_over_the_limit_are_refused() {
    let scene = Scene::start().await;
    let mut attacker = scene.attacker().await;
    let opened: Vec<u8> = streams(400).flat_map(|stream| get(stream, "/never")).collect();
    attacker.send(&opened).await;
    sleep(300 * MS).await;
    let frames = attacker.close().await;
    let refused = frames.iter().filter(|frame| frame.kind == RST_STREAM && frame.code() == REFUSED).count();
    assert!((200..=300).contains(&refused), "{refused}");
    scene.assert_stands().await;
}

#[tokio::test]
async fn empty_frames_end_the_connection() {
    let scene = Scene::start().await;
    let mut attacker = scene.attacker().await;
    attacker.send(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/never"))).await;
    attacker.send(&frame(DATA, 0, 1, &[]).repeat(10_000)).await;
    assert_eq!(farewell(&attacker.until_closed().await), CALM);
    scene.assert_stands().await;
}

/// Ten thousand messages of a byte are no attack if they are read.
#[tokio::test]
async fn tiny_frames_are_passed_on_or_end_the_connection() {
    let scene = Scene::start().await;
    let mut attacker = scene.attacker().await;
    attacker.send(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/"))).await;
    attacker.send(&frame(DATA, 0, 1, b"x").repeat(10_000)).await;
    attacker.send(&frame(DATA, END_STREAM, 1, b"x")).await;
    let frames = attacker.close().await;
    let answered = frames.iter().any(|frame| frame.kind == HEADERS && frame.status() == Some(200));
    let ended = frames.iter().any(|frame| frame.kind == GOAWAY && frame.code() == CALM);
    assert!(answered || ended, "{frames:?}");
    scene.assert_stands().await;
}

/// CVE-2019-9511 and CVE-2019-9517: answers are asked for, and the windows stay shut.
#[tokio::test]
async fn answers_behind_shut_windows_are_not_fetched() {
    let scene = Scene::start().await;
    let mut attackers = Vec::new();
    for _ in 0..3 {
        // SETTINGS_INITIAL_WINDOW_SIZE: 0.
        let mut attacker = RawH2::connect(scene.proxy.address, &[0, 4, 0, 0, 0, 0]).await;
        let opened: Vec<u8> = streams(100).flat_map(|stream| get(stream, "/flood")).collect();
        attacker.send(&opened).await;
        attackers.push(attacker);
    }
    sleep(1_000 * MS).await;
    scene.assert_stands().await;
}

/// The same with windows as wide as can be, and a socket that is not read.
#[tokio::test]
async fn answers_that_are_not_read_are_fetched_no_further_than_a_buffer() {
    let scene = Scene::start().await;
    let mut attacker = TcpStream::connect(scene.proxy.address).await.unwrap();
    let wide = frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    let wider = frame(WINDOW_UPDATE, 0, 0, &(0x7fff_ffff_u32 - 0xffff).to_be_bytes());
    let opened: Vec<u8> = streams(100).flat_map(|stream| get(stream, "/flood")).collect();
    attacker.write_all(&[PREFACE, &wide, &wider, &opened].concat()).await.unwrap();
    sleep(2_000 * MS).await;
    scene.assert_stands().await;
}
