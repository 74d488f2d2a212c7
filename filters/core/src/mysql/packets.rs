//! A server's packets one by one, with no more of each than its header and the beginning of its payload.

use super::packet::{CONTINUES, HEADER_BYTES};

/// As much of a payload as is ever looked at: an OK packet's kind, two length-encoded numbers, its status.
const LOOKED_AT: usize = 1 + 9 + 9 + 2;
/// What begins like this or above may be no row.
const EOF: u8 = 0xfe;

/// Where in the stream the next bytes stand.
#[derive(Debug, Default, Clone)]
pub(super) struct Packets {
    head: [u8; HEADER_BYTES + LOOKED_AT],
    have: u8,
    skip: u32,
    /// The last packet goes on in the next one.
    continues: bool,
}

/// One that is here as far as it matters.
#[derive(Debug)]
pub(super) struct Packet {
    head: [u8; HEADER_BYTES + LOOKED_AT],
    /// Of its payload.
    pub(super) length: u32,
}

impl Packet {
    /// The payload, as far as it is looked at.
    pub(super) fn beginning(&self) -> &[u8] {
        self.head.get(HEADER_BYTES..HEADER_BYTES + LOOKED_AT.min(self.length as usize)).unwrap_or_default()
    }
}

impl Packets {
    /// True where nothing of a packet is still to come.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.skip == 0 && !self.continues
    }

    /// Moves `bytes` behind rows, as long as header and first byte are at hand: most of all packets.
    #[inline]
    pub(super) fn pass_over_rows(&mut self, bytes: &mut &[u8]) {
        if !self.is_between() {
            return;
        }
        while let [a, b, c, _, first, ..] = **bytes {
            let length = u32::from_le_bytes([a, b, c, 0]);
            if first >= EOF || length == 0 || length == CONTINUES {
                return;
            }
            let Some(rest) = bytes.get(HEADER_BYTES + length as usize..) else {
                self.skip = length + HEADER_BYTES as u32 - bytes.len() as u32;
                *bytes = &[];
                return;
            };
            *bytes = rest;
        }
    }

    /// The next packet that begins something; `bytes` are moved past what was read.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Packet> {
        loop {
            let length = self.header(bytes)?;
            if !std::mem::replace(&mut self.continues, length == CONTINUES) {
                return Some(Packet { head: self.head, length });
            }
        }
    }

    fn header(&mut self, bytes: &mut &[u8]) -> Option<u32> {
        let skipped = (self.skip as usize).min(bytes.len());
        self.skip -= skipped as u32;
        let (_, mut rest) = bytes.split_at(skipped);
        // First the header, then what it says is wanted of the payload.
        let mut wanted = HEADER_BYTES;
        let mut length = 0;
        for inside in [false, true] {
            if inside {
                let [a, b, c, ..] = self.head;
                length = u32::from_le_bytes([a, b, c, 0]);
                wanted += if self.continues { 0 } else { LOOKED_AT.min(length as usize) };
            }
            let have = usize::from(self.have);
            let (taken, behind) = rest.split_at(wanted.saturating_sub(have).min(rest.len()));
            rest = behind;
            if let Some(place) = self.head.get_mut(have..have + taken.len()) {
                place.copy_from_slice(taken);
            }
            self.have += taken.len() as u8;
            if usize::from(self.have) < wanted {
                *bytes = rest;
                return None;
            }
        }
        *bytes = rest;
        self.have = 0;
        self.skip = length - (wanted - HEADER_BYTES) as u32;
        Some(length)
    }
}
