//! The dependency graph as a picture: one column for each level, an arrow from each unit to what waits for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cli::units::views::{GraphView, NodeView};
use crate::render::units::graph::label;

// All lengths are in pixels.
const CHARACTER: usize = 8;
const BOX_HEIGHT: usize = 26;
const ROW: usize = 38;
const GAP: usize = 90;
const MARGIN: usize = 16;
const PADDING: usize = 10;

/// Where a unit's box is.
#[derive(Clone, Copy)]
struct Spot {
    x: usize,
    y: usize,
    width: usize,
}

/// The picture. It has no script, no link and no style from elsewhere.
pub fn picture(graph: &GraphView) -> String {
    let spots = layout(graph);
    let right = spots.values().map(|spot| spot.x + spot.width).max().unwrap_or(0) + MARGIN;
    let bottom = spots.values().map(|spot| spot.y + BOX_HEIGHT).max().unwrap_or(0) + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right}\" height=\"{bottom}\" \
         viewBox=\"0 0 {right} {bottom}\" font-family=\"monospace\" font-size=\"13\">\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#667\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for edge in &graph.dependencies {
        if let (Some(from), Some(to)) = (spots.get(edge.to.as_str()), spots.get(edge.from.as_str())) {
            let (x1, y1) = (from.x + from.width, from.y + BOX_HEIGHT / 2);
            let (x2, y2) = (to.x, to.y + BOX_HEIGHT / 2);
            let bend = GAP / 2;
            let _ = writeln!(
                svg,
                "<path d=\"M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}\" fill=\"none\" stroke=\"#99a\" \
                 marker-end=\"url(#arrow)\"/>",
                x1 + bend,
                x2.saturating_sub(bend),
            );
        }
    }
    for unit in &graph.units {
        if let Some(spot) = spots.get(unit.path.as_str()) {
            add_box(&mut svg, unit, *spot);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn layout(graph: &GraphView) -> BTreeMap<&str, Spot> {
    let mut columns: BTreeMap<usize, Vec<&NodeView>> = BTreeMap::new();
    for unit in &graph.units {
        columns.entry(unit.level).or_default().push(unit);
    }
    let mut spots = BTreeMap::new();
    let mut x = MARGIN;
    for units in columns.values() {
        let widest = units.iter().map(|unit| label(unit).chars().count()).max().unwrap_or(0);
        let width = widest * CHARACTER + 2 * PADDING;
        for (row, unit) in units.iter().enumerate() {
            spots.insert(unit.path.as_str(), Spot { x, y: MARGIN + row * ROW, width });
        }
        x += width + GAP;
    }
    spots
}

fn add_box(svg: &mut String, unit: &NodeView, spot: Spot) {
    let (stroke, dashes) = match (unit.broken, unit.foreign) {
        (true, _) => ("#c22", ""),
        (false, true) => ("#99a", " stroke-dasharray=\"4 3\""),
        (false, false) => ("#446", ""),
    };
    let _ = writeln!(
        svg,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{BOX_HEIGHT}\" rx=\"4\" fill=\"#f4f5fa\" \
         stroke=\"{stroke}\"{dashes}/><text x=\"{}\" y=\"{}\" fill=\"#223\">{}</text>",
        spot.x,
        spot.y,
        spot.width,
        spot.x + PADDING,
        spot.y + 18,
        escaped(&label(unit)),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::units::views::EdgeView;

    #[test]
    fn a_picture_has_a_box_for_each_unit_and_no_markup_from_names() {
        let unit =
            |path: &str, level| NodeView { path: path.into(), level, broken: false, foreign: false, account: None };
        let edge = EdgeView { from: "<script>".into(), to: "vpc".into(), name: None, place: String::new() };
        let graph = GraphView { units: vec![unit("<script>", 1), unit("vpc", 0)], dependencies: vec![edge] };
        let svg = picture(&graph);
        assert!(svg.contains("&lt;script&gt;</text>") && !svg.contains("<script"), "{svg}");
        assert_eq!(svg.matches("<rect x=").count(), 2);
        assert_eq!(svg.matches("marker-end").count(), 1);
    }
}
