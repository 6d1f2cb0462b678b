//! Numbers that look random and are the same in every run.

use hearth_domain::Role;

/// `SplitMix64`, as Steele, Lea and Flood describe it in "Fast splittable pseudorandom number generators" (2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from zero up to `bound`, itself excluded.
    pub(super) fn below(&mut self, bound: u16) -> u16 {
        u16::try_from(self.next() % u64::from(bound)).unwrap()
    }

    /// A role, questions and answers far more often than the others.
    pub(super) fn role(&mut self) -> Role {
        match self.below(14) {
            0..6 => Role::User,
            6..12 => Role::Assistant,
            12 => Role::System,
            _ => Role::Tool,
        }
    }
}
