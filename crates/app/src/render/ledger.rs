//! Entries of a ledger, a line each.

use owo_colors::Style;
use portcullis_model::ledger::{Entry, Record};

use super::table::{self, Cell};
use super::terminal::plain;

/// Entries with their numbers. One that this version cannot read is shown as such.
pub fn list(entries: &[(u64, Option<Entry>)]) -> String {
    let mut rows = vec![["NUMBER", "AT", "KIND", "WHAT"].map(|head| cell(head, Style::new().bold())).to_vec()];
    for (number, entry) in entries {
        let number = cell(&number.to_string(), Style::new());
        rows.push(match entry {
            None => vec![number, cell("", Style::new()), cell("of a newer version", Style::new().dimmed())],
            Some(entry) => {
                let (what, style) = what(&entry.record);
                let at = cell(&entry.at.to_string(), Style::new().dimmed());
                vec![number, at, cell(entry.record.kind(), Style::new()), cell(&what, style)]
            }
        });
    }
    table::text(&rows, "")
}

fn cell(text: &str, style: Style) -> Cell {
    (plain(text), style)
}

fn what(record: &Record) -> (String, Style) {
    let (good, bad, quiet) = (Style::new().green(), Style::new().red(), Style::new());
    match record {
        Record::Begun { taken_over: 0 } => ("the ledger begins".into(), quiet),
        Record::Begun { taken_over } => (format!("the ledger begins, with {taken_over} decisions from before"), quiet),
        Record::Started { version } => (format!("portcullis {version}"), quiet),
        Record::Decision(decision) => {
            let who = decision.subject.as_deref().unwrap_or("somebody unknown");
            let run = decision.run.map(|run| format!(", run {run}")).unwrap_or_default();
            if decision.granted {
                (format!("{} granted to {who}{run}", decision.asked), good)
            } else {
                let code = decision.code.map(|code| code.to_string()).unwrap_or_default();
                (format!("{} refused to {who}{run}: {} [{code}]", decision.asked, decision.reason), bad)
            }
        }
        Record::LeftOut { refusals } => (format!("{refusals} refusals came too fast to be entries"), bad),
        Record::DefinitionInForce { commit, definition, .. } => {
            (format!("{} of commit {}", definition.short(), commit.short()), good)
        }
        Record::DefinitionRefused { commit, code } => (format!("that of commit {} [{code}]", commit.short()), bad),
        Record::Plan { unit, plan, run, .. } => (format!("{unit} {}, run {run}", plan.short()), quiet),
        Record::Task { unit, state, plan, code, run, .. } => {
            let plan = plan.map(|plan| format!(" {}", plan.short())).unwrap_or_default();
            let why = code.map(|code| format!(" [{code}]")).unwrap_or_default();
            (format!("{unit} {state}{plan}{why}, run {run}"), if code.is_some() { bad } else { quiet })
        }
        Record::Approved { by, plans, run } => {
            let plans: Vec<String> = plans.iter().map(portcullis_model::Digest::short).collect();
            (format!("{} by {by}, run {run}", plans.join(" ")), good)
        }
        Record::State { unit, version, serial, .. } => (format!("{unit} version {version}, serial {serial}"), quiet),
        Record::RunEnded { run, state } => {
            let state = serde_json::to_value(state).ok().and_then(|word| Some(word.as_str()?.to_owned()));
            (format!("run {run} {}", state.unwrap_or_default()), quiet)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use portcullis_model::ledger::{DecisionRecord, Head};
    use portcullis_model::{Code, Digest};

    use super::*;

    #[test]
    fn what_a_caller_sent_cannot_steer_the_terminal() {
        let decision = DecisionRecord {
            asked: "plan".into(),
            reason: "\u{1b}[2Jno\nnumber 9".into(),
            code: Some(Code::DENIED),
            ..DecisionRecord::default()
        };
        let records = [
            Record::Begun { taken_over: 0 },
            Record::Decision(Box::new(decision)),
            Record::State {
                unit: portcullis_model::UnitPath::parse("dev/vpc").unwrap(),
                task: portcullis_model::TaskId::from_uuid(uuid::Uuid::nil()),
                version: 2,
                serial: 7,
                digest: Digest::of(b"state"),
            },
        ];
        let mut entries: Vec<(u64, Option<Entry>)> = records
            .iter()
            .zip(1..)
            .map(|(record, number)| {
                let (_, text) = Head::EMPTY.append(Timestamp::UNIX_EPOCH, record).unwrap();
                (number, serde_json::from_str(&text).ok())
            })
            .collect();
        entries.push((4, None));
        let shown = anstream::adapter::strip_str(&list(&entries)).to_string();
        let wanted = r"NUMBER  AT                    KIND                WHAT
1       1970-01-01T00:00:00Z  begun               the ledger begins
2       1970-01-01T00:00:00Z  decision            plan refused to somebody unknown: \u{1b}[2Jno\u{a}number 9 [PC-0300]
3       1970-01-01T00:00:00Z  state               dev/vpc version 2, serial 7
4                             of a newer version
";
        assert_eq!(shown, wanted);
    }
}
