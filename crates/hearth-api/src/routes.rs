//! The whole URL table.

use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::{Resource, Route, guard, web};
use hearth_domain::Scope;

use crate::auth::{Access, Entrance, Named};
use crate::error::{Code, Problem};
use crate::handlers::{
    append, chat, docs, end, erase, health, messages, metrics, performance, sessions, turns, warm_up,
};

/// One path: what it takes, and who answers.
pub struct Entry {
    /// The path as a pattern; the only name that a path has in metrics and logs.
    pub path: &'static str,
    /// What it is called for, each with who may; any other method is told so.
    pub calls: &'static [Call],
    /// Adds the handlers.
    wire: fn(Resource) -> Resource,
}

/// What a path is called for, and who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// To read: GET, and HEAD, which is GET without the body (RFC 9110, section 9.3.2).
    Get(Access),
    /// POST.
    Post(Access),
    /// DELETE.
    Delete(Access),
}

impl Call {
    /// Its methods.
    #[must_use]
    pub const fn methods(self) -> &'static [Method] {
        match self {
            Self::Get(_) => &[Method::GET, Method::HEAD],
            Self::Post(_) => &[Method::POST],
            Self::Delete(_) => &[Method::DELETE],
        }
    }

    /// Who may.
    #[must_use]
    pub const fn access(self) -> Access {
        match self {
            Self::Get(access) | Self::Post(access) | Self::Delete(access) => access,
        }
    }
}

impl Entry {
    /// The methods that the path takes.
    pub fn methods(&self) -> impl Iterator<Item = &'static Method> {
        self.calls.iter().flat_map(|call| call.methods())
    }

    /// Who may call the path with this method; nothing where it does not take it.
    #[must_use]
    pub fn access(&self, method: &Method) -> Option<Access> {
        let call = self.calls.iter().find(|call| call.methods().contains(method));
        call.map(|call| call.access())
    }
}

/// The place of a path in [`ROUTES`]; a request that was routed carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteIndex(pub usize);

impl RouteIndex {
    /// Histories and appends.
    pub const MESSAGES: Self = Self(1);

    /// The path.
    #[must_use]
    pub fn entry(self) -> Option<&'static Entry> {
        ROUTES.get(self.0)
    }
}

use Call::{Delete, Get, Post};

/// Whoever reaches the address.
const PUBLIC: Access = Access::Public;
/// Any key that is good.
const ANY_KEY: Access = Access::Key(None, Named::Nowhere);
/// What is told of all departments together.
const FIGURES: Access = Access::Key(Some(Scope::Admin), Named::Nowhere);
/// To read what the query names.
const READ: Access = Access::Key(Some(Scope::Read), Named::InQuery);
/// To change what the query names, or follow the change.
const CHANGE: Access = Access::Key(Some(Scope::Chat), Named::InQuery);
/// To chat as whom the body names.
const TALK: Access = Access::Key(Some(Scope::Chat), Named::InBody);
/// To load whatever the body lists.
const LOAD: Access = Access::Key(Some(Scope::Admin), Named::InSessions);

/// Every path. The first one that fits answers, and a path is held against each before it: the busiest come first.
pub const ROUTES: &[Entry] = &[
    entry("/chatbot/v1/chat", &[Post(TALK)], |at| {
        at.route(web::post().to(chat::chat))
    }),
    entry(
        "/chatbot/v1/sessions/{id}/messages",
        &[Get(READ), Post(CHANGE)],
        |at| {
            at.route(read().to(messages::read))
                .route(web::post().to(append::append))
        },
    ),
    entry("/chatbot/health", &[Get(PUBLIC)], |at| {
        at.route(read().to(health::live))
    }),
    entry("/chatbot/health/ready", &[Get(PUBLIC)], |at| {
        at.route(read().to(health::ready))
    }),
    entry("/chatbot/health/detailed", &[Get(ANY_KEY)], |at| {
        at.route(read().to(health::detailed))
    }),
    entry("/chatbot/v1/performance", &[Get(FIGURES)], |at| {
        at.route(read().to(performance::performance))
    }),
    entry("/metrics", &[Get(FIGURES)], |at| {
        at.route(read().to(metrics::metrics))
    }),
    entry("/chatbot/openapi.json", &[Get(PUBLIC)], |at| {
        at.route(read().to(docs::openapi))
    }),
    entry("/chatbot/docs", &[Get(PUBLIC)], |at| {
        at.route(read().to(docs::page))
    }),
    entry("/chatbot/docs/{file:.*}", &[Get(PUBLIC)], |at| {
        at.route(read().to(docs::file))
    }),
    entry("/chatbot/v1/turns/{turn_id}/events", &[Get(CHANGE)], |at| {
        at.route(read().to(turns::events))
    }),
    entry("/chatbot/v1/sessions", &[Get(READ)], |at| {
        at.route(read().to(sessions::list))
    }),
    // A session may be called warm-up, too, and be erased.
    entry(
        "/chatbot/v1/sessions/warm-up",
        &[Post(LOAD), Delete(CHANGE)],
        |at| {
            at.route(web::post().to(warm_up::many))
                .route(web::delete().to(erase::session))
        },
    ),
    entry("/chatbot/v1/sessions/{id}", &[Delete(CHANGE)], |at| {
        at.route(web::delete().to(erase::session))
    }),
    entry("/chatbot/v1/sessions/{id}/warm-up", &[Post(CHANGE)], |at| {
        at.route(web::post().to(warm_up::one))
    }),
    entry("/chatbot/v1/sessions/{id}/end", &[Post(CHANGE)], |at| {
        at.route(web::post().to(end::end))
    }),
    entry("/chatbot/v1/users/{user}", &[Delete(CHANGE)], |at| {
        at.route(web::delete().to(erase::user))
    }),
];

const fn entry(path: &'static str, calls: &'static [Call], wire: fn(Resource) -> Resource) -> Entry {
    Entry { path, calls, wire }
}

/// Adds every route.
pub fn routes(config: &mut web::ServiceConfig) {
    for (index, entry) in ROUTES.iter().enumerate() {
        let resource = (entry.wire)(web::resource(entry.path).app_data(RouteIndex(index)));
        config.service(resource.wrap(Entrance(entry)));
    }
    config.default_service(web::to(not_found));
}

fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// What a path says to another method than its own.
#[must_use]
pub fn method_not_allowed(entry: &Entry) -> Problem {
    let problem = Problem::new(
        Code::MethodNotAllowed,
        "this path takes another method; see the Allow header",
    );
    let names: Vec<&str> = entry.methods().map(Method::as_str).collect();
    match HeaderValue::from_str(&names.join(", ")) {
        Ok(methods) => problem.with_allow(methods),
        Err(_) => problem,
    }
}

async fn not_found() -> Result<String, Problem> {
    Err(Problem::new(Code::NotFound, "there is nothing at this path"))
}
