//! How often a caller may ask: a burst, and so many requests a second after it.

mod limiter;
mod rate;
mod source;
mod table;

pub use limiter::RateLimiter;
pub use rate::Rate;
pub use source::Source;
