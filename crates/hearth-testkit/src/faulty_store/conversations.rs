//! The ports of conversations, each call past the plan.

use hearth_domain::ports::{
    AppendError, HistoryStore, KeptTurn, Lookup, Page, PageFrom, SessionCursor, SessionIndex, SessionPage,
    StoreError, TurnIndex,
};
use hearth_domain::{Append, Committed, ConversationKey, Department, TurnId, UserId, Version, WindowLimits};

use super::{Call, FaultyStore, Point};

impl<S: HistoryStore> HistoryStore for FaultyStore<S> {
    async fn load(&self, keys: &[ConversationKey], limits: WindowLimits) -> Result<Vec<Lookup>, StoreError> {
        self.plan().loads.push(keys.to_vec());
        self.begin(Call::Load, Some(Point::BeforeLoad)).await?;
        let panics = std::mem::take(&mut self.plan().panic_in_load);
        assert!(!panics, "a panic that the test asked for");
        let lookups = self.inner().load(keys, limits).await;
        self.pass(Point::AfterLoad).await;
        lookups
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        if self.begin(Call::Append, Some(Point::BeforeAppend)).await.is_err() {
            return appends.iter().map(|_| Err(refused())).collect();
        }
        let committed = self.inner().append(appends).await;
        self.pass(Point::AfterAppend).await;
        if !self.plan().takes_forgotten_commit() {
            return committed;
        }
        committed
            .into_iter()
            .map(|result| result.and_then(|_| Err(forgotten())))
            .collect()
    }

    async fn page(&self, key: &ConversationKey, from: PageFrom, limit: u16) -> Result<Page, StoreError> {
        self.begin(Call::Page, None).await?;
        self.inner().page(key, from, limit).await
    }

    async fn end(&self, key: &ConversationKey) -> Result<(), StoreError> {
        self.begin(Call::End, None).await?;
        self.inner().end(key).await
    }

    async fn erase(&self, key: &ConversationKey) -> Result<Version, StoreError> {
        self.begin(Call::Erase, Some(Point::BeforeErase)).await?;
        let version = self.inner().erase(key).await;
        self.pass(Point::AfterErase).await;
        version
    }

    async fn erase_user(
        &self,
        department: &Department,
        user: &UserId,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        self.begin(Call::EraseUser, None).await?;
        self.inner().erase_user(department, user).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.begin(Call::Ping, None).await?;
        self.inner().ping().await
    }
}

impl<S: SessionIndex> SessionIndex for FaultyStore<S> {
    async fn list(
        &self,
        department: &Department,
        user: &UserId,
        after: Option<&SessionCursor>,
        limit: u16,
    ) -> Result<SessionPage, StoreError> {
        self.begin(Call::List, None).await?;
        self.inner().list(department, user, after, limit).await
    }

    async fn recent(&self, limit: u16) -> Result<Vec<ConversationKey>, StoreError> {
        self.begin(Call::Recent, None).await?;
        self.inner().recent(limit).await
    }

    async fn keys(
        &self,
        department: Option<&Department>,
        after: Option<&ConversationKey>,
        limit: u16,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        self.begin(Call::Keys, None).await?;
        self.inner().keys(department, after, limit).await
    }
}

impl<S: TurnIndex> TurnIndex for FaultyStore<S> {
    async fn find_turn(
        &self,
        department: &Department,
        user: &UserId,
        turn: TurnId,
    ) -> Result<Option<KeptTurn>, StoreError> {
        self.begin(Call::FindTurn, None).await?;
        self.inner().find_turn(department, user, turn).await
    }
}

fn refused() -> AppendError {
    AppendError::NotCommitted(StoreError::Unavailable(
        "a failure that the test asked for".into(),
    ))
}

fn forgotten() -> AppendError {
    AppendError::Unknown(StoreError::Unavailable(
        "an answer that the test asked to lose".into(),
    ))
}
