//! Ratios as bars from 1 to either side, or amounts as bars from 0.

use plotters::{
    element::{PathElement, Rectangle},
    style::{BLACK, Color, text_anchor::HPos},
};

use super::{
    chart::{Chart, GREY, PALE, draw, headline, text},
    colours,
};
use crate::measuring::statistics::Summary;

const WIDTH: i32 = 860;
const TOP: i32 = 78;
const LEFT: i32 = 300;
const RIGHT: i32 = WIDTH - 70;
const BAR: i32 = 13;
const GAP: i32 = 12;
const BOTTOM: i32 = 14;

/// Ratios beyond this are drawn as if they were this; the number beside the bar is the true one.
const FARTHEST: f64 = 20.0;

pub(super) struct Bars {
    pub(super) name: String,
    pub(super) title: String,
    /// How to read it.
    pub(super) below: String,
    pub(super) scale: Scale,
    pub(super) groups: Vec<Group>,
}

pub(super) enum Scale {
    /// Logarithmic, from 1 to either side.
    Ratio,
    /// From 0.
    Amount,
}

pub(super) struct Group {
    pub(super) name: String,
    /// Peers and their figures.
    pub(super) bars: Vec<(String, Summary)>,
}

impl Bars {
    /// The picture; `None` if there is nothing in it.
    pub(super) fn draw(mut self) -> anyhow::Result<Option<Chart>> {
        self.groups.retain(|group| !group.bars.is_empty());
        if self.groups.is_empty() {
            return Ok(None);
        }
        let axis = self.axis();
        let rows: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let height = TOP + rows as i32 * BAR + self.groups.len() as i32 * GAP + BOTTOM;
        let svg = draw((WIDTH as u32, height as u32), |area| {
            headline(area, &self.title, &self.below)?;
            for mark in axis.marks() {
                let x = axis.place(mark);
                let style = if axis.is_origin(mark) { BLACK } else { PALE };
                area.draw(&PathElement::new(vec![(x, TOP - 8), (x, height - BOTTOM)], style))?;
                area.draw_text(&number(mark), &text(11, HPos::Center, GREY), (x, TOP - 18))?;
            }
            let mut y = TOP;
            for group in &self.groups {
                let middle = y + group.bars.len() as i32 * BAR / 2;
                area.draw_text(&group.name, &text(12, HPos::Right, BLACK), (170, middle))?;
                for (peer, value) in &group.bars {
                    let (origin, x) = (axis.place(axis.origin()), axis.place(value.median));
                    let centre = y + BAR / 2;
                    area.draw_text(peer, &text(11, HPos::Right, GREY), (LEFT - 6, centre))?;
                    let corners =
                        [(origin.min(x), y + 2), (origin.max(x).max(origin.min(x) + 1), y + BAR - 2)];
                    area.draw(&Rectangle::new(corners, colours::of(peer).filled()))?;
                    let whisker =
                        [value.lower_quartile, value.upper_quartile].map(|it| (axis.place(it), centre));
                    area.draw(&PathElement::new(whisker.to_vec(), BLACK.mix(0.6)))?;
                    let label = number(value.median);
                    area.draw_text(&label, &text(11, HPos::Right, BLACK), (WIDTH - 12, centre))?;
                    y += BAR;
                }
                y += GAP;
            }
            Ok(())
        })?;
        Ok(Some(Chart { name: self.name, title: self.title, svg }))
    }

    fn axis(&self) -> Axis {
        let values = self.groups.iter().flat_map(|group| &group.bars).flat_map(|(_, value)| {
            [value.median, value.lower_quartile, value.upper_quartile].into_iter().filter(|it| *it > 0.0)
        });
        let (low, high) = values.fold((1.0_f64, 0.0_f64), |(low, high), it| (low.min(it), high.max(it)));
        match self.scale {
            // An equal stretch on both sides would leave one of them empty.
            Scale::Ratio => Axis {
                low: low.clamp(1.0 / FARTHEST, 0.8).ln(),
                high: high.clamp(1.25, FARTHEST).ln(),
                ratio: true,
            },
            Scale::Amount => Axis { low: 0.0, high: high.max(f64::MIN_POSITIVE), ratio: false },
        }
    }
}

struct Axis {
    low: f64,
    high: f64,
    ratio: bool,
}

impl Axis {
    fn origin(&self) -> f64 {
        if self.ratio { 1.0 } else { 0.0 }
    }

    fn is_origin(&self, mark: f64) -> bool {
        mark == self.origin()
    }

    fn place(&self, value: f64) -> i32 {
        let value = if self.ratio { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let share = (value.clamp(self.low, self.high) - self.low) / (self.high - self.low);
        LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32
    }

    fn marks(&self) -> Vec<f64> {
        if !self.ratio {
            let step = step(self.high / 5.0);
            return (0..=(self.high / step) as u32).map(|count| f64::from(count) * step).collect();
        }
        let wide = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
        let narrow = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0];
        let marks: &[f64] = if self.high - self.low > 2.0 { &wide } else { &narrow };
        let within = |mark: &f64| (self.low..=self.high).contains(&mark.ln());
        marks.iter().copied().filter(within).collect()
    }
}

/// A round number that is no smaller.
fn step(least: f64) -> f64 {
    let magnitude = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * magnitude >= least);
    factor.unwrap_or(10.0) * magnitude
}

/// Three digits or so.
pub(super) fn number(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{:.1} M", value / 1e6),
        _ if value >= 1e5 => format!("{:.0} k", value / 1e3),
        _ if value >= 1e4 => format!("{:.1} k", value / 1e3),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value == value.round() => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_no_smaller_than_asked_for() {
        assert_eq!(
            [step(0.9), step(1.0), step(13.0), step(30.0), step(700.0)],
            [1.0, 1.0, 20.0, 50.0, 1000.0]
        );
    }

    fn bars(scale: Scale, values: &[f64]) -> Bars {
        let bar = |value: &f64| ("tokio".to_owned(), Summary::of([*value]).unwrap());
        let groups = vec![Group { name: "50x64".to_owned(), bars: values.iter().map(bar).collect() }];
        Bars { name: "name".to_owned(), title: "title".to_owned(), below: String::new(), scale, groups }
    }

    #[test]
    fn a_ratio_below_one_and_one_above_it_lie_on_different_sides_of_it() {
        let axis = bars(Scale::Ratio, &[0.5, 2.0]).axis();
        assert!(axis.place(0.5) < axis.place(1.0) && axis.place(1.0) < axis.place(2.0));
        assert_eq!(axis.place(1000.0), axis.place(2.0), "what is too far is drawn at the end");
    }

    #[test]
    fn nothing_to_show_makes_no_picture() {
        assert!(bars(Scale::Ratio, &[]).draw().unwrap().is_none());
        assert!(bars(Scale::Amount, &[3.0]).draw().unwrap().is_some());
    }
}
