//! governor's keyed rate limiter. See ../README.md for what it is asked.

use std::error::Error;
use std::io::{stdin, BufRead};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

const KEY_LENGTH: usize = 20;

type Limiter<C> =
    RateLimiter<String, DefaultKeyedStateStore<String>, C, NoOpMiddleware<<C as Clock>::Instant>>;

fn read_keys(folder: &str, name: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let text = String::from_utf8(std::fs::read(format!("{folder}/{name}"))?)?;
    Ok((0..text.len() / KEY_LENGTH)
        .map(|i| text[i * KEY_LENGTH..(i + 1) * KEY_LENGTH].to_string())
        .collect())
}

/// Decides for all keys, and says whether everybody was admitted.
fn run<C: Clock>(limiter: &Limiter<C>, keys: &[String]) -> bool {
    keys.iter()
        .filter(|key| limiter.check_key(key).is_ok())
        .count()
        == keys.len()
}

/// Answers orders; `advance` is called before each.
fn serve<C: Clock + Sync>(
    contender: &str,
    clients: usize,
    folder: &str,
    clock: C,
    advance: impl Fn(),
) -> Result<(), Box<dyn Error>>
where
    C::Instant: Send + Sync,
{
    let quota = Quota::per_second(NonZeroU32::new(1_000_000).unwrap());
    let limiter = Limiter::new(quota, DefaultKeyedStateStore::default(), clock);
    for client in 0..clients {
        if limiter
            .check_key(&format!("ip:client-{client:010}"))
            .is_err()
        {
            return Err("a decision was denied that all should admit".into());
        }
    }
    let uniform = [
        read_keys(folder, "uniform-0")?,
        read_keys(folder, "uniform-1")?,
    ];
    let zipf = [read_keys(folder, "zipf-0")?, read_keys(folder, "zipf-1")?];
    println!("{{\"clients\": {}}}", limiter.len());

    for line in stdin().lock().lines() {
        let line = line?;
        let (order, threads) = line.split_once(' ').ok_or("an order is KEYS THREADS")?;
        let threads: usize = threads.parse()?;
        let streams = &(if order == "zipf" { &zipf } else { &uniform })[..threads];
        advance();

        let start = Instant::now();
        let admitted = std::thread::scope(|scope| {
            let others: Vec<_> = streams[1..]
                .iter()
                .map(|keys| scope.spawn(|| run(&limiter, keys)))
                .collect();
            let first = run(&limiter, &streams[0]);
            others.into_iter().all(|other| other.join().unwrap()) && first
        });
        let ns = start.elapsed().as_nanos() as f64;

        if !admitted {
            return Err("a decision was denied that all should admit".into());
        }
        let decisions: usize = streams.iter().map(|keys| keys.len()).sum();
        println!(
            "{{\"contender\": \"{contender}\", \"clients\": {}, \"keys\": \"{}\", \"threads\": {threads}, \
             \"ns\": {:.2}}}",
            limiter.len(), order, ns / decisions as f64
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, contender, clients, folder] = &arguments[..] else {
        return Err("usage: peer-governor governor|governor_clock CLIENTS FOLDER".into());
    };
    let clients = clients.parse()?;
    if contender == "governor_clock" {
        return serve(contender, clients, folder, DefaultClock::default(), || {});
    }
    let clock = FakeRelativeClock::default();
    serve(contender, clients, folder, clock.clone(), || {
        clock.advance(Duration::from_secs(60))
    })
}
