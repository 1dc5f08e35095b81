//! docs/benchmarks.md: a section for each benchmark, between two marks that people do not see.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::Workspace;

const HEAD: &str = "# Benchmarks

Each section is written by the command that it names, on one machine, with everything measured in the same run: the
ratios are what counts, the milliseconds are that machine's.
";

/// Puts a section into the page: in the place of its last one, else at the end.
pub fn write(workspace: &Workspace, name: &str, section: &str) -> Result<PathBuf, String> {
    let file = workspace.root.join("docs").join("benchmarks.md");
    let text = fs::read_to_string(&file).unwrap_or_else(|_| HEAD.to_owned());
    let text = replaced(&text, name, section);
    fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

fn replaced(text: &str, name: &str, section: &str) -> String {
    let (begin, end) = (format!("<!-- bench {name} -->\n"), format!("<!-- end of bench {name} -->\n"));
    let section = format!("{begin}\n{}\n\n{end}", section.trim());
    let found = text.split_once(begin.as_str()).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end.as_str())?;
        Some((before, after))
    });
    match found {
        Some((before, after)) => format!("{before}{section}{after}"),
        None => format!("{}\n\n{section}", text.trim_end()),
    }
}

/// Processors, memory and kernel: what a figure depends on.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let model = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg").split(' ').next().unwrap_or("?").to_owned();
    format!(
        "{cores} × {model}, {} GiB, Linux {}, load {load} when it began",
        memory.unwrap_or(0).div_ceil(1 << 20),
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_its_last_one_and_of_no_other() {
        let once = replaced(HEAD, "a", "first a");
        let both = replaced(&once, "b", "first b");
        let again = replaced(&both, "a", "second a");
        assert!(again.starts_with(HEAD) && again.contains("second a") && again.contains("first b"), "{again}");
        assert!(!again.contains("first a") && again.find("second a") < again.find("first b"), "{again}");
        assert_eq!(replaced(&again, "a", "second a"), again);
    }
}
