//! Times and durations for people. Times are UTC, as the runner says them.

use std::time::Duration;

use jiff::Timestamp;

/// `0.8 s`, `12 s`, `3 min 20 s`, `1 h 02 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Between two times as the API has them. `None` if one is missing or is no time.
pub fn between(from: Option<&str>, to: Option<&str>) -> Option<Duration> {
    let (from, to) = (from?.parse::<Timestamp>().ok()?, to?.parse::<Timestamp>().ok()?);
    Duration::try_from(to.duration_since(from)).ok()
}

/// `2026-11-25 10:00:03 UTC`. What is no time is shown as it is.
pub fn moment(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => super::terminal::plain(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_people_want_them() {
        let shown = |ms| duration(Duration::from_millis(ms));
        assert_eq!(
            [shown(40), shown(840), shown(12_900), shown(200_000), shown(3_725_000)],
            ["0.0 s", "0.8 s", "12 s", "3 min 20 s", "1 h 02 min"]
        );
    }

    #[test]
    fn a_runner_s_clock_may_say_anything() {
        let (early, late) = (Some("2026-11-25T10:00:00Z"), Some("2026-11-25T10:00:01.5Z"));
        assert_eq!(between(early, late), Some(Duration::from_millis(1500)));
        assert_eq!(between(late, early), None);
        assert_eq!(between(None, early), None);
        assert_eq!(between(Some("yesterday"), early), None);
        assert_eq!(moment("2026-11-25T10:00:03.123Z"), "2026-11-25 10:00:03 UTC");
        assert_eq!(moment("\u{1b}c"), "\\u{1b}c");
    }
}
