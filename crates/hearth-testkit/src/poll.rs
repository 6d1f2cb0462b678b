//! Waiting for what only the outside can tell: a server that comes up, a process that goes away. What happens in this process is
//! waited for with channels and gates, never with this.

use std::time::Duration;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks again and again until `condition` holds.
///
/// # Panics
///
/// Where it does not hold within `deadline`: a hang guard, ten times what is expected or more.
pub async fn until(deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !condition().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let outcome = tokio::time::timeout(deadline, looking).await;
    assert!(outcome.is_ok(), "the condition did not hold within {deadline:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_looks_until_the_condition_holds() {
        let mut looks = 0;
        until(Duration::from_secs(10), async || {
            looks += 1;
            looks == 3
        })
        .await;
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "did not hold within 20ms")]
    async fn it_does_not_wait_for_ever() {
        until(Duration::from_millis(20), async || false).await;
    }
}
