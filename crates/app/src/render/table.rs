//! Aligned columns.

use owo_colors::{OwoColorize, Style};

/// A cell: text without styles, and how it looks.
pub type Cell = (String, Style);

/// Rows with aligned columns, two spaces between them and no space at a line's end. Cells hold safe text, on one line.
pub fn text(rows: &[Vec<Cell>], margin: &str) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for ((cell, _), width) in row.iter().zip(&mut widths) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let filled = row.iter().rposition(|(cell, _)| !cell.is_empty()).map_or(0, |last| last + 1);
        text.push_str(margin);
        for (at, ((cell, style), width)) in row.iter().zip(&widths).take(filled).enumerate() {
            text.push_str(&cell.style(*style).to_string());
            if at + 1 < filled {
                let gap = width.saturating_sub(cell.chars().count()) + 2;
                text.extend(std::iter::repeat_n(' ', gap));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_colours_they_have() {
        let cell = |text: &str| (text.to_owned(), Style::new().red());
        let rows = [vec![cell("STATE"), cell("UNIT"), cell("TIME")], vec![cell("ok"), cell("dév/vpc"), cell("")]];
        let shown = anstream::adapter::strip_str(&text(&rows, "  ")).to_string();
        assert_eq!(shown, "  STATE  UNIT     TIME\n  ok     dév/vpc\n");
    }
}
