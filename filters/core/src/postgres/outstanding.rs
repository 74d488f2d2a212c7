//! What the server has yet to answer by ReadyForQuery, in its order; and the ends of copies that were sent ahead.

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Query or FunctionCall.
    Query,
    /// The same behind work of the extended protocol that has neither a Sync nor all of its answers: see
    /// [`super::unsynced`].
    Mixed,
    /// A Sync behind work of the extended protocol.
    Work,
    /// A Sync behind none.
    Sync,
    /// CopyDone or CopyFail: nothing answers it.
    CopyEnd,
}

/// The entries that are told apart; of more than these only the number is known.
const KNOWN: u32 = 32;

/// Of an entry.
const BITS: u32 = 4;

/// A queue.
#[derive(Debug, Default, Clone)]
pub struct Outstanding {
    /// A `u128`, whose alignment would make the whole larger.
    entries: [u8; (KNOWN * BITS / 8) as usize],
    known: u32,
    /// Behind the known ones.
    further: u32,
}

/// What [`Outstanding::drop_syncs`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// A Sync was dropped.
    pub any: bool,
    /// The copy's end was found, and dropped too.
    pub found_end: bool,
}

impl Outstanding {
    /// True where nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.known == 0 && self.further == 0
    }

    /// The one that is being answered; of the further ones it is not known which.
    pub fn first(&self) -> Option<Entry> {
        match self.known {
            0 => (self.further > 0).then_some(Entry::Work),
            _ => Some(self.at(0)),
        }
    }

    /// Makes `entry` of the first.
    pub fn replace_first(&mut self, entry: Entry) {
        if self.known > 0 {
            self.set(self.bits() & !0xf | entry.bits());
        }
    }

    /// Appends one; false where it had to be told apart and can't be.
    pub fn push(&mut self, entry: Entry) -> bool {
        if self.known < KNOWN && self.further == 0 {
            self.set(self.bits() | entry.bits() << (BITS * self.known));
            self.known += 1;
            return true;
        }
        self.further = self.further.saturating_add(1);
        !matches!(entry, Entry::Mixed | Entry::CopyEnd)
    }

    /// Takes the first that is owed an answer.
    pub fn pop(&mut self) -> Option<Entry> {
        let first = loop {
            match self.shift() {
                Some(Entry::CopyEnd) => {}
                first => break first,
            }
        };
        self.drop_copy_ends();
        first
    }

    /// What is first is owed an answer.
    fn drop_copy_ends(&mut self) {
        while self.known > 0 && self.at(0) == Entry::CopyEnd {
            self.remove(0);
        }
    }

    fn shift(&mut self) -> Option<Entry> {
        if self.known > 0 {
            let first = self.at(0);
            self.remove(0);
            return Some(first);
        }
        self.further = self.further.checked_sub(1)?;
        Some(Entry::Work)
    }

    /// Drops each Sync up to the next copy's end and that end, behind a Query that comes first. `None` where that can't be
    /// told.
    pub fn drop_syncs(&mut self) -> Option<Dropped> {
        if self.further > 0 {
            return None;
        }
        let keep = u32::from(self.known > 0 && self.at(0) == Entry::Query);
        let mut dropped = Dropped { any: false, found_end: false };
        while self.known > keep && !dropped.found_end {
            match self.at(keep) {
                Entry::CopyEnd => dropped.found_end = true,
                Entry::Work | Entry::Sync => dropped.any |= keep == 0,
                Entry::Query | Entry::Mixed => return None,
            }
            self.remove(keep);
        }
        self.drop_copy_ends();
        Some(dropped)
    }

    /// Drops what comes before the next Sync, and says whether there is one. `None` where that can't be told.
    pub fn drop_to_sync(&mut self) -> Option<bool> {
        while self.known > 0 {
            if matches!(self.at(0), Entry::Work | Entry::Sync) {
                return Some(true);
            }
            self.remove(0);
        }
        (self.further == 0).then_some(false)
    }

    fn at(&self, place: u32) -> Entry {
        Entry::from_bits(self.bits() >> (BITS * place))
    }

    fn remove(&mut self, place: u32) {
        let before = (1u128 << (BITS * place)) - 1;
        self.set(self.bits() & before | self.bits() >> BITS & !before);
        self.known -= 1;
    }

    fn bits(&self) -> u128 {
        u128::from_le_bytes(self.entries)
    }

    fn set(&mut self, bits: u128) {
        self.entries = bits.to_le_bytes();
    }
}

impl Entry {
    fn bits(self) -> u128 {
        match self {
            Self::Query => 0,
            Self::Mixed => 1,
            Self::Work => 2,
            Self::Sync => 3,
            Self::CopyEnd => 4,
        }
    }

    fn from_bits(bits: u128) -> Self {
        match bits & 0xf {
            0 => Self::Query,
            1 => Self::Mixed,
            2 => Self::Work,
            3 => Self::Sync,
            _ => Self::CopyEnd,
        }
    }
}
