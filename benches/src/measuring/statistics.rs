//! Medians and quartiles.

use serde::{Deserialize, Serialize};

/// Where a set of values lies and how far it spreads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) min: f64,
    pub(crate) lower_quartile: f64,
    pub(crate) median: f64,
    pub(crate) upper_quartile: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// The summary of all finite values; `None` if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            min: *sorted.first()?,
            lower_quartile: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            upper_quartile: quantile(&sorted, 0.75),
            max: *sorted.last()?,
        })
    }

    /// The summary of one over each value, roughly: exact but for what lies between two values.
    pub(crate) fn inverse(self) -> Self {
        Self {
            min: 1.0 / self.max,
            lower_quartile: 1.0 / self.upper_quartile,
            median: 1.0 / self.median,
            upper_quartile: 1.0 / self.lower_quartile,
            max: 1.0 / self.min,
        }
    }
}

/// The quantile of a sorted, non-empty slice, linear between neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = sorted[position.floor() as usize];
    let above = sorted[position.ceil() as usize];
    below + (above - below) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(min: f64, lower_quartile: f64, median: f64, upper_quartile: f64, max: f64) -> Option<Summary> {
        Some(Summary { min, lower_quartile, median, upper_quartile, max })
    }

    #[test]
    fn nothing_has_no_summary() {
        assert_eq!(Summary::of([]), None);
        assert_eq!(Summary::of([f64::NAN, f64::INFINITY]), None);
    }

    #[test]
    fn one_value_is_its_own_summary() {
        assert_eq!(Summary::of([2.5]), summary(2.5, 2.5, 2.5, 2.5, 2.5));
    }

    #[test]
    fn an_odd_count_has_its_middle_value_as_median_in_any_order() {
        assert_eq!(Summary::of([5.0, 1.0, 4.0, 2.0, 3.0]), summary(1.0, 2.0, 3.0, 4.0, 5.0));
    }

    #[test]
    fn an_even_count_lies_between_its_middle_values() {
        assert_eq!(Summary::of([4.0, 1.0, 2.0, 3.0]), summary(1.0, 1.75, 2.5, 3.25, 4.0));
    }

    #[test]
    fn the_inverse_goes_the_other_way() {
        let inverse = Summary::of([1.0, 2.0, 4.0, 8.0, 16.0]).map(Summary::inverse);
        assert_eq!(inverse, summary(0.0625, 0.125, 0.25, 0.5, 1.0));
    }

    #[test]
    fn values_that_are_no_numbers_do_not_count() {
        assert_eq!(Summary::of([1.0, f64::NAN, 3.0]), summary(1.0, 1.5, 2.0, 2.5, 3.0));
    }
}
