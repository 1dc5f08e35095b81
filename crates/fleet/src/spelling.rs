//! "Did you mean": the nearest known name.

/// Longest name that is compared, in bytes: what is longer is no misspelling, and comparing is quadratic.
const COMPARED_BYTES: usize = 64;

/// `Did you mean …? `, ready to be put before a remedy; empty when no name is near.
pub(crate) fn hint<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!("Did you mean `{near}`? "))
}

fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .filter(|candidate| candidate.len() <= COMPARED_BYTES && name.len() <= COMPARED_BYTES)
        .map(|candidate| (distance(name, candidate), candidate))
        // A third of the name may differ, so that short names do not suggest each other.
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1) && *distance > 0)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and substitutions between two names; a swap of neighbours is two.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut left = line + 1;
        let mut next = vec![left];
        for (y, pair) in b.chars().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            left = (left + 1).min(above + 1).min(diagonal + usize::from(x != y));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(hint("standrad", ["standard", "workload"].into_iter()), "Did you mean `standard`? ");
        assert_eq!(hint("alow", ["allow", "approvers"].into_iter()), "Did you mean `allow`? ");
        assert_eq!(hint("prod", ["dev", "logs"].into_iter()), "");
        assert_eq!(hint("x", [].into_iter()), "");
        assert_eq!(hint(&"x".repeat(9999), ["allow"].into_iter()), "");
        assert_eq!((distance("kitten", "sitting"), distance("", "ab")), (3, 2));
    }
}
