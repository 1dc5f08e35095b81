//! Calls through the doors of sandboxes, as a table.

use owo_colors::Style;
use portcullis_model::api::CallView;

use super::table;
use super::terminal::plain;

/// A row for each call.
pub fn table(calls: &[CallView]) -> String {
    if calls.is_empty() {
        return "Nothing was asked for. (The calls of a task are there when its sandbox has ended.)\n".into();
    }
    let (dim, red, none) = (Style::new().dimmed(), Style::new().red(), Style::new());
    let heading = ["AT", "UNIT", "STATUS", "CALL", "BY", "BYTES"].map(|text| (text.to_owned(), dim));
    let mut rows = vec![heading.to_vec()];
    for call in calls {
        let what = match (&call.operation, &call.resource) {
            (Some(operation), Some(resource)) => format!("{operation} {resource}"),
            (Some(operation), None) => operation.clone(),
            (None, _) => format!("{} {}{}", call.method, call.host, call.path),
        };
        let again = if call.repeated > 0 { format!(" (and {} more)", call.repeated) } else { String::new() };
        let (by, style) = match &call.refused {
            Some(refused) => (format!("refused: {} [{}]", refused.why, refused.code), red),
            None => (call.rule.clone(), none),
        };
        let status = if call.status == 0 { "–".to_owned() } else { call.status.to_string() };
        rows.push(vec![
            (plain(call.at.get(11..19).unwrap_or(&call.at)).to_string(), dim),
            (plain(call.unit.as_str()).to_string(), none),
            (status, style),
            (plain(&format!("{what}{again}")).to_string(), style),
            (plain(&by).to_string(), style),
            (format!("{} / {}", call.sent_bytes, call.received_bytes), dim),
        ]);
    }
    table::text(&rows, "")
}

#[cfg(test)]
mod tests {
    use portcullis_model::api::CallRefused;
    use portcullis_model::{Code, TaskId, UnitPath};

    use super::*;

    #[test]
    fn a_call_says_what_was_asked_and_why_it_was_refused_and_steers_no_terminal() {
        let call = CallView {
            unit: UnitPath::parse("dev/vpc").unwrap(),
            task: TaskId::from_uuid(uuid::Uuid::nil()),
            at: "2026-01-02T03:04:05.678Z".into(),
            method: "GET".into(),
            host: "git.example".into(),
            path: "/a\u{1b}[2J".into(),
            operation: None,
            resource: None,
            rule: "egress \"git\"".into(),
            refused: None,
            status: 200,
            sent_bytes: 0,
            received_bytes: 7,
            repeated: 2,
        };
        let refused = CallView {
            operation: Some("s3:PutObject".into()),
            resource: Some("site/a".into()),
            refused: Some(CallRefused { code: Code::DOOR_REFUSED, why: "no".into() }),
            status: 403,
            repeated: 0,
            ..call.clone()
        };
        let text = anstream::adapter::strip_str(&table(&[call, refused])).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("03:04:05  dev/vpc  200     GET git.example/a"), "{text}");
        assert!(lines[1].contains("(and 2 more)") && lines[1].ends_with("egress \"git\"           0 / 7"), "{text}");
        assert!(
            lines[2].contains("403     s3:PutObject site/a") && lines[2].contains("refused: no [PC-0614]"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }
}
