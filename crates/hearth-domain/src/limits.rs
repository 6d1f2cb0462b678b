//! Every bound of the product in one place, the unit in the name.

/// Characters in a department, a user or a session id, at most.
pub const ID_CHARS_MAX: usize = 128;

/// Bytes in the content of one message that a caller sends, at most. Rows that were in a table before Hearth may be longer.
pub const CONTENT_BYTES_MAX: usize = 32_768;

/// Messages in one turn, at most.
pub const TURN_MESSAGES_MAX: usize = 16;

/// Responses in a history, unless configured otherwise.
pub const WINDOW_RESPONSES_DEFAULT: u16 = 30;

/// Messages in a history, unless configured otherwise.
pub const WINDOW_MESSAGES_DEFAULT: u16 = 240;

/// Responses in a history, at most, however configured.
pub const WINDOW_RESPONSES_MAX: u16 = 1_000;

/// Messages in a history, at most, however configured.
pub const WINDOW_MESSAGES_MAX: u16 = 8_000;

/// Messages in one page of older messages, at most.
pub const PAGE_MESSAGES_MAX: u16 = 200;

/// Messages in one page of older messages, where the caller does not say.
pub const PAGE_MESSAGES_DEFAULT: u16 = 50;

/// Sessions in one page of a user's sessions, at most.
pub const SESSION_LIST_MAX: u16 = 200;

/// Sessions in one page of a user's sessions, where the caller does not say.
pub const SESSION_LIST_DEFAULT: u16 = 50;

/// Sessions that one warm-up call may name, or ask for as the most recent ones, at most.
pub const WARM_UP_SESSIONS_MAX: u16 = 1_000;

/// Sessions of a user in which a turn is looked for by its id, at most: those that were active last.
pub const TURN_SEARCH_SESSIONS_MAX: u16 = 64;

/// Messages of each of those sessions that are looked at, at most: the newest ones.
pub const TURN_SEARCH_MESSAGES_MAX: u16 = 240;

/// Characters in an `Idempotency-Key`, at most.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// Characters in the public part of an API key, exactly.
pub const KEY_ID_CHARS: usize = 16;

/// API keys in a list of them, at most.
pub const API_KEYS_LISTED_MAX: u16 = 10_000;
