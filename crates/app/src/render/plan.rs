//! What a plan does, as people know it from Terraform.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use portcullis_model::PlanSummary;

use super::style;
use super::terminal::plain;

/// `+2 ~1 -0`: one cell of a table. Replacements count as add and destroy, as in Terraform's own sum.
pub fn short(summary: &PlanSummary) -> String {
    let add = summary.add.saturating_add(summary.replace);
    let destroy = summary.destroy.saturating_add(summary.replace);
    if summary.is_empty() {
        return String::new();
    }
    format!("+{add} ~{} -{destroy}", summary.change)
}

/// Each change on a line, then outputs and the sum.
pub fn text(summary: &PlanSummary, margin: &str) -> String {
    let mut text = String::new();
    for change in &summary.changes {
        let (sign, what, look) = style::change(change.kind);
        let sign = format!("{sign:>3}");
        let _ = writeln!(text, "{margin}{} # {} {what}", sign.style(look), plain(&change.address).bold());
    }
    if summary.changes_left_out > 0 {
        let _ = writeln!(text, "{margin}      and {} more changes", summary.changes_left_out);
    }
    if !summary.outputs.is_empty() {
        let names: Vec<String> = summary.outputs.iter().map(|name| plain(name)).collect();
        let _ = writeln!(text, "{margin}Changes to outputs: {}", names.join(", "));
    }
    if summary.is_empty() {
        let _ = writeln!(text, "{margin}{}", "No changes.".bold());
    } else {
        let _ = writeln!(text, "{margin}{} {summary}.", "Plan:".bold());
    }
    if !summary.mocked.is_empty() {
        let units: Vec<String> = summary.mocked.iter().map(|unit| plain(unit.as_str())).collect();
        let _ = writeln!(
            text,
            "{margin}{}",
            format!("Made with mock outputs of {}: it is planned again before it is applied.", units.join(", "))
                .yellow()
        );
    }
    text
}

/// The sum over several plans.
pub fn sum<'a>(summaries: impl IntoIterator<Item = &'a PlanSummary>) -> PlanSummary {
    summaries.into_iter().fold(PlanSummary::default(), |mut sum, one| {
        sum.add = sum.add.saturating_add(one.add);
        sum.change = sum.change.saturating_add(one.change);
        sum.replace = sum.replace.saturating_add(one.replace);
        sum.destroy = sum.destroy.saturating_add(one.destroy);
        sum
    })
}

#[cfg(test)]
mod tests {
    use portcullis_model::run::ResourceChange;
    use portcullis_model::{ChangeKind, UnitPath};

    use super::*;

    fn shown(summary: &PlanSummary) -> String {
        anstream::adapter::strip_str(&text(summary, "")).to_string()
    }

    #[test]
    fn a_plan_reads_as_terraform_s_does() {
        let kinds = [
            ("terraform_data.new", ChangeKind::Create),
            ("terraform_data.size", ChangeKind::Update),
            ("module.db.terraform_data.main[\"a\"]", ChangeKind::Replace),
            ("terraform_data.old", ChangeKind::Destroy),
            ("data.x.y", ChangeKind::Read),
            ("terraform_data.gone", ChangeKind::Forget),
            ("terraform_data.here", ChangeKind::Move),
            ("terraform_data.there", ChangeKind::Import),
        ];
        let changes = kinds.map(|(address, kind)| ResourceChange { address: address.into(), kind }).to_vec();
        let summary = PlanSummary {
            add: 1,
            change: 1,
            replace: 1,
            destroy: 1,
            changes,
            changes_left_out: 3,
            outputs: vec!["vpc_id".into(), "arn".into()],
            mocked: vec![UnitPath::parse("dev/vpc").unwrap()],
        };
        insta::assert_snapshot!(shown(&summary), @r#"
          + # terraform_data.new will be created
          ~ # terraform_data.size will be updated in-place
        -/+ # module.db.terraform_data.main["a"] must be replaced
          - # terraform_data.old will be destroyed
         <= # data.x.y will be read during apply
          . # terraform_data.gone will be removed from the state, but not destroyed
          = # terraform_data.here has moved
          = # terraform_data.there will be imported
              and 3 more changes
        Changes to outputs: vpc_id, arn
        Plan: 2 to add, 1 to change, 2 to destroy.
        Made with mock outputs of dev/vpc: it is planned again before it is applied.
        "#);
        insta::assert_snapshot!(shown(&PlanSummary::default()), @"No changes.");
        assert_eq!(short(&summary), "+2 ~1 -2");
    }

    #[test]
    fn an_address_cannot_steer_the_terminal() {
        let changes =
            vec![ResourceChange { address: "x[\"\u{1b}[2J\n::add-mask::y\"]".into(), kind: ChangeKind::Create }];
        let text = shown(&PlanSummary { add: 1, changes, ..PlanSummary::default() });
        assert!(!text.contains('\u{1b}') && text.lines().count() == 2, "{text}");
    }
}
