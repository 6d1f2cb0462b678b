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
    let [ours, theirs] = take_turns(rounds, [&mut ours, &mut theirs])?;
    Ok(Pairs { ours, theirs })
}

/// One side of several.
pub(crate) type Side<'a, T> = &'a mut dyn FnMut() -> Result<T>;

/// Measures any number of sides `rounds` times: A B C, C B A, A B C, and so on. Gives each side's values, one a round.
///
/// # Errors
///
/// The first failure of any side.
pub(crate) fn take_turns<T, const SIDES: usize>(
    rounds: u32,
    mut sides: [Side<'_, T>; SIDES],
) -> Result<[Vec<T>; SIDES]> {
    let mut values = [const { Vec::new() }; SIDES];
    for round in 0..rounds {
        let mut both: Vec<_> = sides.iter_mut().zip(&mut values).collect();
        if round % 2 == 1 {
            both.reverse();
        }
        for (side, values) in both {
            values.push(side()?);
        }
    }
    Ok(values)
}

impl Pairs {
    pub(crate) const fn new(ours: Vec<f64>, theirs: Vec<f64>) -> Self {
        Self { ours, theirs }
    }

    /// Ours less theirs, round by round.
    pub(crate) fn difference(&self, unit: &'static str) -> Series {
        let rounds = self.ours.iter().zip(&self.theirs);
        Series::new(unit, rounds.map(|(ours, theirs)| ours - theirs).collect())
    }

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
    fn any_number_of_sides_take_turns() {
        let order = RefCell::new(String::new());
        let side = |name: char| {
            let order = &order;
            move || {
                order.borrow_mut().push(name);
                Ok(name)
            }
        };
        let sides: [Side<'_, char>; 3] = [&mut side('a'), &mut side('b'), &mut side('c')];
        let [first, _, third] = take_turns(2, sides).unwrap();
        assert_eq!((first, third), (vec!['a'; 2], vec!['c'; 2]));
        assert_eq!(order.into_inner(), "abccba");
    }

    #[test]
    fn pairs_are_compared_round_by_round() {
        let pairs = Pairs::new(vec![3.0, 5.0], vec![1.0, 2.0]);
        assert_eq!(pairs.difference("ms").values, [2.0, 3.0]);
        assert_eq!(pairs.ratio().values, [3.0, 2.5]);
    }

    #[test]
    fn a_failure_ends_the_run() {
        let failing = alternate(5, || Ok(1.0), || anyhow::bail!("it broke"));
        assert_eq!(failing.unwrap_err().to_string(), "it broke");
    }
}
