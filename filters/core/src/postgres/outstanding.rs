//! What the server has yet to answer by ReadyForQuery, in its order; and the ends of copies that were sent ahead.

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Query or FunctionCall.
    Query,
    /// A Sync behind work of the extended protocol.
    Work,
    /// A Sync behind none.
    Sync,
    /// CopyDone or CopyFail: nothing answers it.
    CopyEnd,
}

/// The entries that are told apart; of more than these only the number is known.
const KNOWN: u32 = 32;

/// A queue of two bits an entry.
#[derive(Debug, Default, Clone)]
pub struct Outstanding {
    entries: u64,
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

    /// Appends one.
    pub fn push(&mut self, entry: Entry) {
        if self.known < KNOWN && self.further == 0 {
            self.entries |= entry.bits() << (2 * self.known);
            self.known += 1;
        } else if entry != Entry::CopyEnd {
            self.further = self.further.saturating_add(1);
        }
    }

    /// Takes the first that is owed an answer.
    pub fn pop(&mut self) -> Option<Entry> {
        let first = loop {
            match self.shift() {
                Some(Entry::CopyEnd) => {}
                first => break first,
            }
        };
        // What follows an answer begins with what is owed one.
        while self.known > 0 && self.at(0) == Entry::CopyEnd {
            self.shift();
        }
        first
    }

    fn shift(&mut self) -> Option<Entry> {
        if self.known > 0 {
            let first = self.at(0);
            self.entries >>= 2;
            self.known -= 1;
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
                Entry::Query => return None,
            }
            self.remove(keep);
        }
        Some(dropped)
    }

    fn at(&self, place: u32) -> Entry {
        Entry::from_bits(self.entries >> (2 * place))
    }

    fn remove(&mut self, place: u32) {
        let before = (1u64 << (2 * place)) - 1;
        self.entries = self.entries & before | self.entries >> 2 & !before;
        self.known -= 1;
    }
}

impl Entry {
    fn bits(self) -> u64 {
        match self {
            Self::Query => 0,
            Self::Work => 1,
            Self::Sync => 2,
            Self::CopyEnd => 3,
        }
    }

    fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Query,
            1 => Self::Work,
            2 => Self::Sync,
            _ => Self::CopyEnd,
        }
    }
}
