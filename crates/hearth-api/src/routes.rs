//! The whole URL table.

use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::{Resource, Route, guard, web};

use crate::error::{Code, Problem};
use crate::handlers::{append, chat, end, erase, health, messages, performance, sessions, warm_up};

/// What reads answers HEAD as it answers GET, without the body: RFC 9110, section 9.3.2.
const READ: &[Method] = &[Method::GET, Method::HEAD];

/// Adds every route.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(at("/chatbot/health", READ).route(read().to(health::live)))
        .service(at("/chatbot/health/ready", READ).route(read().to(health::ready)))
        .service(at("/chatbot/health/detailed", READ).route(read().to(health::detailed)))
        .service(at("/chatbot/v1/performance", READ).route(read().to(performance::performance)))
        .service(at("/chatbot/v1/chat", &[Method::POST]).route(web::post().to(chat::chat)))
        .service(at("/chatbot/v1/sessions", READ).route(read().to(sessions::list)))
        .service(
            // A session may be called warm-up, too, and be erased.
            at("/chatbot/v1/sessions/warm-up", &[Method::POST, Method::DELETE])
                .route(web::post().to(warm_up::many))
                .route(web::delete().to(erase::session)),
        )
        .service(at("/chatbot/v1/sessions/{id}", &[Method::DELETE]).route(web::delete().to(erase::session)))
        .service(
            at(
                "/chatbot/v1/sessions/{id}/messages",
                &[Method::GET, Method::HEAD, Method::POST],
            )
            .route(read().to(messages::read))
            .route(web::post().to(append::append)),
        )
        .service(at("/chatbot/v1/sessions/{id}/warm-up", &[Method::POST]).route(web::post().to(warm_up::one)))
        .service(at("/chatbot/v1/sessions/{id}/end", &[Method::POST]).route(web::post().to(end::end)))
        .service(at("/chatbot/v1/users/{user}", &[Method::DELETE]).route(web::delete().to(erase::user)))
        .default_service(web::to(not_found));
}

fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
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
