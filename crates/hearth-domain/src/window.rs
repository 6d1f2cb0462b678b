//! Cutting a window out of a session: which of its newest messages a history keeps.

use crate::invalid::Invalid;
use crate::limits::{
    WINDOW_MESSAGES_DEFAULT, WINDOW_MESSAGES_MAX, WINDOW_RESPONSES_DEFAULT, WINDOW_RESPONSES_MAX,
};
use crate::role::Role;

/// How much of a session a history keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimits {
    responses_max: u16,
    messages_max: u16,
}

impl Default for WindowLimits {
    fn default() -> Self {
        Self {
            responses_max: WINDOW_RESPONSES_DEFAULT,
            messages_max: WINDOW_MESSAGES_DEFAULT,
        }
    }
}

impl WindowLimits {
    /// Limits within the product's bounds.
    ///
    /// # Errors
    ///
    /// [`Invalid::WindowLimits`] where one is zero or too large.
    pub const fn new(responses_max: u16, messages_max: u16) -> Result<Self, Invalid> {
        if responses_max == 0
            || messages_max == 0
            || responses_max > WINDOW_RESPONSES_MAX
            || messages_max > WINDOW_MESSAGES_MAX
        {
            return Err(Invalid::WindowLimits);
        }
        Ok(Self {
            responses_max,
            messages_max,
        })
    }

    /// Responses that a history holds, at most.
    #[must_use]
    pub const fn responses_max(self) -> u16 {
        self.responses_max
    }

    /// Messages that a history holds, at most.
    #[must_use]
    pub const fn messages_max(self) -> u16 {
        self.messages_max
    }

    /// Newest rows that a store reads to cut a window: one more than it holds, which tells whether anything is older.
    #[must_use]
    pub fn rows_to_read(self) -> i64 {
        i64::from(self.messages_max) + 1
    }
}

/// Where a window begins among the messages that it was cut out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The index of the first message that is kept.
    pub start: usize,
    /// Whether the session has messages older than the window.
    pub truncated: bool,
}

/// Cuts the window out of `roles`, oldest first; `older` says whether the session has messages before the first of them.
///
/// The window is the longest run of newest messages within the limits. Where anything before it is left out, it does not begin with
/// an answer, whose question would be among what is missing. A question at the end that nobody has answered yet is kept.
#[must_use]
pub fn cut(roles: &[Role], older: bool, limits: WindowLimits) -> Cut {
    let mut responses = 0_u16;
    let mut kept = 0_u16;
    let within = roles.iter().rev().take_while(|role| {
        kept = kept.saturating_add(1);
        if **role == Role::Assistant {
            responses = responses.saturating_add(1);
        }
        kept <= limits.messages_max && responses <= limits.responses_max
    });
    let start = roles.len() - within.count();
    let truncated = older || start > 0;
    if !truncated {
        return Cut { start, truncated };
    }
    let orphans = roles
        .iter()
        .skip(start)
        .take_while(|role| role.is_answer())
        .count();
    Cut {
        start: start + orphans,
        truncated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `u`, `a`, `s`, `t` are the roles; `|` stands where the window is expected to begin.
    fn check(picture: &str, older: bool, limits: (u16, u16)) {
        let roles: Vec<Role> = picture
            .chars()
            .filter_map(|letter| match letter {
                'u' => Some(Role::User),
                'a' => Some(Role::Assistant),
                's' => Some(Role::System),
                't' => Some(Role::Tool),
                _ => None,
            })
            .collect();
        let expected = picture.find('|').expect("a picture has its bar");
        let limits = WindowLimits::new(limits.0, limits.1).unwrap();
        let cut = cut(&roles, older, limits);
        assert_eq!(cut.start, expected, "{picture}");
        assert_eq!(cut.truncated, older || expected > 0, "{picture}");
    }

    #[test]
    fn windows_begin_where_they_should() {
        check("|", false, (2, 8));
        check("|ua", false, (2, 8));
        check("|uaua", false, (2, 8));
        check("ua|uaua", false, (2, 8));
        check("ua|uauau", false, (2, 8));
        check("uaa|uaau", false, (2, 8));
        check("uta|ua", false, (1, 8));
        check("ua|suaua", false, (2, 8));
        check("uat|ua", false, (1, 3));
        check("uuuu|uuu", false, (2, 3));
    }

    #[test]
    fn a_leading_answer_stays_only_where_nothing_is_missing_before_it() {
        check("|aua", false, (2, 8));
        check("a|ua", true, (2, 8));
        check("aaa|", true, (2, 8));
        check("|u", true, (2, 8));
    }

    #[test]
    fn limits_have_bounds() {
        for (responses, messages) in [(0, 1), (1, 0), (1_001, 1), (1, 8_001)] {
            assert_eq!(WindowLimits::new(responses, messages), Err(Invalid::WindowLimits));
        }
    }
}
