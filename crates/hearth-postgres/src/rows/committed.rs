//! The answer of a batch: what one statement says of all turns that it took.

use chrono::{DateTime, Utc};
use diesel::Queryable;
use hearth_domain::{Committed, CommittedMessage, MessageId, Version};

use crate::error::Fault;
use crate::rows::version_of;

/// What was committed of a batch.
#[derive(Debug, Queryable)]
pub(crate) struct CommittedBatch {
    /// Of each session the version with all its turns of the batch; none where it was refused.
    versions: Vec<Option<i64>>,
    /// Of each message of the others its id, in the order in which they were sent.
    ids: Vec<i64>,
    /// Of each of these messages its time; or one time, which is that of all.
    times: Vec<DateTime<Utc>>,
}

/// A turn of a batch, where it stands in the statement.
#[derive(Debug)]
pub(crate) struct SentTurn {
    /// Its place among the turns as they were given.
    pub(crate) place: usize,
    /// The place of its session among those of the statement.
    pub(crate) session: usize,
    /// How many messages it has.
    pub(crate) messages: usize,
}

impl CommittedBatch {
    /// What each turn came to, by its place; `sent` are the turns in the order of the statement.
    pub(crate) fn outcomes(&self, sent: &[SentTurn]) -> Result<Vec<Option<Committed>>, Fault> {
        let lacking = || Fault::failed("the commit did not answer for every message that it was given");
        // An annulled batch has none.
        let sessions = sent.last().map_or(0, |turn| turn.session + 1);
        if !self.versions.is_empty() && self.versions.len() != sessions {
            return Err(lacking());
        }
        let mut outcomes = vec![None; sent.len()];
        let mut messages = self.messages();
        for turns in sent.chunk_by(|one, other| one.session == other.session) {
            let session = turns.first().map_or(0, |turn| turn.session);
            let Some(last) = self.versions.get(session).copied().flatten() else {
                continue;
            };
            let before = u64::try_from(turns.len()).ok().and_then(|turns| {
                let last = version_of(last).ok()?;
                Version::new(last.get().checked_sub(turns)?).ok()
            });
            let mut version = before.ok_or_else(lacking)?;
            for turn in turns {
                version = version.next();
                let committed = Committed {
                    version,
                    messages: messages.by_ref().take(turn.messages).collect(),
                };
                if committed.messages.len() < turn.messages {
                    return Err(lacking());
                }
                *outcomes.get_mut(turn.place).ok_or_else(lacking)? = Some(committed);
            }
        }
        match messages.next() {
            None => Ok(outcomes),
            Some(_) => Err(lacking()),
        }
    }

    fn messages(&self) -> impl Iterator<Item = CommittedMessage> {
        let of_all = match self.times.as_slice() {
            [time] => Some(*time),
            _ => None,
        };
        let time = move |index: usize| of_all.or_else(|| self.times.get(index).copied());
        let message = move |(index, id): (usize, &i64)| {
            Some(CommittedMessage {
                id: MessageId(*id),
                created_at: time(index)?,
            })
        };
        self.ids.iter().enumerate().map_while(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    /// A turn's version and ids, where it was committed.
    type Said = Option<(u64, Vec<i64>)>;

    fn outcomes(versions: &[Option<i64>], ids: &[i64], turns: &[(usize, usize, usize)]) -> Option<Vec<Said>> {
        let batch = CommittedBatch {
            versions: versions.to_vec(),
            ids: ids.to_vec(),
            times: vec![time(1)],
        };
        let turn = |&(place, session, messages)| SentTurn {
            place,
            session,
            messages,
        };
        let sent: Vec<SentTurn> = turns.iter().map(turn).collect();
        let said = |committed: Committed| {
            let ids = committed.messages.iter().map(|message| message.id.0).collect();
            (committed.version.get(), ids)
        };
        let outcomes = batch.outcomes(&sent).ok()?;
        Some(outcomes.into_iter().map(|one| one.map(said)).collect())
    }

    #[test]
    fn turns_get_the_versions_and_ids_of_their_session() {
        let turns = [(1, 0, 2), (2, 0, 1), (0, 1, 1)];
        assert_eq!(
            outcomes(&[Some(7), Some(1)], &[10, 11, 12, 20], &turns),
            Some(vec![
                Some((1, vec![20])),
                Some((6, vec![10, 11])),
                Some((7, vec![12]))
            ])
        );
        assert_eq!(
            outcomes(&[None, Some(3)], &[20], &turns),
            Some(vec![Some((3, vec![20])), None, None])
        );
        assert_eq!(
            outcomes(&[], &[], &turns),
            Some(vec![None, None, None]),
            "annulled"
        );
    }

    #[test]
    fn an_answer_that_does_not_add_up_is_none() {
        for (versions, ids) in [
            ([Some(2)], [10, 11].as_slice()),
            ([Some(2)], &[10, 11, 12, 13]),
            ([Some(1)], &[10, 11, 12]),
        ] {
            assert_eq!(outcomes(&versions, ids, &[(0, 0, 2), (1, 0, 1)]), None, "{ids:?}");
        }
        let turns = [(0, 0, 1), (1, 1, 1)];
        for versions in [[Some(1)].as_slice(), &[Some(1); 3]] {
            assert_eq!(outcomes(versions, &[10, 11], &turns), None, "{versions:?}");
        }
    }

    #[test]
    fn times_are_one_a_message_or_one_for_all() {
        let check = |times: &[i64], expected: &[i64]| {
            let batch = CommittedBatch {
                versions: vec![Some(1)],
                ids: vec![10, 11],
                times: times.iter().copied().map(time).collect(),
            };
            let read: Vec<_> = batch.messages().map(|message| message.created_at).collect();
            let expected: Vec<_> = expected.iter().copied().map(time).collect();
            assert_eq!(read, expected);
        };
        check(&[5], &[5, 5]);
        check(&[5, 6], &[5, 6]);
    }
}
