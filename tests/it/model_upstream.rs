//! A server in front of a model server that does what a test says.

use hearth_testkit::model_server::ModelServer;

use crate::server::Server;

/// Starts a server that asks `model`, with other settings beside.
pub(crate) async fn start(store: &str, model: &ModelServer, settings: &[(&str, &str)]) -> Server {
    let base_url = model.base_url();
    let mut all = vec![
        ("HEARTH__MODEL__KIND", "openai"),
        ("HEARTH__MODEL__BASE_URL", base_url.as_str()),
        ("HEARTH__MODEL__MODEL", "test"),
    ];
    all.extend(settings);
    Server::start_with(store, &all).await
}
