//! Requests by route, method and class of status. A path that a caller made up never becomes a label.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};

use super::histogram::{Histogram, Observed};
use super::text::Text;
use crate::routes::{ROUTES, RouteIndex};

/// What stands for the path of a request that no route took.
const UNMATCHED: &str = "unmatched";

/// The methods that are told apart.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::DELETE,
    Method::OPTIONS,
];

/// What stands for any other method.
const OTHER_METHOD: &str = "other";

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The requests of a server: a set of counters for each of its workers.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    /// A set is made when a worker starts, and kept when it ends.
    workers: RwLock<Vec<Arc<WorkerMetrics>>>,
}

/// The requests that one worker answered.
#[derive(Debug)]
pub struct WorkerMetrics {
    /// By route and method.
    series: Box<[Series]>,
}

/// The requests of one route with one method.
#[derive(Debug, Default)]
struct Series {
    classes: [AtomicU64; CLASSES.len()],
    durations: Histogram,
}

impl HttpMetrics {
    /// The set of a worker that starts.
    #[must_use]
    pub fn worker(&self) -> Arc<WorkerMetrics> {
        let worker = Arc::new(WorkerMetrics::new());
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        workers.push(Arc::clone(&worker));
        worker
    }

    pub(super) fn write(&self, text: &mut Text) {
        let workers = self
            .workers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut requests = text.counter(
            "hearth_http_requests_total",
            "Requests by the route that took them, method and class of status.",
        );
        for (place, route, method) in labels() {
            for (index, class) in CLASSES.into_iter().enumerate() {
                let series = workers.iter().filter_map(|worker| worker.series.get(place));
                let classes = series.filter_map(|series| series.classes.get(index));
                let count: u64 = classes.map(|count| count.load(Ordering::Relaxed)).sum();
                if count > 0 {
                    requests.sample(&[("route", route), ("method", method), ("status", class)], count);
                }
            }
        }
        let mut durations = text.histogram(
            "hearth_http_request_duration_seconds",
            "Time from a request's head to its response's head.",
        );
        for (place, route, method) in labels() {
            let series = workers.iter().filter_map(|worker| worker.series.get(place));
            let observed = Observed::of(series.map(|series| &series.durations));
            if observed.count > 0 {
                durations.buckets(
                    &[("route", route), ("method", method)],
                    &observed.at_most,
                    observed.count,
                    observed.sum,
                );
            }
        }
    }
}

impl WorkerMetrics {
    fn new() -> Self {
        Self {
            series: labels().map(|_| Series::default()).collect(),
        }
    }

    /// Counts a request that was answered.
    pub fn record(&self, route: Option<RouteIndex>, method: &Method, status: StatusCode, duration: Duration) {
        let route = route.map_or(ROUTES.len(), |RouteIndex(index)| index);
        let known = METHODS.iter().position(|known| known == method);
        let place = route * (METHODS.len() + 1) + known.unwrap_or(METHODS.len());
        let Some(series) = self.series.get(place) else {
            return;
        };
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        series
            .classes
            .get(class)
            .map(|count| count.fetch_add(1, Ordering::Relaxed));
        series.durations.record(duration);
    }
}

/// The name of a route in metrics and logs: its pattern, or `unmatched`.
#[must_use]
pub fn route_name(route: Option<RouteIndex>) -> &'static str {
    let entry = route.and_then(RouteIndex::entry);
    entry.map_or(UNMATCHED, |entry| entry.path)
}

/// The name of a method in metrics and logs: `other` for what no route takes.
#[must_use]
pub fn method_name(method: &Method) -> &'static str {
    let known = METHODS.iter().find(|known| *known == method);
    known.map_or(OTHER_METHOD, Method::as_str)
}

/// Every series with its place, route and method.
fn labels() -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    let routes = ROUTES.iter().map(|entry| entry.path).chain([UNMATCHED]);
    let methods = || METHODS.iter().map(Method::as_str).chain([OTHER_METHOD]);
    routes
        .flat_map(move |route| methods().map(move |method| (route, method)))
        .enumerate()
        .map(|(place, (route, method))| (place, route, method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up_and_paths_are_patterns() {
        let metrics = HttpMetrics::default();
        let (one, other) = (metrics.worker(), metrics.worker());
        let chat = ROUTES.iter().position(|entry| entry.path == "/chatbot/v1/chat");
        let chat = chat.map(RouteIndex);
        for worker in [one, other] {
            worker.record(chat, &Method::POST, StatusCode::OK, Duration::from_millis(3));
        }
        let made_up = Method::from_bytes(b"FROB").unwrap();
        let last = metrics.worker();
        last.record(None, &made_up, StatusCode::NOT_FOUND, Duration::ZERO);
        let mut text = Text::default();
        metrics.write(&mut text);
        let text = text.finish();
        for line in [
            "hearth_http_requests_total{route=\"/chatbot/v1/chat\",method=\"POST\",status=\"2xx\"} 2",
            "hearth_http_requests_total{route=\"unmatched\",method=\"other\",status=\"4xx\"} 1",
            "hearth_http_request_duration_seconds_count{route=\"/chatbot/v1/chat\",method=\"POST\"} 2",
            "hearth_http_request_duration_seconds_sum{route=\"/chatbot/v1/chat\",method=\"POST\"} 0.006",
        ] {
            assert!(
                text.lines().any(|other| other == line),
                "{line} is not in: {text}"
            );
        }
        assert!(!text.contains("FROB"), "{text}");
    }
}
