//! Where connections come from: the address, its certificate, and how long the system waits for a peer.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::settings::Settings;
use crate::startup::ServeError;
use crate::tls::Certificates;

/// Connections that the system holds until they are accepted, at most; it has a limit of its own, too.
const CONNECTIONS_WAITING_MAX: i32 = 4_096;

/// An address that was taken.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// What the server shows; nothing where it speaks plain HTTP.
    pub certificates: Option<Arc<Certificates>>,
}

impl Listener {
    /// The address, with the port that was taken.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// How a URL of the server begins.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.certificates.is_some() {
            "https"
        } else {
            "http"
        }
    }
}

/// Takes the address that the settings name, and reads the certificate.
///
/// # Errors
///
/// [`ServeError::Listen`], [`ServeError::Tls`].
pub fn listen(settings: &Settings) -> Result<Listener, ServeError> {
    let certificates = match (&settings.server.tls_certificate, &settings.server.tls_key) {
        (Some(certificate), Some(key)) => Some(Certificates::read(certificate, key)?),
        (Some(_) | None, Some(_) | None) => None,
    };
    let (host, port) = (settings.server.host.as_str(), settings.server.port);
    let socket = TcpListener::bind((host, port))
        .and_then(|socket| {
            give_up_on_readers(&socket, settings.limits.body)?;
            // The standard library asks for 128 places: a burst of connections would be left hanging, each side thinking otherwise.
            rustix::net::listen(&socket, CONNECTIONS_WAITING_MAX)?;
            Ok(socket)
        })
        .map_err(|source| ServeError::Listen {
            host: host.to_owned(),
            port,
            source,
        })?;
    Ok(Listener { socket, certificates })
}

/// Has the system close connections whose peer takes nothing of a response for so long: `TCP_USER_TIMEOUT`, which accepted sockets
/// inherit. Nothing above it looks at how fast a response is read.
#[cfg(target_os = "linux")]
fn give_up_on_readers(socket: &TcpListener, patience: Duration) -> io::Result<()> {
    let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(socket, milliseconds)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn give_up_on_readers(_socket: &TcpListener, _patience: Duration) -> io::Result<()> {
    Ok(())
}
