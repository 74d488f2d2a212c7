//! SCRAM-SHA-256 as a client (RFC 5802, RFC 7677), without channel binding.
//!
//! The password's key is derived once for each salt: a driver pays some 2 ms for it on every connection, which would
//! measure the driver.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Mutex;

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

use crate::base64;

type Keys = HashMap<(Vec<u8>, u32), [u8; 32]>;

/// One account's password and what was derived from it.
pub struct Account {
    pub user: String,
    password: String,
    keys: Mutex<Keys>,
}

impl Account {
    pub fn new(user: String, password: String) -> Self {
        Self { user, password, keys: Mutex::default() }
    }

    fn salted_password(&self, salt: &[u8], iterations: NonZeroU32) -> [u8; 32] {
        let mut keys = self.keys.lock().expect("no thread panics while it derives");
        *keys.entry((salt.to_vec(), iterations.get())).or_insert_with(|| {
            let mut key = [0; 32];
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, self.password.as_bytes(), &mut key);
            key
        })
    }
}

/// One exchange.
pub struct Exchange {
    nonce: String,
}

impl Exchange {
    pub fn begin(random: &SystemRandom) -> Result<Self, String> {
        let mut nonce = [0; 18];
        random.fill(&mut nonce).map_err(|_| "no random bytes")?;
        Ok(Self { nonce: base64::encode(&nonce) })
    }

    pub fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    /// Postgres takes the user from the startup message.
    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// The answer to the server's first message.
    pub fn last(&self, account: &Account, server_first: &str) -> Result<String, String> {
        let field = |name: char| {
            server_first
                .split(',')
                .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| format!("no {name} in {server_first:?}"))
        };
        let (nonce, salt) = (field('r')?, base64::decode(field('s')?).ok_or("a salt that is no base64")?);
        if !nonce.starts_with(&self.nonce) {
            return Err("the server answers another nonce".into());
        }
        let iterations = field('i')?.parse().map_err(|error| format!("iterations: {error}"))?;
        let salted = hmac::Key::new(hmac::HMAC_SHA256, &account.salted_password(&salt, iterations));
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.bare());
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, stored_key.as_ref()), signed.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        Ok(format!("{without_proof},p={}", base64::encode(&proof)))
    }
}
