//! The whole URL table.

use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::{Resource, guard, web};

use crate::error::{Code, Problem};
use crate::handlers::{append, chat, end, erase, health, messages, performance, sessions, warm_up};

/// Adds every route.
pub fn routes(config: &mut web::ServiceConfig) {
    let is_many = guard::fn_guard(|context| context.head().uri.path().ends_with("/warm-up"));
    config
        .service(at("/chatbot/health", &[Method::GET]).route(web::get().to(health::live)))
        .service(at("/chatbot/health/ready", &[Method::GET]).route(web::get().to(health::ready)))
        .service(at("/chatbot/health/detailed", &[Method::GET]).route(web::get().to(health::detailed)))
        .service(at("/chatbot/v1/performance", &[Method::GET]).route(web::get().to(performance::performance)))
        .service(at("/chatbot/v1/chat", &[Method::POST]).route(web::post().to(chat::chat)))
        .service(at("/chatbot/v1/sessions", &[Method::GET]).route(web::get().to(sessions::list)))
        .service(
            // A session may be called warm-up, too: the path of many sessions' warm-up is one session's to erase.
            at("/chatbot/v1/sessions/{id}", &[Method::DELETE])
                .route(web::delete().to(erase::session))
                .route(web::post().guard(is_many).to(warm_up::many)),
        )
        .service(
            at("/chatbot/v1/sessions/{id}/messages", &[Method::GET, Method::POST])
                .route(web::get().to(messages::read))
                .route(web::post().to(append::append)),
        )
        .service(at("/chatbot/v1/sessions/{id}/warm-up", &[Method::POST]).route(web::post().to(warm_up::one)))
        .service(at("/chatbot/v1/sessions/{id}/end", &[Method::POST]).route(web::post().to(end::end)))
        .service(at("/chatbot/v1/users/{user}", &[Method::DELETE]).route(web::delete().to(erase::user)))
        .default_service(web::to(not_found));
}

/// A path with the methods that it takes; any other method is told so.
fn at(path: &'static str, methods: &[Method]) -> Resource {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allow = HeaderValue::from_str(&names.join(", ")).ok();
    web::resource(path).default_service(web::to(move || {
        let allow = allow.clone();
        async move { Err::<String, _>(method_not_allowed(allow)) }
    }))
}

fn method_not_allowed(allow: Option<HeaderValue>) -> Problem {
    let problem = Problem::new(
        Code::MethodNotAllowed,
        "this path takes another method; see the Allow header",
    );
    match allow {
        Some(methods) => problem.with_allow(methods),
        None => problem,
    }
}

async fn not_found() -> Result<String, Problem> {
    Err(Problem::new(Code::NotFound, "there is nothing at this path"))
}
