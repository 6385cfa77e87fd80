use super::*;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A peer that does everything that one can do, by a number that is drawn for each connection and each request.
fn wild(random: &Arc<Mutex<fastrand::Rng>>) -> Peer {
    let draw = {
        let random = Arc::clone(random);
        move |most: u64| random.lock().unwrap().u64(0..most)
    };
    let serving = {
        let draw = draw.clone();
        Peer::serving(move |request| {
            let (what, wait) = (draw(8), Duration::from_millis(draw(40)));
            async move {
                let (tell, end) = oneshot::channel();
                sleep(wait).await;
                match what {
                    0 => std::future::pending().await,
                    1 => Response::new(Held { data: Some(Bytes::from_static(b"held")), end: Some(end) }).map(|held| {
                        tokio::spawn(async move {
                            sleep(wait).await;
                            drop(tell);
                        });
                        held
                    }),
                    2 => Response::builder().header("connection", "close").body(Held::full("last")).unwrap(),
                    3 => Response::builder().status(204).body(Held::full("")).unwrap(),
                    _ => Response::new(Held::full(request.uri().path().to_owned())),
                }
            }
        })
    };
    Peer::scripted(move |_| {
        let (what, wait, serving) = (draw(10), Duration::from_millis(draw(30)), serving.clone());
        async move {
            sleep(wait).await;
            match what {
                0 => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                1 => std::future::pending().await,
                2 => Ok(tokio::io::duplex(1).0),
                _ => serving.dial().await,
            }
        }
    })
}

/// One request, which ends in one of the ways in which a request can end.
async fn one(pool: Pool, what: u64, limit: Duration) {
    let request = if what.is_multiple_of(3) { grpc("/") } else { get("/") };
    let answered = timeout(limit, async {
        let withhold = what.is_multiple_of(11);
        let sent = pool
            .send(request, |_| if withhold { Err(io::Error::other("withheld")) } else { Ok(Allotted::default()) })
            .await;
        let Ok(answer) = sent else { return };
        match what % 5 {
            0 => drop(answer),
            1 => drop(answer.into_body().frame().await),
            _ => drop(answer.into_body().collect().await),
        }
    });
    let _ = answered.await;
}

#[tokio::test(start_paused = true)]
async fn after_a_storm_everything_is_back() {
    for seed in 0..40 {
        let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        let mut settings = settings();
        (settings.connections, settings.streams, settings.waiting) = (3, 2, 8);
        (settings.connect_limit, settings.idle_limit) = (Duration::from_millis(50), Duration::from_millis(80));
        let peers = [wild(&random), wild(&random)];
        let pool: Pool = super::super::Pool::new(Cluster::scripted(settings, peers), 1);
        let mut requests = Vec::new();
        for _ in 0..200 {
            let (what, limit, pause) = {
                let mut random = random.lock().unwrap();
                (random.u64(..), random.u64(0..120), random.u64(0..6))
            };
            requests.push(tokio::spawn(one(pool.clone(), what, Duration::from_millis(limit))));
            sleep(Duration::from_millis(pause)).await;
            let (open, idle, streams, waiting) = pool.state().counts();
            assert!(open <= 6 && idle <= 6 && streams <= 12, "seed {seed}: {open} {idle} {streams} {waiting}");
        }
        for request in requests {
            request.await.unwrap();
        }
        settle().await;
        let (_, _, streams, waiting) = pool.state().counts();
        assert_eq!((streams, waiting), (0, 0), "seed {seed}");
        // What is left is idle, or goes on sending what nobody waits for.
        sleep(Duration::from_secs(60)).await;
        settle().await;
        assert_eq!(pool.state().counts(), (0, 0, 0, 0), "seed {seed}");
    }
}
