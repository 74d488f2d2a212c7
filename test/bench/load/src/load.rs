//! What is done to the target, and what came of it.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::session::{Session, Target};

pub struct Outcome {
    seconds: f64,
    latencies_us: Vec<u32>,
    failures: Vec<String>,
    bytes: u64,
}

/// Failures that are shown.
const SHOWN: usize = 3;

impl Outcome {
    pub fn to_json(&self) -> String {
        let shown: Vec<String> = self.failures.iter().take(SHOWN).map(|failure| format!("{failure:?}")).collect();
        let latencies: Vec<String> = self.latencies_us.iter().map(u32::to_string).collect();
        format!(
            "{{\"seconds\":{:.6},\"bytes\":{},\"cpu_ms\":{:.3},\"failures\":{},\"shown\":[{}],\"latencies_us\":[{}]}}",
            self.seconds,
            self.bytes,
            own_cpu_ms(),
            self.failures.len(),
            shown.join(","),
            latencies.join(","),
        )
    }
}

/// What one thread has done.
#[derive(Default)]
struct Done {
    latencies_us: Vec<u32>,
    failures: Vec<String>,
    bytes: u64,
}

/// Past this a run is broken, and goes on for nothing.
const MAX_FAILURES: usize = 1_000;

impl Done {
    fn note(&mut self, due: Instant, outcome: Result<u64, String>) {
        match outcome {
            Ok(bytes) => {
                self.latencies_us.push(due.elapsed().as_micros() as u32);
                self.bytes += bytes;
            }
            Err(failure) => self.failures.push(failure),
        }
    }

    fn is_hopeless(&self) -> bool {
        self.failures.len() >= MAX_FAILURES
    }
}

/// `work` on so many threads at once; joined when all have come back.
fn on_threads(threads: usize, work: impl Fn(&mut Done) + Sync) -> Outcome {
    let started = Instant::now();
    let all: Vec<Done> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Done::default();
                    work(&mut done);
                    done
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("a thread of the load panicked")).collect()
    });
    let mut outcome =
        Outcome { seconds: started.elapsed().as_secs_f64(), latencies_us: vec![], failures: vec![], bytes: 0 };
    for done in all {
        outcome.latencies_us.extend(done.latencies_us);
        outcome.failures.extend(done.failures);
        outcome.bytes += done.bytes;
    }
    outcome
}

pub fn storm(target: &Target, threads: usize, seconds: f64) -> Result<Outcome, String> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    Ok(on_threads(threads, |done| {
        while Instant::now() < until && !done.is_hopeless() {
            let due = Instant::now();
            let opened = Session::open(target);
            done.note(due, opened.as_ref().map(|_| 0).map_err(Clone::clone));
            // Leaving is no part of what is measured, and a server that is already gone is no failure of it.
            let _ = opened.map(Session::close);
        }
    }))
}

pub fn paced(target: &Target, threads: usize, seconds: f64, rate: f64) -> Result<Outcome, String> {
    let (next, count) = (AtomicUsize::new(0), (rate * seconds) as usize);
    let started = Instant::now() + Duration::from_millis(50);
    Ok(on_threads(threads, |done| {
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            if turn >= count || done.is_hopeless() {
                return;
            }
            let due = started + Duration::from_secs_f64(turn as f64 / rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let opened = Session::open(target);
            done.note(due, opened.as_ref().map(|_| 0).map_err(Clone::clone));
            let _ = opened.map(Session::close);
        }
    }))
}

/// A few at a time: what is measured is how they rest.
const HOLDERS: usize = 8;

pub fn hold(target: &Target, count: usize) -> Result<Outcome, String> {
    let (next, sessions) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    let outcome = on_threads(HOLDERS, |done| {
        while next.fetch_add(1, Ordering::Relaxed) < count && !done.is_hopeless() {
            let due = Instant::now();
            // A session pooler gives out a server connection with the first query only.
            let opened = Session::open(target).and_then(|mut session| session.run("SELECT 1").map(|_| session));
            done.note(due, opened.as_ref().map(|_| 0).map_err(Clone::clone));
            if let (Ok(session), Ok(mut sessions)) = (opened, sessions.lock()) {
                sessions.push(session);
            }
        }
    });
    println!("held {}", outcome.latencies_us.len());
    let _ = std::io::stdin().read(&mut [0]);
    for session in sessions.into_inner().unwrap_or_default() {
        let _ = session.close();
    }
    Ok(outcome)
}

/// Of one row and one CopyData message; long enough that bytes are what counts.
const ROW_BYTES: usize = 8_000;
const ROWS: usize = 5_000;

pub fn copy_out(target: &Target, threads: usize, seconds: f64) -> Result<Outcome, String> {
    let sql = format!("COPY (SELECT repeat('x', {ROW_BYTES}) FROM generate_series(1, {ROWS})) TO STDOUT");
    copies(target, threads, seconds, |session| session.run(&sql).map(|bytes| bytes as u64))
}

/// Into nowhere: the server reads every row and keeps none.
pub fn copy_in(target: &Target, threads: usize, seconds: f64) -> Result<Outcome, String> {
    let row = [&[b'x'; ROW_BYTES][..], b"\n"].concat();
    copies(target, threads, seconds, |session| {
        session.feed("COPY pg_temp.sink FROM STDIN WHERE false", &row, ROWS)?;
        Ok((ROWS * (row.len() + 5)) as u64)
    })
}

fn copies(
    target: &Target,
    threads: usize,
    seconds: f64,
    copy: impl Fn(&mut Session) -> Result<u64, String> + Sync,
) -> Result<Outcome, String> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    Ok(on_threads(threads, |done| {
        let prepared = Session::open(target)
            .and_then(|mut session| session.run("CREATE TEMP TABLE sink (line text)").map(|_| session));
        match prepared {
            Err(failure) => done.failures.push(failure),
            Ok(mut session) => {
                while Instant::now() < until && done.failures.is_empty() {
                    let due = Instant::now();
                    done.note(due, copy(&mut session));
                }
                let _ = session.close();
            }
        }
    }))
}

/// User and system time of this process.
fn own_cpu_ms() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is valid for writes, and zeroes are a valid rusage.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    ms(usage.ru_utime) + ms(usage.ru_stime)
}
