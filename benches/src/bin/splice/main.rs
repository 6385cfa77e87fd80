//! What stands between and does nothing: bytes both ways, the floor for any proxy that copies them.
//!
//! ```text
//! splice 127.0.0.1:4500 127.0.0.1:4510
//! ```

use std::error::Error;
use std::net::SocketAddr;
use std::{env, io};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

fn main() -> Result<(), Box<dyn Error>> {
    let mut addresses = env::args().skip(1).map(|address| address.parse());
    let [Some(listen), Some(upstream)] = [addresses.next(), addresses.next()] else {
        return Err("splice LISTEN UPSTREAM".into());
    };
    let runtime = Builder::new_current_thread().enable_io().build()?;
    Ok(LocalSet::new().block_on(&runtime, serve(listen?, upstream?))?)
}

async fn serve(listen: SocketAddr, upstream: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (client, _) = listener.accept().await?;
        // Whoever breaks off is counted by who asked through it, and not here.
        tokio::task::spawn_local(async move { join(client, upstream).await.ok() });
    }
}

async fn join(mut client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
    let mut upstream = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut upstream).await.map(drop)
}
