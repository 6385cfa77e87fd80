//! An upstream that costs next to nothing: it answers as the path says, from bytes that are made once.
//!
//! Covers HTTP/1.1 with bodies of a declared length, where `/128` is answered with 128 bytes, whatever stands before the
//! last slash; and calls of gRPC over HTTP/2 with prior knowledge, on the same ports. Does not cover what a proxy that
//! works does not send: a body without a length, one request before the answer to another.
//!
//! ```text
//! upstream 127.0.0.1:4510 [HOW MANY PORTS, from that one on]
//! ```

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

mod answers;
mod http1;
mod http2;

use self::answers::Answers;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let mut args = env::args().skip(1);
    let address: SocketAddr = args.next().ok_or("upstream ADDRESS [PORTS]")?.parse()?;
    let ports: u16 = args.next().map_or(Ok(1), |ports| ports.parse())?;
    let runtime = Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, serve(address, ports))
}

async fn serve(address: SocketAddr, ports: u16) -> Outcome {
    let answers = Rc::new(Answers::default());
    let mut listeners = Vec::new();
    for port in address.port()..address.port().saturating_add(ports) {
        let listener = TcpListener::bind(SocketAddr::new(address.ip(), port)).await?;
        listeners.push(tokio::task::spawn_local(accept(listener, Rc::clone(&answers))));
    }
    for listener in listeners {
        listener.await?;
    }
    Ok(())
}

async fn accept(listener: TcpListener, answers: Rc<Answers>) {
    while let Ok((stream, _)) = listener.accept().await {
        let answers = Rc::clone(&answers);
        tokio::task::spawn_local(async move {
            // Whoever breaks off is counted by who asked through it, and not here.
            let _ = connection(stream, &answers).await;
        });
    }
}

async fn connection(stream: TcpStream, answers: &Answers) -> Outcome {
    stream.set_nodelay(true)?;
    let mut first = [0; http2::PREFACE.len()];
    // Whoever speaks HTTP/2 sends all of it at once.
    stream.peek(&mut first).await?;
    if first == *http2::PREFACE { http2::serve(stream).await } else { http1::serve(stream, answers).await }
}
