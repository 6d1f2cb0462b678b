//! API keys.

use std::collections::BTreeSet;

use hearth_domain::ports::{KeyStore, StoreError};
use hearth_domain::{ApiKey, Department, Departments, KeyId, Scope, SecretHash};

use super::observe::at;

/// A key of this number: each has other parts, and the higher number is the younger key.
fn numbered(number: u8) -> ApiKey {
    let departments = ["sales", "d\u{e9}p\u{f4}t \"7\"", "a,b{c}"].map(|name| Department::new(name).unwrap());
    let scopes = Scope::ALL.into_iter().take(usize::from(number % 4));
    ApiKey {
        // Ids run against the times, so that a list by ids would show.
        id: KeyId::new(&format!("{:016x}", 1_000 - u64::from(number))).unwrap(),
        secret: SecretHash([number; 32]),
        label: format!("key {number} of \u{1f511} 'x'"),
        departments: if number.is_multiple_of(2) {
            Departments::All
        } else {
            Departments::Only(BTreeSet::from(departments))
        },
        scopes: scopes.collect(),
        created_at: at(i64::from(number)),
        revoked_at: (number == 6).then(|| at(1_000)),
    }
}

/// Every part of it, and nothing of a key that nobody made.
pub async fn a_key_is_found_as_it_was_made(store: impl KeyStore) {
    for number in 0..8 {
        store.create_key(&numbered(number)).await.unwrap();
    }
    for number in 0..8 {
        let key = numbered(number);
        assert_eq!(store.find_key(&key.id).await.unwrap(), Some(key));
    }
    assert_eq!(store.find_key(&numbered(9).id).await.unwrap(), None);
}

/// In the order of their times, revoked ones included.
pub async fn keys_are_listed_oldest_first(store: impl KeyStore) {
    assert_eq!(store.list_keys().await.unwrap(), []);
    for number in [3, 1, 4, 0, 2] {
        store.create_key(&numbered(number)).await.unwrap();
    }
    assert!(store.revoke_key(&numbered(1).id).await.unwrap());
    let listed = store.list_keys().await.unwrap();
    let ids: Vec<_> = listed.iter().map(|key| key.id.clone()).collect();
    let expected: Vec<_> = (0..5).map(|number| numbered(number).id).collect();
    assert_eq!(ids, expected);
    let revoked: Vec<_> = listed.iter().map(|key| key.revoked_at.is_some()).collect();
    assert_eq!(revoked, [false, true, false, false, false]);
}

/// It stays, with the time at which that happened first; nothing else of it changes.
pub async fn a_revoked_key_keeps_its_first_time(store: impl KeyStore) {
    let key = numbered(1);
    store.create_key(&key).await.unwrap();
    store.create_key(&numbered(2)).await.unwrap();
    assert!(!store.revoke_key(&numbered(9).id).await.unwrap());
    assert!(store.revoke_key(&key.id).await.unwrap());
    let revoked = store.find_key(&key.id).await.unwrap().unwrap();
    assert!(revoked.revoked_at.is_some());
    assert_eq!(
        ApiKey {
            revoked_at: None,
            ..revoked.clone()
        },
        key
    );
    assert!(store.revoke_key(&key.id).await.unwrap());
    assert_eq!(store.find_key(&key.id).await.unwrap(), Some(revoked));
    assert_eq!(store.find_key(&numbered(2).id).await.unwrap(), Some(numbered(2)));
}

/// The key that has the id stays as it is.
pub async fn an_id_is_taken_once(store: impl KeyStore) {
    let key = numbered(1);
    store.create_key(&key).await.unwrap();
    let usurper = ApiKey {
        id: key.id.clone(),
        ..numbered(2)
    };
    let refused = store.create_key(&usurper).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert_eq!(store.find_key(&key.id).await.unwrap(), Some(key));
}

/// It is not a key for all of them.
pub async fn a_key_for_no_department_is_for_none(store: impl KeyStore) {
    let key = ApiKey {
        departments: Departments::Only(BTreeSet::new()),
        scopes: BTreeSet::new(),
        ..numbered(1)
    };
    store.create_key(&key).await.unwrap();
    assert_eq!(store.find_key(&key.id).await.unwrap(), Some(key));
}
