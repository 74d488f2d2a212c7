//! Commands that the server has yet to answer, in its order. Connectors of MariaDB send some ahead, most of them of one kind.

/// How the server answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// OK, ERR or EOF.
    #[default]
    One,
    /// OK, ERR, results or the wish for a file; perhaps several.
    Results,
    /// What was prepared, with its definitions.
    Prepared,
    /// Rows of a cursor.
    Rows,
    /// Definitions of a table's fields.
    Fields,
    /// A line of text.
    Text,
}

impl Kind {
    /// Of the command that begins with this byte. `Ok(None)`: no answer. `Err`: one that never ends, or is not known.
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>,
    /// <https://mariadb.com/kb/en/2-text-protocol/>
    pub fn of(command: u8) -> Result<Option<Self>, Endless> {
        Ok(Some(match command {
            // COM_QUIT, COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE.
            0x01 | 0x18 | 0x19 => return Ok(None),
            // COM_QUERY, COM_PROCESS_INFO, COM_STMT_EXECUTE, MariaDB's COM_STMT_BULK_EXECUTE.
            0x03 | 0x0a | 0x17 | 0xfa => Self::Results,
            0x04 => Self::Fields,
            0x09 => Self::Text,
            0x16 => Self::Prepared,
            0x1c => Self::Rows,
            // Binary logs, table dumps, clones, group replication, MariaDB's COM_MULTI.
            0x12 | 0x13 | 0x1e | 0x20 | 0x21 | 0xfe => return Err(Endless),
            _ => Self::One,
        }))
    }
}

/// An answer that can't be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endless;

const RUNS: usize = 16;

/// A queue, by runs of one kind.
#[derive(Debug, Default, Clone)]
pub struct Outstanding {
    runs: [(Kind, u16); RUNS],
    used: u8,
}

impl Outstanding {
    /// The one that is being answered.
    pub fn first(&self) -> Option<Kind> {
        self.runs.first().filter(|_| self.used > 0).map(|(kind, _)| *kind)
    }

    /// Appends one; false when there is no room.
    pub fn push(&mut self, kind: Kind) -> bool {
        let used = usize::from(self.used);
        let last = used.checked_sub(1).and_then(|last| self.runs.get_mut(last));
        if let Some((_, count)) = last.filter(|(last, _)| *last == kind) {
            let next = count.checked_add(1);
            *count = next.unwrap_or(*count);
            return next.is_some();
        }
        let Some(free) = self.runs.get_mut(used) else { return false };
        *free = (kind, 1);
        self.used += 1;
        true
    }

    /// Takes the first.
    pub fn pop(&mut self) -> Option<Kind> {
        let (kind, count) = self.runs.first_mut().filter(|_| self.used > 0)?;
        let kind = *kind;
        *count -= 1;
        if *count == 0 {
            self.runs.rotate_left(1);
            self.used -= 1;
        }
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_first_is_answered_first() {
        let mut outstanding = Outstanding::default();
        let asked = [Kind::Results, Kind::Results, Kind::One, Kind::Results, Kind::Text];
        assert!(asked.into_iter().all(|kind| outstanding.push(kind)));
        for kind in asked {
            assert_eq!((outstanding.first(), outstanding.pop()), (Some(kind), Some(kind)));
        }
        assert_eq!((outstanding.first(), outstanding.pop()), (None, None));
    }

    #[test]
    fn it_has_room_for_a_bounded_number() {
        let mut alternating = Outstanding::default();
        let kinds = [Kind::One, Kind::Results].into_iter().cycle();
        assert_eq!(kinds.take_while(|kind| alternating.push(*kind)).take(99).count(), RUNS);
        let mut alike = Outstanding::default();
        assert_eq!((0..99_999).take_while(|_| alike.push(Kind::Results)).count(), usize::from(u16::MAX));
    }
}
