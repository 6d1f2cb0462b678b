//! Two sides, one run: they take turns, so that whatever else the machine does meets both.

use anyhow::Result;

use crate::measure::Series;

/// What two sides came to, one value a round each.
#[derive(Debug)]
pub(crate) struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

/// Measures both sides `rounds` times: A B, B A, A B, and so on, so that neither always comes first.
///
/// # Errors
///
/// The first failure of either side.
pub(crate) fn alternate(
    rounds: u32,
    mut ours: impl FnMut() -> Result<f64>,
    mut theirs: impl FnMut() -> Result<f64>,
) -> Result<Pairs> {
    let mut pairs = Pairs {
        ours: Vec::new(),
        theirs: Vec::new(),
    };
    for round in 0..rounds {
        if round % 2 == 0 {
            pairs.ours.push(ours()?);
            pairs.theirs.push(theirs()?);
        } else {
            pairs.theirs.push(theirs()?);
            pairs.ours.push(ours()?);
        }
    }
    Ok(pairs)
}

impl Pairs {
    /// Ours over theirs, round by round.
    pub(crate) fn ratio(&self) -> Series {
        let rounds = self.ours.iter().zip(&self.theirs);
        Series::new("×", rounds.map(|(ours, theirs)| ours / theirs).collect())
    }

    pub(crate) fn ours(&self, unit: &'static str) -> Series {
        Series::new(unit, self.ours.clone())
    }

    pub(crate) fn theirs(&self, unit: &'static str) -> Series {
        Series::new(unit, self.theirs.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn sides_take_turns() {
        let order = RefCell::new(String::new());
        let side = |name: char, value: f64| {
            let order = &order;
            move || {
                order.borrow_mut().push(name);
                Ok(value)
            }
        };
        let pairs = alternate(3, side('a', 6.0), side('b', 4.0)).unwrap();
        assert_eq!(order.into_inner(), "abbaab");
        assert_eq!(pairs.ratio().values, [1.5, 1.5, 1.5]);
        assert_eq!(pairs.ours("ns").values.len(), 3);
        assert_eq!(pairs.theirs("ns").to_string(), "4 ns");
    }

    #[test]
    fn a_failure_ends_the_run() {
        let failing = alternate(5, || Ok(1.0), || anyhow::bail!("it broke"));
        assert_eq!(failing.unwrap_err().to_string(), "it broke");
    }
}
