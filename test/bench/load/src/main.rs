//! Load on one Postgres front, measured from the client: one JSON line on stdout.
//!
//! ```text
//! sluice-load storm  TARGET... --threads N --seconds T             connect, log in, leave; as fast as it goes
//! sluice-load paced  TARGET... --threads N --seconds T --rate R    the same at a fixed rate, whatever it takes (open loop)
//! sluice-load hold   TARGET... --count N                           N idle sessions until stdin ends
//! sluice-load out    TARGET... --threads N --seconds T             COPY TO STDOUT, again and again
//! sluice-load in     TARGET... --threads N --seconds T             COPY FROM STDIN, again and again
//!
//! TARGET: --address HOST:PORT --name SNI --user U --database D [--direct]; the password is in PGPASSWORD
//! ```
//!
//! Latencies are microseconds, from the moment when the work was due: a server that stalls makes all that was due
//! meanwhile late, and it is counted so.

mod base64;
mod load;
mod scram;
mod session;
mod trust;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::load::Outcome;
use crate::session::Target;

fn main() -> ExitCode {
    match run() {
        Ok(outcome) => {
            println!("{}", outcome.to_json());
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("sluice-load: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Outcome, String> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().ok_or("expected storm, paced, hold, out or in")?;
    let mut options = HashMap::new();
    let mut direct = false;
    while let Some(name) = arguments.next() {
        if name == "--direct" {
            direct = true;
        } else {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            options.insert(name, value);
        }
    }
    let text = |name: &str| options.get(name).ok_or_else(|| format!("expected {name}"));
    let number =
        |name: &str| -> Result<f64, String> { text(name)?.parse().map_err(|error| format!("{name}: {error}")) };
    let password = std::env::var("PGPASSWORD").map_err(|_| "expected PGPASSWORD")?;
    let target = Target {
        address: text("--address")?.parse().map_err(|error| format!("--address: {error}"))?,
        name: text("--name")?.clone().try_into().map_err(|error| format!("--name: {error}"))?,
        direct,
        account: scram::Account::new(text("--user")?.clone(), password),
        database: text("--database")?.clone(),
        tls: tls(direct),
        random: ring::rand::SystemRandom::new(),
    };
    let threads = || number("--threads").map(|threads| threads as usize);
    match mode.as_str() {
        "storm" => load::storm(&target, threads()?, number("--seconds")?),
        "paced" => load::paced(&target, threads()?, number("--seconds")?, number("--rate")?),
        "hold" => load::hold(&target, number("--count")? as usize),
        "out" => load::copy_out(&target, threads()?, number("--seconds")?),
        "in" => load::copy_in(&target, threads()?, number("--seconds")?),
        other => Err(format!("expected storm, paced, hold, out or in, found {other:?}")),
    }
}

fn tls(direct: bool) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust::Anything))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    if direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Arc::new(config)
}
