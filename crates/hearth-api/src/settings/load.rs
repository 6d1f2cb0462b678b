//! All sources into one set of settings, or into all that is wrong with them.

use std::fmt;
use std::path::Path;

use config::ValueKind;

use super::layer::{self, Table};
use super::model::HIDDEN;
use super::model_check::checked;
use super::problem::{Origin, Problem, Refused};
use super::section::{Layered, inline};
use super::sources::Sources;
use super::store_url::StoreUrl;
use super::value::Text;
use super::{Auth, AuthMode, Cache, Chat, Coherence, Limits, Log, Model, Prompt, Server, Store};

/// The defaults: a link to `config/default.toml`, so that the crate builds alone.
const DEFAULTS: &str = include_str!("../../default.toml");

/// Every setting, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The listener and its workers.
    pub server: Server,
    /// Where conversations are kept.
    pub store: Store,
    /// Which histories are kept in memory.
    pub cache: Cache,
    /// How memory keeps up with other processes.
    pub coherence: Coherence,
    /// The chat turn.
    pub chat: Chat,
    /// Who answers.
    pub model: Model,
    /// What a model is given.
    pub prompt: Prompt,
    /// Who may call.
    pub auth: Auth,
    /// How much work is taken on at once.
    pub limits: Limits,
    /// What is logged.
    pub log: Log,
}

/// Settings together with where each of them came from.
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    layered: Layered,
}

/// One setting as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its section.
    pub section: &'a str,
    /// Its name in the section.
    pub key: &'a str,
    /// Its value as TOML, with secrets hidden.
    pub value: String,
    /// Whether the value is the one in use; not so for a URL that gives way to `store.url_file`.
    pub in_use: bool,
    /// Where it was set.
    pub origin: &'a Origin,
}

impl Loaded {
    /// Every setting in the order of its name, as it may be shown: secrets are hidden.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let from_file = self.settings.store.url_file.is_some();
        self.layered.entries().map(move |(section, key, value, origin)| {
            let is_url = (section, key) == ("store", "url");
            let is_key = (section, key) == ("model", "api_key");
            let listens_at = self.settings.coherence.url.as_ref();
            let listens_at = listens_at.filter(|_| (section, key) == ("coherence", "url"));
            let value = match &self.settings.store.url {
                url @ StoreUrl::Postgres(_) if is_url => inline(&url.to_string().into()),
                _ if let Some(url) = listens_at => inline(&url.to_string().into()),
                _ if is_key && value.kind != ValueKind::from("") => inline(&HIDDEN.into()),
                StoreUrl::Postgres(_) | StoreUrl::Sqlite(_) => inline(value),
            };
            Entry {
                section,
                key,
                value,
                in_use: !(is_url && from_file),
                origin,
            }
        })
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Reads every source and checks what comes of them. Blocks on small files; meant for the start of a program.
///
/// # Errors
///
/// [`Refused`] with every problem that was found: unknown sections and keys, values of the wrong kind or range, a named
/// profile, folder or file that is not there, two settings that do not go together. No secret is in its text.
pub fn load(sources: &Sources) -> Result<Loaded, Refused> {
    let mut problems = Vec::new();
    let mut layered = Layered::new(defaults(&mut problems));
    lay_files(sources, &mut layered, &mut problems);
    lay_variables(sources, &mut layered, &mut problems);
    for argument in &sources.overrides {
        let layer = layer::of_override(argument, layered.known(), &mut problems);
        layered.lay(layer, &Origin::CommandLine);
    }
    match read(&layered, &mut problems) {
        Some(settings) if problems.is_empty() => Ok(Loaded { settings, layered }),
        Some(_) | None => Err(Refused::new(problems)),
    }
}

fn defaults(problems: &mut Vec<Problem>) -> Table {
    let table = layer::parse(DEFAULTS).map(layer::table);
    table.ok().flatten().unwrap_or_else(|| {
        problems.push(Problem::of_source(Origin::BuiltIn, "is not a table of sections"));
        Table::new()
    })
}

fn lay_files(sources: &Sources, layered: &mut Layered, problems: &mut Vec<Problem>) {
    let dir = sources.dir();
    if sources.dir.is_some() && !dir.is_dir() {
        problems.push(Problem::of_source(
            Origin::File(dir),
            "is not a folder; --config-dir names the folder of the settings",
        ));
        return;
    }
    let mut lay = |name: &str, required: bool, problems: &mut Vec<Problem>| {
        let path = dir.join(name);
        let layer = layer::of_file(&path, required, layered.known(), problems);
        layered.lay(layer, &Origin::File(path));
    };
    lay("default.toml", false, problems);
    if let Some(profile) = sources.profile() {
        match profile.to_str().filter(|name| is_profile(name)) {
            Some(name) => lay(&format!("{name}.toml"), true, problems),
            None => problems.push(Problem::of_source(
                Origin::Variable(super::sources::PROFILE_VARIABLE.to_owned()),
                "must be the name of a file in the folder of the settings, without .toml: letters, digits, - and _",
            )),
        }
    }
    lay("local.toml", false, problems);
}

fn is_profile(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The variables in the order of their names, so that the outcome does not depend on the environment's.
fn lay_variables(sources: &Sources, layered: &mut Layered, problems: &mut Vec<Problem>) {
    let mut variables: Vec<_> = sources.environment.iter().collect();
    variables.sort();
    for (name, value) in variables {
        if let Some((layer, origin)) = layer::of_variable((name, value), layered.known(), problems) {
            layered.lay(layer, &origin);
        }
    }
}

fn read(layered: &Layered, problems: &mut Vec<Problem>) -> Option<Settings> {
    let server: Option<Server> = layered.read("server", problems);
    let store: Option<Store> = layered.read("store", problems);
    let cache = layered.read("cache", problems);
    let coherence = layered.read("coherence", problems);
    let chat = layered.read("chat", problems);
    let model = layered.read("model", problems);
    let prompt = layered.read("prompt", problems);
    let auth: Option<Auth> = layered.read("auth", problems);
    let limits = layered.read("limits", problems);
    let log = layered.read("log", problems);
    if let (Some(server), Some(auth)) = (&server, &auth) {
        problems.extend(open_network(server, auth, layered));
    }
    if let Some(server) = &server {
        problems.extend(half_of_tls(server, layered));
    }
    let store = store.and_then(|store| {
        with_url_file(store, layered)
            .map_err(|problem| problems.push(problem))
            .ok()
    });
    let model = model.and_then(|model| checked(model, layered, problems));
    Some(Settings {
        server: server?,
        store: store?,
        cache: cache?,
        coherence: coherence?,
        chat: chat?,
        model: model?,
        prompt: prompt?,
        auth: auth?,
        limits: limits?,
        log: log?,
    })
}

/// In open mode whoever reaches the address reads every conversation, so that must be meant.
fn open_network(server: &Server, auth: &Auth, layered: &Layered) -> Option<Problem> {
    let fine = auth.mode == AuthMode::Keys || server.host.is_loopback() || auth.allow_open_network;
    (!fine).then(|| {
        let message = "others may reach this address, and auth.mode = \"open\" lets them read and write everything: \
                       listen on a loopback address such as 127.0.0.1, set auth.mode = \"keys\", or set \
                       auth.allow_open_network = true";
        Problem::of_key("server.host", layered.origin("server", "host"), message)
            .with_value(Some(format!("\"{}\"", server.host)))
    })
}

/// A certificate without its key, or the other way round, would leave the port unencrypted in silence.
fn half_of_tls(server: &Server, layered: &Layered) -> Option<Problem> {
    let (there, missing) = match (&server.tls_certificate, &server.tls_key) {
        (Some(_), None) => ("tls_certificate", "tls_key"),
        (None, Some(_)) => ("tls_key", "tls_certificate"),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let message = format!("goes with server.{missing}, which is not set");
    let origin = layered.origin("server", there);
    Some(Problem::of_key(format!("server.{there}"), origin, message))
}

/// The store with the URL that its file holds, where one is named.
fn with_url_file(store: Store, layered: &Layered) -> Result<Store, Problem> {
    let Some(path) = &store.url_file else {
        return Ok(store);
    };
    let origin = layered.origin("store", "url_file");
    let problem = |message: String| {
        Problem::of_key("store.url_file", origin.clone(), message)
            .with_value(Some(format!("\"{}\"", path.display())))
    };
    if layered.is_chosen("store", "url") {
        let other = layered.origin("store", "url");
        return Err(problem(format!(
            "store.url is set as well ({other}): take one of the two away"
        )));
    }
    let url = read_url(path).map_err(problem)?;
    Ok(Store { url, ..store })
}

fn read_url(path: &Path) -> Result<StoreUrl, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    StoreUrl::parse(line).map_err(|right| format!("the file must hold {right}"))
}
