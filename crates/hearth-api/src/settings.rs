//! Every setting of the server: what may be set, from where, and what is refused.
//!
//! A later source wins: built-in defaults, `default.toml`, `<HEARTH_PROFILE>.toml`, `local.toml`, the environment's
//! `HEARTH__SECTION__KEY`, the command line's `--set section.key=value`. The built-in defaults are the file
//! `config/default.toml`; it names every key there is, so what it does not name is refused wherever it is set.
//!
//! Nothing here reads the process's environment or arguments: [`Sources`] carries them.

mod auth;
mod cache;
mod chat;
mod coherence;
mod host;
mod layer;
mod limits;
mod load;
mod log;
mod model;
mod model_check;
mod model_tables;
mod origins;
mod otlp_endpoint;
mod problem;
mod prompt;
mod section;
mod server;
mod sources;
mod store;
mod store_url;
mod value;

pub use auth::{Auth, AuthMode};
pub use cache::{Cache, CacheStrategy};
pub use chat::{Chat, Concurrent};
pub use coherence::{Coherence, CoherenceMode, ListenUrl};
pub use host::Host;
pub use limits::Limits;
pub use load::{Entry, Loaded, Settings, load};
pub use log::{Log, LogFormat, LogLevel};
pub use model::{ApiKey, DepartmentModel, Model, ModelKind, ModelName};
pub use model_tables::{Departments, Parameters};
pub use origins::Origins;
pub use otlp_endpoint::OtlpEndpoint;
pub use problem::{Origin, Problem, Refused};
pub use prompt::Prompt;
pub use server::Server;
pub use sources::Sources;
pub use store::Store;
pub use store_url::StoreUrl;
