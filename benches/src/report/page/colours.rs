//! A peer has the same colour in all charts.

use plotters::style::RGBColor;

const KNOWN: &[(&str, RGBColor)] = &[
    ("anyio-uring", RGBColor(212, 63, 10)),
    ("anyio-uring-spin", RGBColor(124, 45, 18)),
    ("anyio-poll", RGBColor(245, 158, 11)),
    ("tokio", RGBColor(29, 78, 216)),
    ("tokio-mt", RGBColor(96, 165, 250)),
    ("tokio-pinned", RGBColor(148, 180, 226)),
    ("tokio-uring", RGBColor(8, 145, 178)),
    ("monoio", RGBColor(5, 150, 105)),
    ("compio", RGBColor(132, 176, 22)),
    ("glommio", RGBColor(124, 58, 237)),
    ("smol", RGBColor(219, 39, 119)),
    ("std", RGBColor(170, 110, 150)),
    ("raw-oneshot", RGBColor(40, 40, 40)),
    ("raw-multishot", RGBColor(90, 90, 90)),
    ("raw-direct", RGBColor(100, 120, 130)),
    ("raw-bundle", RGBColor(150, 130, 110)),
    ("raw-epoll", RGBColor(150, 150, 150)),
    ("raw-zerocopy", RGBColor(180, 140, 100)),
    ("raw-ring", RGBColor(60, 60, 60)),
    ("raw-ring-fixed", RGBColor(120, 120, 120)),
];

const OTHERS: &[RGBColor] =
    &[RGBColor(115, 115, 115), RGBColor(180, 140, 100), RGBColor(100, 140, 140), RGBColor(170, 110, 150)];

pub(super) fn of(peer: &str) -> RGBColor {
    let known = KNOWN.iter().find(|(name, _)| *name == peer).map(|(_, colour)| *colour);
    known.unwrap_or_else(|| OTHERS[peer.bytes().map(usize::from).sum::<usize>() % OTHERS.len()])
}
