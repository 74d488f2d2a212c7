//! The roll of sessions that rest: what the brain's answers are taken for, and whom a node offers and ends.

use std::collections::{HashMap, HashSet};

use sluice_core::surplus::{self, Roll};

use crate::pieces::Choices;

const MOST: usize = 1_000;
const CROWD: usize = 600;
const MOST_STEPS: usize = 48;
/// Longer than any session rests without a look.
const UNSEEN_MS: u64 = 3_000;

/// Any answer is ids of 32 bytes, one after the other, or no answer; and nobody is offered or ended who should not be.
pub fn surplus(input: &[u8]) {
    if let Some(ids) = surplus::answer(input) {
        assert!(ids.iter().all(|id| id.len() == 32));
        assert_eq!(input.len(), 5 + 34 * ids.len(), "an id out of nothing, or one that is lost");
    }
    let mut node = Node { now_ms: 1_000_000, ..Node::default() };
    let mut choices = Choices(input);
    for _ in 0..MOST_STEPS {
        if choices.0.is_empty() {
            break;
        }
        node.step(&mut choices);
    }
}

#[derive(Default)]
struct Node {
    roll: Roll,
    now_ms: u64,
    /// Cluster, since when at rest, and when they looked.
    resting: HashMap<String, (u8, u64, u64)>,
    called: HashSet<String>,
    /// Of those that are called: who has learned it.
    heard: HashSet<String>,
}

impl Node {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let what = choices.byte();
        self.now_ms += u64::from(choices.byte()) * 10;
        match what % 4 {
            // A crowd, or one.
            0 if what & 4 == 4 => {
                let first = CROWD * usize::from(choices.byte());
                (first..first + CROWD).for_each(|number| self.look(number, what));
            }
            0 | 1 => self.look(usize::from(choices.byte()), what),
            2 => self.asks(),
            _ => self.hears(choices),
        }
    }

    fn look(&mut self, number: usize, what: u8) {
        let (id, cluster) = (format!("{number:032}"), what >> 5);
        let since_ms = self.now_ms.saturating_sub(number as u64);
        let is_called = self.roll.look(id.clone(), cluster.to_string(), since_ms, self.now_ms);
        if is_called {
            assert!(self.called.contains(&id) && self.heard.insert(id.clone()), "ends though nobody calls it");
            self.resting.remove(&id);
        } else {
            self.resting.insert(id, (cluster, since_ms, self.now_ms));
        }
    }

    fn asks(&mut self) {
        let Some(question) = self.roll.question(self.now_ms) else { return };
        self.resting.retain(|_, (.., seen_ms)| *seen_ms + UNSEEN_MS > self.now_ms);
        let offered = offered(&question);
        assert_eq!(offered.len(), self.resting.len().min(MOST));
        let all: HashSet<_> = offered.iter().collect();
        assert_eq!(all.len(), offered.len(), "offered twice");
        let again = offered.iter().take_while(|id| self.called.contains(*id)).count();
        assert!(offered[again..].iter().all(|id| !self.called.contains(id)), "who is called comes first");
        let mut shares = [0; 8];
        for id in &offered[again..] {
            let (cluster, ..) = *self.resting.get(id).expect("one that rests");
            shares[usize::from(cluster)] += 1;
        }
        let most = *shares.iter().max().expect("eight");
        for (id, (cluster, since_ms, _)) in self.resting.iter().filter(|(id, _)| !all.contains(id)) {
            assert!(shares[usize::from(*cluster)] + 1 >= most, "others hide {id}, at rest since {since_ms}");
        }
    }

    fn hears(&mut self, choices: &mut Choices<'_>) {
        let count = usize::from(choices.byte() % 8);
        let ids: Vec<String> = (0..count).map(|_| format!("{:032}", choices.byte())).collect();
        let message: Vec<u8> = ids.iter().flat_map(|id| [&[0x0a, 32], id.as_bytes()].concat()).collect();
        let body = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
        self.roll.answered(self.now_ms, &body);
        self.called = ids.into_iter().collect();
        self.heard.clear();
    }
}

/// The ids of a question.
fn offered(question: &[u8]) -> Vec<String> {
    let mut left = &question[5..];
    let mut ids = Vec::new();
    while let [0x0a, length, rest @ ..] = left {
        let (offer, behind) = rest.split_at(usize::from(*length));
        assert_eq!(offer[..2], [0x0a, 32]);
        ids.push(String::from_utf8(offer[2..34].to_vec()).expect("an id"));
        left = behind;
    }
    assert!(left.is_empty());
    ids
}
