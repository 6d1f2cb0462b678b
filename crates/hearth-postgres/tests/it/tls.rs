//! Encrypted connections: which certificates are believed, by `sslmode`.

use std::path::Path;

use hearth_domain::ports::{HistoryStore, StoreError};
use hearth_postgres::{PostgresConfig, PostgresStore};
use hearth_testkit::postgres::{Cluster, Options, Tls, database};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::runtime::Handle;

pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        pem,
        issuer: Issuer::new(params, key),
    }
}

pub(crate) fn encrypted_cluster(authority: &Authority, host: &str) -> Cluster {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    let tls = Tls {
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    };
    Cluster::start(&Options {
        tls: Some(tls),
        ..Options::default()
    })
    .unwrap()
}

async fn ping(cluster: &Cluster, parameters: &str) -> Result<(), StoreError> {
    let url = format!("{}?{parameters}", cluster.url("postgres"));
    // A machine without any authorities refuses the configuration where one with some refuses the certificate.
    let store = PostgresStore::open(&PostgresConfig::new(url), Handle::current())
        .map_err(|error| StoreError::Failed(Box::new(error)))?;
    store.ping().await?;
    let client = database::connect(&cluster.url("postgres")).await.unwrap();
    let encrypted: bool = client
        .query_one(
            "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'hearth'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(encrypted, parameters != "sslmode=disable", "{parameters}");
    Ok(())
}

fn written(directory: &Path, name: &str, pem: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, pem).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn each_sslmode_believes_what_it_should() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, other) = (authority(), authority());
    let root = written(directory.path(), "ours.pem", &ours.pem);
    let other_root = written(directory.path(), "other.pem", &other.pem);
    let right_name = encrypted_cluster(&ours, "127.0.0.1");
    let wrong_name = encrypted_cluster(&ours, "db.example.org");

    for (cluster, parameters) in [
        (&right_name, "sslmode=disable".to_owned()),
        (&right_name, "sslmode=prefer".to_owned()),
        (&right_name, String::new()),
        (&right_name, format!("sslmode=require&sslrootcert={root}")),
        (&right_name, format!("sslmode=verify-full&sslrootcert={root}")),
        (&wrong_name, format!("sslmode=verify-ca&sslrootcert={root}")),
        (&wrong_name, "sslmode=prefer".to_owned()),
    ] {
        ping(cluster, &parameters)
            .await
            .unwrap_or_else(|error| panic!("{parameters}: {error:?}"));
    }
    for (cluster, parameters) in [
        (&right_name, "sslmode=require".to_owned()),
        (&right_name, format!("sslmode=require&sslrootcert={other_root}")),
        (&right_name, format!("sslmode=verify-ca&sslrootcert={other_root}")),
        (&wrong_name, format!("sslmode=require&sslrootcert={root}")),
        (&wrong_name, format!("sslmode=verify-full&sslrootcert={root}")),
    ] {
        let error = ping(cluster, &parameters).await.unwrap_err();
        assert!(matches!(error, StoreError::Failed(_)), "{parameters}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_without_encryption_is_refused_where_it_is_required() {
    let directory = tempfile::tempdir().unwrap();
    let root = written(directory.path(), "ca.pem", &authority().pem);
    let cluster = Cluster::start(&Options::default()).unwrap();
    let error = ping(&cluster, &format!("sslmode=require&sslrootcert={root}"))
        .await
        .unwrap_err();
    assert!(!matches!(error, StoreError::TimedOut), "{error:?}");
}
