//! What encrypts in a process of tests.

use rustls::crypto::ring;

/// Makes ring the process's cryptography, once: HTTP clients that are made without more ado look for one, encrypted or not.
pub fn install() {
    // Whoever was first has installed the same one.
    drop(ring::default_provider().install_default());
}
