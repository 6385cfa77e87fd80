//! Connections that have asked once and are kept, and the same after many of them have asked for more at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::answer::Answer;
use crate::{FIELD, Outcome, step};

/// How many ask at the same time in the burst, and how often.
const AT_ONCE: usize = 500;
const TIMES: usize = 4;

/// What the burst asks for.
const LARGE: usize = 16_384;

/// Buffers and threads that the first requests make are nobody's connection.
const WARM_UP: usize = 64;

/// Four steps: warm, idle, after the burst, gone.
pub(crate) fn run(address: SocketAddr, count: usize) -> Outcome {
    let mut warm = connect(address, WARM_UP)?;
    burst(&mut warm)?;
    drop(warm);
    step("warm")?;
    let mut connections = connect(address, count)?;
    step("idle")?;
    burst(&mut connections)?;
    step("after")?;
    let open = connections.iter_mut().filter_map(|stream| is_open(stream).ok().filter(|open| *open)).count();
    if open < count {
        return Err(format!("{open} of {count} connections were kept").into());
    }
    drop(connections);
    step("gone").map_err(Into::into)
}

fn connect(address: SocketAddr, count: usize) -> Outcome<Vec<TcpStream>> {
    let one = |_| {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        ask(&mut stream, 128)?;
        receive(&mut stream)?;
        Ok(stream)
    };
    (0..count).map(one).collect()
}

fn burst(connections: &mut [TcpStream]) -> Outcome {
    for _ in 0..TIMES {
        for some in connections.chunks_mut(AT_ONCE) {
            some.iter_mut().try_for_each(|stream| ask(stream, LARGE))?;
            some.iter_mut().try_for_each(receive)?;
        }
    }
    Ok(())
}

/// In one piece, as clients write a head: one that comes in two doubles what is read into.
fn ask(stream: &mut TcpStream, length: usize) -> Outcome {
    let head = format!("GET /{length} HTTP/1.1\r\nhost: a\r\n{FIELD}\r\n\r\n");
    Ok(stream.write_all(head.as_bytes())?)
}

fn receive(stream: &mut TcpStream) -> Outcome {
    let (mut answer, mut bytes) = (Answer::default(), [0; 16_384]);
    loop {
        match stream.read(&mut bytes)? {
            0 => return Err("a connection was closed".into()),
            read if answer.take(&bytes[..read])? => return Ok(()),
            _ => {}
        }
    }
}

fn is_open(stream: &mut TcpStream) -> Outcome<bool> {
    stream.set_nonblocking(true)?;
    // Nothing to read is an error here, and an end is not.
    Ok(stream.peek(&mut [0]).is_err())
}
