//! A store of its own for each test, of either kind; it is gone when the test ends.

use hearth_testkit::postgres::TestDatabase;
use tempfile::TempDir;

/// A store of its own.
pub(crate) enum Backend {
    Sqlite(TempDir),
    Postgres(TestDatabase),
}

impl Backend {
    pub(crate) async fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// An empty database: the server itself makes the tables.
    pub(crate) async fn postgres() -> Self {
        Self::Postgres(TestDatabase::empty().await.unwrap())
    }

    /// What `store.url` is set to.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("hearth.db").display()),
            Self::Postgres(database) => database.url(),
        }
    }
}

/// One test a store: `both_stores!(name)` runs `async fn name(backend: Backend)` on each.
macro_rules! both_stores {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name(crate::backend::Backend::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name(crate::backend::Backend::postgres().await).await;
                }
            )+
        }
    };
}
pub(crate) use both_stores;
