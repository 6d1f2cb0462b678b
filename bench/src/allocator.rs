//! The program's allocator, the server's own, and what it says of itself.

use anyhow::{Context, Result};
use tikv_jemalloc_ctl::{epoch, stats};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bytes that the program has allocated and not freed, as the allocator rounds them.
///
/// What threads keep for their next allocations counts as allocated, until they end.
///
/// # Errors
///
/// Where the allocator was built without statistics.
pub(crate) fn allocated_bytes() -> Result<u64> {
    const REFUSED: &str = "the allocator gives no statistics";
    epoch::advance().ok().context(REFUSED)?;
    let bytes = stats::allocated::read().ok().context(REFUSED)?;
    u64::try_from(bytes).context(REFUSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_is_seen() {
        const BYTES: usize = 64 << 20;
        let before = allocated_bytes().unwrap();
        let block = std::hint::black_box(vec![1_u8; BYTES]);
        // Other tests allocate and free meanwhile: little, compared with the block.
        let grown = allocated_bytes().unwrap() - before;
        assert!((60 << 20..80 << 20).contains(&grown), "{grown}");
        drop(block);
    }
}
