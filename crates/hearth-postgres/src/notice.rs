//! What replicas tell each other over PostgreSQL's `NOTIFY`: the channel, the payload, and both of its directions.
//!
//! A notice is sent in the transaction whose changes it tells of, so that it arrives after them and not without them. Its payload is a JSON
//! array of two: who made the changes, and the changes.
//!
//! ```text
//! ["0198c0de-…",[["support","ada","1",7],["support","ada","2","gone"]]]     a replica: session 1 has reached version 7, 2 was ended or erased
//! ["*",[["support","ada","3",null]]]                                        another program wrote to session 3
//! ["*","everything"]                                                        another program wrote, and it is not known where
//! ```
//!
//! A payload has less than 8,000 bytes: changes that do not fit one go into several.

use std::borrow::Cow;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::sql_types::Text;
use hearth_domain::ports::Change;
use hearth_domain::{ConversationKey, Version};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// The channel of all notices.
pub(crate) const CHANNEL: &str = "hearth_changes";

/// Stands for a list of changes where any session may have changed.
pub(crate) const EVERYTHING: &str = "everything";

/// Stands for a version where the session was ended or erased.
pub(crate) const GONE: &str = "gone";

/// The transaction's setting that keeps the table's trigger quiet, since Hearth's own commits tell of themselves.
pub(crate) const QUIET: &str = "hearth.quiet";

/// One process among those that share a database, by a name that it makes up when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplicaId(pub Uuid);

impl ReplicaId {
    /// A new name, unique without asking anybody.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// As payloads have it.
    pub(crate) fn to_text(self) -> String {
        self.0.to_string()
    }
}

/// Reads a payload. None where it is not understood: anybody may send on the channel. Sessions whose ids Hearth would refuse are left
/// out, since nobody can have asked for them.
pub(crate) fn parse(payload: &str, own: Uuid) -> Option<Vec<Change>> {
    let Ok((sender, entries)) = serde_json::from_str::<(Cow<'_, str>, Vec<Entry<'_>>)>(payload) else {
        let (_, word): (Cow<'_, str>, Cow<'_, str>) = serde_json::from_str(payload).ok()?;
        return (word == EVERYTHING).then(|| vec![Change::Everything]);
    };
    let own = Uuid::try_parse(&sender).is_ok_and(|sender| sender == own);
    let mut changes = Vec::with_capacity(entries.len());
    for Entry(department, user, session, what) in entries {
        let key = ConversationKey::parse(&department, &user, &session);
        if let Some(change) = change(key.ok(), &what, own)? {
            changes.push(change);
        }
    }
    Some(changes)
}

/// A session's key, with its texts where they lie in the payload, and what became of it.
#[derive(Deserialize)]
struct Entry<'a>(
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    Value,
);

/// The outer none is for what is not understood, the inner one for a session that nobody can have asked for.
fn change(key: Option<ConversationKey>, what: &Value, own: bool) -> Option<Option<Change>> {
    let change = |change: &dyn Fn(ConversationKey) -> Change| Some(key.map(change));
    match what {
        Value::Null => change(&Change::Foreign),
        Value::String(word) if word == GONE => change(&|key| Change::Gone { key, own }),
        Value::Number(number) => {
            let version = Version::new(number.as_u64()?).ok()?;
            change(&|key| Change::Committed { key, version, own })
        }
        Value::String(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Writes the common table expression `told`, which tells of the sessions of `changed` and keeps the trigger quiet from then on.
///
/// `changed` names a relation with the columns `department`, `user_id` and `session_id`, and `what` is an expression over it: a version, or
/// [`GONE`] as a text. A statement must read `told`, or PostgreSQL leaves it out; it has one row.
///
/// A change starts a new message where those before it have 6,000 bytes. Valid ids make less than 1,700 bytes, each. Longer ones come
/// from other programs, and are in nobody's memory.
///
/// `OFFSET 0` has each change written once: the planner would else write it anew wherever it is named.
///
/// A full queue of notices would fail the transaction. Where it is half full, because somebody listens and does not read, nobody is told:
/// the heartbeats of the feed stop long before that, and with them the trust in memory.
pub(crate) fn push_told<'b>(
    out: &mut AstPass<'_, 'b, Pg>,
    replica: &'b str,
    changed: &str,
    what: &str,
) -> QueryResult<()> {
    for part in [
        "told AS MATERIALIZED ( \
             SELECT count(pg_notify('",
        CHANNEL,
        "', message)) AS messages, set_config('",
        QUIET,
        "', 'on', true) AS quiet \
             FROM (SELECT '[\"' || ",
    ] {
        out.push_sql(part);
    }
    out.push_bind_param::<Text, _>(replica)?;
    for part in [
        "::text || '\",[' || string_agg(change, ',') || ']]' AS message \
                  FROM (SELECT change, (sum(octet_length(change) + 1) OVER (ROWS UNBOUNDED PRECEDING) \
                                        - octet_length(change)) / 6000 AS part \
                        FROM (SELECT json_build_array(department, user_id, session_id, ",
        what,
        ")::text AS change FROM ",
        changed,
        " OFFSET 0) AS changes WHERE octet_length(change) < 1900) AS divided \
                  GROUP BY part) AS messages \
             WHERE pg_notification_queue_usage() < 0.5 \
         )",
    ] {
        out.push_sql(part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: &str) -> ConversationKey {
        ConversationKey::parse("d", "u", session).unwrap()
    }

    #[test]
    fn payloads_are_read() {
        let own = Uuid::from_u128(7);
        let check = |sender: &str, changes: &str, expected: Option<Vec<Change>>| {
            let payload = format!(r#"["{sender}",{changes}]"#);
            assert_eq!(parse(&payload, own), expected, "{payload}");
        };
        let committed = |number, own| Change::Committed {
            key: key("s"),
            version: Version::new(number).unwrap(),
            own,
        };
        let (ours, other) = (own.to_string(), Uuid::from_u128(8).to_string());
        check(&ours, r#"[["d","u","s",7]]"#, Some(vec![committed(7, true)]));
        check(&other, r#"[["d","u","s",7]]"#, Some(vec![committed(7, false)]));
        let gone = Change::Gone {
            key: key("\"1\""),
            own: true,
        };
        check(
            &ours,
            r#"[["d", "u", "\"1\"", "gone"], ["d", "u", "s", 0]]"#,
            Some(vec![gone, committed(0, true)]),
        );
        check(
            "*",
            r#"[["d","u","s",null],["d","u","a\nb",null]]"#,
            Some(vec![Change::Foreign(key("s"))]),
        );
        check("*", r#""everything""#, Some(vec![Change::Everything]));
        check("*", "[]", Some(Vec::new()));
        for broken in [
            "7",
            r#""something""#,
            r#"[["d","u","s"]]"#,
            r#"[["d","u","s",-1]]"#,
            r#"[["d","u","s",true]]"#,
            r#"[["d","u","s","ended"]]"#,
        ] {
            check("*", broken, None);
        }
        assert_eq!(parse("", own), None);
    }
}
