//! Who may enter: API keys, what each opens, and the check in front of every route.
//!
//! [`crate::routes::ROUTES`] says for each call who may. [`Entrance`] holds to it before anything is looked up, so that neither the answer nor
//! the time that it takes tells whether a conversation exists.

mod access;
mod caller;
mod entrance;
mod guard;
mod key_ring;
mod key_text;
mod known_key;

pub use access::{Access, Named};
pub use caller::{Caller, Pass};
pub use entrance::Entrance;
pub use guard::Guard;
pub use key_ring::{KeyRing, NotVerified};
pub use key_text::KeyText;
pub use known_key::KnownKey;
