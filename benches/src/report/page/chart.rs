//! A picture, and the parts that all kinds of them share.

use plotters::{
    coord::Shift,
    prelude::{DrawingArea, IntoDrawingArea, SVGBackend},
    style::{
        BLACK, Color, IntoFont, RGBColor, TextStyle, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};

pub(super) const GREY: RGBColor = RGBColor(110, 110, 110);
pub(super) const PALE: RGBColor = RGBColor(215, 215, 215);

/// A cell's name as part of a file's.
pub(super) fn file_name(cell: crate::measuring::cell::Cell) -> String {
    cell.to_string().replace([':', '@'], "-")
}

/// A picture and what it is of.
pub(super) struct Chart {
    /// Its file's name, without the ending.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) svg: String,
}

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a picture of this size.
pub(super) fn draw(
    size: (u32, u32),
    drawing: impl FnOnce(&Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        drawing(&area)?;
        area.present()?;
    }
    Ok(svg)
}

/// Text of this size that hangs on its point by this side of it.
pub(super) fn text(size: i32, side: HPos, colour: RGBColor) -> TextStyle<'static> {
    let mut style = TextStyle::from(("sans-serif", size).into_font());
    style.color = colour.to_backend_color();
    style.pos(Pos::new(side, VPos::Center))
}

/// The title and the line below it, which says how to read the picture.
pub(super) fn headline(area: &Area<'_>, title: &str, below: &str) -> anyhow::Result<()> {
    area.draw_text(title, &text(17, HPos::Left, BLACK), (12, 18))?;
    area.draw_text(below, &text(12, HPos::Left, GREY), (12, 38))?;
    Ok(())
}
