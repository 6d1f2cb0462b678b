//! All sessions of a user at once.

use hearth_domain::{ConversationKey, Department, UserId};

use super::Slots;

/// Sessions that are looked at before other tasks run.
const STEP: usize = 1_024;

impl Slots {
    /// Every session of a user that is in memory or on its way there. A load that begins from now on may be none of them.
    pub(crate) async fn of_user(&self, department: &Department, user: &UserId) -> Vec<ConversationKey> {
        let mut keys = Vec::new();
        // The loads first: one that ends meanwhile is among them, and one that ended before is in memory.
        for stripe in &self.stripes {
            let under_way = stripe.0.lock();
            let loading = under_way.loads.keys();
            keys.extend(
                loading
                    .filter(|key| key.department == *department && key.user == *user)
                    .cloned(),
            );
        }
        for (index, key) in self.memory.keys_of(department, user).enumerate() {
            keys.extend(key);
            if index % STEP == STEP - 1 {
                tokio::task::yield_now().await;
            }
        }
        keys
    }
}
