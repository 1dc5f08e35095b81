//! A plain HTTP/1.1 client for servers on this machine: runners and their issuer.
//!
//! One request, one connection, answers up to a limit; and a stream of server-sent events. Blocking, without a
//! runtime. Never used for anything beyond loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest that a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Longest that a stream of events may be silent: runners send a comment every 15 seconds.
const STREAM_SILENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks a server on a loopback address.
///
/// # Errors
/// If it is not on loopback, does not answer, or says more than `limit` bytes.
pub fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8], limit: u64) -> Result<Answer, String> {
    let stream = send(method, url, headers, body, SILENCE)?;
    read_answer(&mut BufReader::new(stream), limit).map_err(|why| format!("{method} {url}: {why}"))
}

fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    silence: Duration,
) -> Result<TcpStream, String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: not an http URL"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address: SocketAddr = host.parse().map_err(|_| format!("{url}: wants an address and a port"))?;
    if !address.ip().is_loopback() {
        return Err(format!("{url}: not on this machine"));
    }
    let failed = |error: std::io::Error| format!("{method} {url}: {error}");
    let stream = TcpStream::connect_timeout(&address, SILENCE).map_err(failed)?;
    stream.set_read_timeout(Some(silence)).map_err(failed)?;
    let mut head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(body)).map_err(failed)?;
    Ok(stream)
}

/// Opens an answer that comes bit by bit: its body, to be read as it comes.
///
/// # Errors
/// If the server is not on loopback, does not answer, or answers with something else.
pub fn open(url: &str, headers: &[(&str, &str)]) -> Result<impl BufRead + use<>, String> {
    let mut from = BufReader::new(send("GET", url, headers, b"", STREAM_SILENCE)?);
    let head = read_head(&mut from).map_err(|why| format!("GET {url}: {why}"))?;
    if head.status != 200 || !head.chunked {
        return Err(format!("GET {url}: status {} and no stream", head.status));
    }
    Ok(BufReader::new(Unchunked { from, left: 0, over: false }))
}

/// A stream of server-sent events: an iterator over the `data` of each, as it comes. It ends with the stream.
pub struct Events {
    lines: Box<dyn BufRead>,
}

impl Events {
    /// Opens a stream.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(url: &str, headers: &[(&str, &str)]) -> Result<Self, String> {
        Ok(Events { lines: Box::new(open(url, headers)?) })
    }
}

impl Iterator for Events {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            // A server that was killed ends its streams, too.
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data:") {
                return Some(data.trim().to_owned());
            }
        }
    }
}

/// A chunked body as plain bytes.
struct Unchunked<R> {
    from: R,
    left: u64,
    over: bool,
}

impl<R: BufRead> Read for Unchunked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.over {
            let mut line = String::new();
            // After a chunk comes an empty line, then the next size.
            while line.trim().is_empty() {
                line.clear();
                if self.from.read_line(&mut line)? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
            let digits = line.split(';').next().unwrap_or_default().trim();
            self.left = u64::from_str_radix(digits, 16).map_err(std::io::Error::other)?;
            self.over = self.left == 0;
        }
        let read = (&mut self.from).take(self.left).read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// What comes before a body.
struct Head {
    status: u16,
    length: Option<u64>,
    chunked: bool,
}

fn read_head(from: &mut impl BufRead) -> Result<Head, String> {
    let mut from = from.take(64 * 1024);
    let mut line = String::new();
    let mut next = |line: &mut String| {
        line.clear();
        from.read_line(line).map_err(|error| error.to_string())
    };
    next(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("not an HTTP answer")?;
    let mut head = Head { status, length: None, chunked: false };
    while next(&mut line)? > 0 && line.trim_end() != "" {
        let (name, value) = line.split_once(':').ok_or("a header without a colon")?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.trim().parse().ok(),
            "transfer-encoding" => head.chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    Ok(head)
}

fn read_answer(from: &mut impl BufRead, limit: u64) -> Result<Answer, String> {
    let Head { status, length, chunked } = read_head(from)?;
    let mut body = Vec::new();
    if chunked {
        let mut whole = Unchunked { from, left: 0, over: false };
        let read = (&mut whole).take(limit + 1).read_to_end(&mut body);
        read.map_err(|error| format!("the answer was cut off: {error}"))?;
    } else {
        let wanted = length.unwrap_or(u64::MAX).min(limit + 1);
        from.take(wanted).read_to_end(&mut body).map_err(|error| error.to_string())?;
        if length.is_some_and(|length| length <= limit && (body.len() as u64) < length) {
            return Err("the answer was cut off".into());
        }
    }
    if body.len() as u64 > limit { Err(format!("more than {limit} bytes")) } else { Ok(Answer { status, body }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, limit: u64) -> Result<(u16, String), String> {
        read_answer(&mut text.as_bytes(), limit).map(|answer| (answer.status, answer.text()))
    }

    #[test]
    fn reads_bodies_of_every_kind() {
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi more", 9), Ok((200, "hi".into())));
        assert_eq!(read("HTTP/1.1 404 No\r\n\r\nuntil the end", 99), Ok((404, "until the end".into())));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=y\r\n!!!\r\n0\r\n\r\n";
        assert_eq!(read(chunked, 9), Ok((200, "hi!!!".into())));
    }

    #[test]
    fn refuses_what_is_cut_off_or_too_long() {
        assert!(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", 99).is_err());
        assert!(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", 8).is_err());
        assert!(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhi", 999).is_err());
        assert!(read("nonsense", 9).is_err());
    }

    #[test]
    fn asks_nobody_beyond_loopback() {
        assert!(ask("GET", "http://192.0.2.1:80/", &[], b"", 9).is_err());
        assert!(ask("GET", "http://example.com/", &[], b"", 9).is_err());
    }

    #[test]
    fn events_come_one_by_one_and_end_with_the_stream() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/events", server.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            // One event over two chunks, a comment, and one that a killed server did not finish.
            for part in ["id: 1\ndata: {\"a\"", ":1}\n\n: alive\n\n", "event: end\ndata: {}\n\n"] {
                stream.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).unwrap();
            }
            stream.write_all(b"ff\r\ndata: cut").unwrap();
        });
        let seen: Vec<String> = Events::open(&url, &[]).unwrap().collect();
        serving.join().unwrap();
        assert_eq!(seen, ["{\"a\":1}", "{}"]);
    }
}
