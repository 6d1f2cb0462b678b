//! Which part of a window a prompt holds.
//!
//! Providers cache a prompt by its prefix, so a prompt that loses its oldest exchange with every turn is never found again. The prompt
//! therefore begins at an exchange whose number in the session is a multiple of a block: it begins at the same message for as many turns
//! as a block has, while the window slides on.

use hearth_domain::History;

/// Exchanges that are left out together, at most.
const BLOCK_MAX: u64 = 8;

/// Estimated tokens of a message beyond its content: its role and its delimiters.
const MESSAGE_TOKENS: usize = 4;

/// Bytes of content that are counted as a token.
const TOKEN_BYTES: usize = 3;

/// A query counts for one part in so many of the budget even where it is shorter, so that its length does not move the beginning.
const QUERY_SHARE: usize = 8;

/// How many of the history's oldest messages a prompt leaves out. It begins at the first message, or at a question.
///
/// - Nothing is left out where the history is all of the session and fits into the budget.
/// - Otherwise it begins with the first exchange of a block that fits. A block has eight exchanges, or half as many until at least half
///   of the exchanges that fit are kept: a narrow budget cuts more often, in the end exchange by exchange.
/// - Nothing of the history is kept where not even its last exchange fits.
///
/// Exchanges are numbered by the session's version, which Hearth's own turns raise one by one. Turns of other programs, and turns
/// with several questions, shift the numbers: the beginning then moves once more than it would have.
pub(crate) fn first_kept(history: &History, system: Option<&str>, query: &str, tokens_max: u32) -> usize {
    let begins = exchanges(history);
    let budget = budget(system, query, tokens_max);
    let fits = |begin: usize| budget.is_none_or(|budget| tokens_from(history, begin) <= budget);
    let Some(first) = begins.iter().position(|begin| fits(*begin)) else {
        return history.len();
    };
    if first == 0 && !history.is_truncated() {
        return 0;
    }
    let fitting = begins.get(first..).unwrap_or_default();
    let block = block(fitting.len());
    // The number of the first exchange of the history; of other programs' sessions it may be less than none.
    let count = u64::try_from(begins.len()).unwrap_or(u64::MAX);
    let oldest = history.version().get().wrapping_sub(count);
    let offset = u64::try_from(first).unwrap_or(u64::MAX);
    let number = oldest.wrapping_add(offset);
    // A block is a power of two, so that this also holds where the numbers wrap.
    let ahead = number.wrapping_neg() % block;
    let ahead = usize::try_from(ahead).unwrap_or(0);
    fitting.get(ahead).copied().unwrap_or(history.len())
}

/// The largest block that leaves at least half of `fitting` exchanges wherever its boundary lies.
fn block(fitting: usize) -> u64 {
    let fitting = u64::try_from(fitting).unwrap_or(u64::MAX);
    let mut block = BLOCK_MAX;
    while block > 1 && (block - 1) * 2 > fitting {
        block /= 2;
    }
    block
}

/// Where exchanges begin: at the first message, and at each message after an answer that is none itself.
fn exchanges(history: &History) -> Vec<usize> {
    let mut begins = Vec::with_capacity(history.len() / 2 + 1);
    let mut answered = true;
    for (index, role) in history.roles().enumerate() {
        if answered && !(role.is_answer() && index > 0) {
            begins.push(index);
        }
        answered = role.is_answer();
    }
    begins
}

/// Tokens that the history may have; nothing where any number fits.
fn budget(system: Option<&str>, query: &str, tokens_max: u32) -> Option<usize> {
    if tokens_max == 0 {
        return None;
    }
    let tokens_max = usize::try_from(tokens_max).unwrap_or(usize::MAX);
    let system = system.map_or(0, tokens);
    let query = tokens(query).max(tokens_max / QUERY_SHARE);
    Some(tokens_max.saturating_sub(system).saturating_sub(query))
}

/// What the history has from the message at `begin` on.
fn tokens_from(history: &History, begin: usize) -> usize {
    let messages = history.len().saturating_sub(begin);
    history.content_bytes_from(begin).div_ceil(TOKEN_BYTES) + messages * MESSAGE_TOKENS
}

fn tokens(content: &str) -> usize {
    content.len().div_ceil(TOKEN_BYTES) + MESSAGE_TOKENS
}
