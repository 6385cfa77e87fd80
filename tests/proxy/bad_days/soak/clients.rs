//! What the clients of a soak do: as they should, and as they do.

use std::net::SocketAddr;

use futures_util::future::join_all;
use h2::Reason;
use h2::client::ResponseFuture;
use http::Request;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::caller::{Caller, FORGOTTEN, status};
use super::tally::{CUT, Outcome, Tally};
use crate::support::{Chance, MS};

const UNFINISHED: &str = "POST /buy HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\none of each\n";

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-request-timeout: 900ms\r\n\r\n";

/// One client after the other, until then.
pub(super) async fn clients(address: SocketAddr, seed: u64, until: Instant) -> Tally {
    let (mut tally, mut number) = (Tally::default(), 0);
    while Instant::now() < until {
        let mut chance = Chance::of(seed, number);
        number += 1;
        if let Err(outcome) = client(address, &mut chance, &mut tally).await {
            tally.note(outcome, 0);
        }
    }
    tally
}

/// An error is that it has no connection.
async fn client(address: SocketAddr, chance: &mut Chance, tally: &mut Tally) -> Result<(), Outcome> {
    let share = chance.share();
    if share > 0.92 {
        return streams(address, chance, tally).await;
    }
    let mut caller = Caller::connect(address).await?;
    let port = caller.port();
    let outcome = match share {
        ..0.6 => return browse(caller, chance, tally).await,
        ..0.7 => {
            caller.send(&UNFINISHED[..1 + chance.number() as usize % (UNFINISHED.len() - 1)]).await;
            "left within its request"
        }
        ..0.8 => {
            caller.send("GET /browse HTTP/1.1\r\nhost: a\r\n\r\n").await;
            "left before its answer"
        }
        ..0.86 => {
            caller.send("GET /stream HTTP/1.1\r\nhost: a\r\nx-request-timeout: 900ms\r\n\r\n").await;
            caller.status(200, "left within its answer").await
        }
        _ => {
            caller.send(HANDSHAKE).await;
            tunnel(&mut caller).await
        }
    };
    leave(caller, chance).await;
    tally.note(outcome, port);
    Ok(())
}

/// Some requests over one connection, as long as it is kept.
async fn browse(mut caller: Caller, chance: &mut Chance, tally: &mut Tally) -> Result<(), Outcome> {
    for _ in 0..1 + chance.number() % 12 {
        let limit = chance.millis(20..600);
        let (outcome, is_kept) = if chance.happens(0.3) {
            caller.ask("POST /buy", limit, "one of each\n").await
        } else {
            caller.ask("GET /browse", limit, "").await
        };
        tally.note(outcome, caller.port());
        if !is_kept {
            break;
        }
    }
    Ok(())
}

/// Something there and back.
async fn tunnel(caller: &mut Caller) -> Outcome {
    let outcome = caller.status(101, "tunnel").await;
    if outcome == "tunnel" {
        caller.send("hello").await;
        // Whoever was killed meanwhile does not send it back.
        let _ = timeout(200 * MS, caller.more()).await;
    }
    outcome
}

/// After a little while, in one of two ways.
async fn leave(caller: Caller, chance: &mut Chance) {
    sleep(chance.millis(0..20)).await;
    if chance.happens(0.5) {
        caller.reset();
    }
}

/// Some requests at once over HTTP/2, of which one is given up.
async fn streams(address: SocketAddr, chance: &mut Chance, tally: &mut Tally) -> Result<(), Outcome> {
    let stream = TcpStream::connect(address).await.map_err(|_| "refused")?;
    let port = stream.local_addr().map_or(0, |address| address.port());
    let lost = |_: h2::Error| "an HTTP/2 connection lost";
    let (client, connection) = h2::client::handshake(stream).await.map_err(lost)?;
    let driven = tokio::spawn(connection);
    let mut asked = Vec::new();
    for _ in 0..4 {
        let limit = format!("{}ms", chance.millis(20..600).as_millis());
        let request = Request::get(format!("http://{address}/browse")).header("x-request-timeout", limit);
        let opened = match client.clone().ready().await {
            Ok(mut ready) => ready.send_request(request.body(()).unwrap(), true),
            Err(error) => Err(error),
        };
        match opened {
            Ok((response, _)) => asked.push(response),
            // Whoever is told to open no more streams asks for nothing on this connection.
            Err(error) if error.reason() == Some(Reason::NO_ERROR) => break,
            Err(error) => return Err(lost(error)),
        }
    }
    if asked.pop().is_some() {
        tally.note("given up", port);
    }
    // All at once: whoever reads one alone may wait for what another one of them holds of the connection's window.
    for outcome in join_all(asked.into_iter().map(read)).await {
        tally.note(outcome, port);
    }
    if chance.happens(0.5) {
        driven.abort();
    }
    Ok(())
}

async fn read(response: ResponseFuture) -> Outcome {
    let read = async {
        let (head, mut body) = match response.await {
            Ok(answer) => answer.into_parts(),
            Err(error) if error.is_reset() => return CUT,
            Err(_) => return "an HTTP/2 connection lost",
        };
        while let Some(data) = body.data().await {
            let Ok(data) = data else { return "broken off" };
            let _ = body.flow_control().release_capacity(data.len());
        }
        status(head.status.as_u16())
    };
    timeout(FORGOTTEN, read).await.unwrap_or("forgotten")
}
