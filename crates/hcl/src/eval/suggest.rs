//! "Did you mean": the nearest of the known names.

use portcullis_model::Fault;

/// Names that are not longer than this are compared.
const LONGEST: usize = 64;
/// Names that are looked at: an object may have a hundred thousand keys, and the fault may be one that is caught.
const NAMES: usize = 256;

/// Adds the nearest name as a remedy, if one is near.
pub(super) fn add<'a>(fault: Fault, wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Fault {
    match nearest(wrong, names) {
        Some(name) => fault.remedy(format!("Did you mean `{name}`?")),
        None => fault,
    }
}

fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match wrong.len() {
        0..=3 => 1,
        4..=9 => 2,
        _ => 3,
    };
    names
        .into_iter()
        .take(NAMES)
        .filter(|name| name.len() <= LONGEST && wrong.len() <= LONGEST && name.len().abs_diff(wrong.len()) <= 4 * limit)
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Edit distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.chars().enumerate() {
        let mut diagonal = at;
        let mut before = at + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, right) in row.iter_mut().skip(1).zip(&b) {
            let cost = diagonal + usize::from(left != *right);
            diagonal = *cell;
            before = cost.min(diagonal + 1).min(before + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("lokal", ["local", "include"]), Some("local"));
        assert_eq!(nearest("jsondecod", ["jsonencode", "jsondecode"]), Some("jsondecode"));
        assert_eq!(nearest("x", ["local"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
