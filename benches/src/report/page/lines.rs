//! One line for each peer, between logarithmic axes.

use std::ops::Range;

use anyhow::anyhow;
use plotters::{
    chart::ChartBuilder,
    element::{Circle, PathElement},
    prelude::IntoLogRange,
    style::{BLACK, Color, text_anchor::HPos},
};

use super::{
    bars::number,
    chart::{Chart, GREY, PALE, draw, headline, text},
    colours,
};

const SIZE: (u32, u32) = (860, 420);
/// Where the names of the lines stand.
const LEGEND: i32 = 725;

pub(super) struct Lines {
    pub(super) name: String,
    pub(super) title: String,
    /// How to read it.
    pub(super) below: String,
    pub(super) x: Axis,
    pub(super) y: &'static str,
    /// Peers and their points.
    pub(super) lines: Vec<(String, Vec<(f64, f64)>)>,
}

/// What is below the lines.
pub(super) struct Axis {
    pub(super) title: &'static str,
    /// Where there is something to tell, and what.
    pub(super) marks: Vec<(f64, String)>,
}

impl Lines {
    /// The picture; `None` if there is no line in it.
    pub(super) fn draw(mut self) -> anyhow::Result<Option<Chart>> {
        for (_, points) in &mut self.lines {
            points.retain(|(x, y)| *x > 0.0 && *y > 0.0);
        }
        self.lines.retain(|(_, points)| points.len() > 1);
        if self.lines.is_empty() {
            return Ok(None);
        }
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let (x, y) = (range(points().map(|(x, _)| *x), 1.05), range(points().map(|(_, y)| *y), 1.15));
        let svg = draw(SIZE, |area| {
            headline(area, &self.title, &self.below)?;
            let (_, below) = area.split_vertically(48);
            let (plot, _) = below.split_horizontally(LEGEND - 10);
            let mut chart = ChartBuilder::on(&plot)
                .margin(8)
                .x_label_area_size(42)
                .y_label_area_size(64)
                .build_cartesian_2d(x.clone().log_scale(), y.clone().log_scale())
                .map_err(|error| anyhow!("{error}"))?;
            chart
                .configure_mesh()
                .disable_mesh()
                // Its own marks are at powers of ten only.
                .x_label_formatter(&|_| String::new())
                .y_label_formatter(&|_| String::new())
                .x_desc(self.x.title)
                .y_desc(self.y)
                .axis_desc_style(text(12, HPos::Center, BLACK))
                .draw()
                .map_err(|error| anyhow!("{error}"))?;
            let place = |x: f64, y: f64| chart.backend_coord(&(x, y));
            for (mark, name) in self.x.marks.iter().filter(|(mark, _)| x.contains(mark)) {
                let (bottom, top) = (place(*mark, y.start), place(*mark, y.end));
                area.draw(&PathElement::new(vec![bottom, top], PALE))?;
                area.draw_text(name, &text(11, HPos::Center, GREY), (bottom.0, bottom.1 + 14))?;
            }
            for mark in marks(&y) {
                let (left, right) = (place(x.start, mark), place(x.end, mark));
                area.draw(&PathElement::new(vec![left, right], PALE))?;
                area.draw_text(&number(mark), &text(11, HPos::Right, GREY), (left.0 - 6, left.1))?;
            }
            for (peer, points) in &self.lines {
                let colour = colours::of(peer);
                let style = colour.stroke_width(if peer.starts_with("anyio") { 3 } else { 1 });
                chart
                    .draw_series([PathElement::new(points.clone(), style)])
                    .map_err(|error| anyhow!("{error}"))?;
                let dots = points.iter().map(|point| Circle::new(*point, 2, colour.filled()));
                chart.draw_series(dots).map_err(|error| anyhow!("{error}"))?;
            }
            for (place, (peer, _)) in self.lines.iter().enumerate() {
                let y = 70 + place as i32 * 18;
                let stroke = colours::of(peer).stroke_width(3);
                area.draw(&PathElement::new(vec![(LEGEND, y), (LEGEND + 18, y)], stroke))?;
                area.draw_text(peer, &text(12, HPos::Left, BLACK), (LEGEND + 24, y))?;
            }
            Ok(())
        })?;
        Ok(Some(Chart { name: self.name, title: self.title, svg }))
    }
}

/// From the least to the greatest, with some room at both ends.
fn range(values: impl Iterator<Item = f64>, room: f64) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), it| (low.min(it), high.max(it)));
    let room = if low == high { room.max(1.5) } else { room };
    low / room..high * room
}

/// Round numbers within a range, few enough to be read.
fn marks(range: &Range<f64>) -> Vec<f64> {
    let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let factors: &[f64] = match range.end / range.start {
        ..=4.0 => &[1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        ..=2000.0 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let marks = decades.flat_map(|decade| factors.iter().map(move |factor| factor * 10_f64.powi(decade)));
    marks.filter(|mark| range.contains(mark)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_range_has_marks_too() {
        assert_eq!(marks(&(7.0..150.0)), [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(marks(&(11.0..17.0)), [12.5, 15.0]);
    }
}
