//! HTTPS: the certificate that the server shows, and how another one takes its place while it runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or is no PEM file of its kind.
    #[error("failed to read {setting} {}", path.display())]
    Read {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The certificate file has no certificate.
    #[error("server.tls_certificate {} has no certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The two do not belong together, or are of a kind that is not taken.
    #[error("failed to use server.tls_key {} with server.tls_certificate", key.display())]
    Refused {
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// The library refuses its own defaults.
    #[error("failed to set TLS up")]
    Setup(#[source] rustls::Error),
}

/// The certificate that the server shows: the one that was read last. Connections that are open keep theirs.
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
}

impl Certificates {
    /// Reads a chain and its key from PEM files; blocks on them.
    ///
    /// # Errors
    ///
    /// [`TlsError`], which names the file.
    pub fn read(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = read_pair(certificate, key, &provider)?;
        Ok(Arc::new(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            provider,
            current: ArcSwap::from_pointee(current),
        }))
    }

    /// Reads the files again; blocks on them. Where they are wrong, the server goes on with what it has.
    ///
    /// # Errors
    ///
    /// [`TlsError`], which names the file.
    pub fn reload(&self) -> Result<(), TlsError> {
        let current = read_pair(&self.certificate, &self.key, &self.provider)?;
        self.current.store(Arc::new(current));
        Ok(())
    }

    /// TLS 1.2 and 1.3 without certificates of clients.
    ///
    /// # Errors
    ///
    /// [`TlsError::Setup`].
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        Ok(config.with_no_client_auth().with_cert_resolver(resolver))
    }
}

fn read_pair(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let read = |setting, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Read {
            setting,
            path,
            source,
        }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(read("server.tls_certificate", certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty {
            path: certificate.to_owned(),
        });
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(read("server.tls_key", key))?;
    CertifiedKey::from_der(chain, private, provider).map_err(|source| TlsError::Refused {
        key: key.to_owned(),
        source,
    })
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
