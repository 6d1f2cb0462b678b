//! Why a value from outside was refused.

/// A value broke one of the product's bounds.
///
/// The text is a whole rule ("must be 1 to 128 characters") without the name of the field, which only the caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// An id is empty or too long.
    #[error("must be 1 to 128 characters")]
    IdLength,
    /// An id has a control character.
    #[error("must not contain control characters")]
    IdControlCharacter,
    /// A content is empty or too long.
    #[error("must be 1 to 32768 bytes")]
    ContentLength,
    /// A string has U+0000, which no store can keep.
    #[error("must not contain the character U+0000")]
    NulCharacter,
    /// A turn has no message, or too many.
    #[error("must have 1 to 16 messages")]
    TurnLength,
    /// A role is not one of the four.
    #[error("must be one of user, assistant, system, tool")]
    Role,
    /// A version is outside the range of the store.
    #[error("must be an integer from 0 to 9223372036854775807")]
    Version,
    /// An `Idempotency-Key` is empty, too long, or not visible ASCII.
    #[error("must be 1 to 255 visible ASCII characters")]
    IdempotencyKey,
    /// The id of an API key is not what Hearth made.
    #[error("must be 16 lower-case hexadecimal digits")]
    KeyId,
    /// A scope is not one of the three.
    #[error("must be one of read, chat, admin")]
    Scope,
    /// The limits of a window are zero or too large.
    #[error("must be 1 to 1000 responses and 1 to 8000 messages")]
    WindowLimits,
}
