//! Server-sent events, taken apart as they arrive: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! Knows nothing of runs. What one event may hold has a limit, which no library at hand has.

/// Most bytes of one event, its field names included.
pub const EVENT_MAX_BYTES: usize = 8 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// Its `id`, if it is a number.
    pub id: Option<u64>,
    /// Its name; empty when it has none.
    pub name: String,
    /// Its data: the lines, with line feeds between them.
    pub data: String,
}

/// An event is larger than [`EVENT_MAX_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Takes a stream apart, part by part.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    frame: Frame,
    has_data: bool,
    bytes: usize,
    after_cr: bool,
}

impl Parser {
    /// The events that this part completes.
    ///
    /// # Errors
    /// [`TooLarge`]; the stream is of no use then.
    pub fn feed(&mut self, part: &[u8]) -> Result<Vec<Frame>, TooLarge> {
        let mut done = Vec::new();
        for &byte in part {
            let after_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    done.extend(self.end_of_line(&line));
                }
                byte => {
                    self.bytes += 1;
                    if self.bytes > EVENT_MAX_BYTES {
                        return Err(TooLarge);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(done)
    }

    fn end_of_line(&mut self, line: &[u8]) -> Option<Frame> {
        if line.is_empty() {
            self.bytes = 0;
            let frame = std::mem::take(&mut self.frame);
            return std::mem::take(&mut self.has_data).then_some(frame);
        }
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.frame.name),
            "id" => self.frame.id = value.parse().ok(),
            // Comments (no name), `retry`, and what is not known.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<Frame> {
        // One byte at a time must give the same as all at once.
        let mut parser = Parser::default();
        let slowly: Vec<Frame> = text.bytes().flat_map(|byte| parser.feed(&[byte]).unwrap()).collect();
        assert_eq!(slowly, Parser::default().feed(text.as_bytes()).unwrap(), "{text:?}");
        slowly
    }

    fn frame(id: Option<u64>, name: &str, data: &str) -> Frame {
        Frame { id, name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_taken_apart_as_the_standard_says() {
        assert_eq!(parsed("id: 7\nevent: task\ndata: {}\n\n"), [frame(Some(7), "task", "{}")]);
        assert_eq!(parsed("data:a\ndata: b\r\ndata:  c\r\r"), [frame(None, "", "a\nb\n c")]);
        assert_eq!(parsed(": keep-alive\n\ndata: x\n\n"), [frame(None, "", "x")]);
        assert_eq!(parsed("event: end\n\n"), [], "an event without data is none");
        assert_eq!(parsed("data\n\n"), [frame(None, "", "")]);
        assert_eq!(parsed("retry: 5\nother: x\nid: no\ndata: y\n\n"), [frame(None, "", "y")]);
        assert_eq!(parsed("data: cut off"), []);
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut parser = Parser::default();
        let part = vec![b'x'; EVENT_MAX_BYTES];
        assert_eq!(parser.feed(&part), Ok(Vec::new()));
        assert_eq!(parser.feed(b"x"), Err(TooLarge));
        let mut lines = Parser::default();
        let many = b"data: x\n".repeat(EVENT_MAX_BYTES / 7 + 1);
        assert_eq!(lines.feed(&many), Err(TooLarge));
    }
}
