//! A plain HTTP/1.1 client for servers on this machine: the demo's runners and its issuer.
//!
//! One request, one connection, answers up to a limit. Never used for anything beyond loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest that a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

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
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: not an http URL"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address: SocketAddr = host.parse().map_err(|_| format!("{url}: wants an address and a port"))?;
    if !address.ip().is_loopback() {
        return Err(format!("{url}: not on this machine"));
    }
    let failed = |error: std::io::Error| format!("{method} {url}: {error}");
    let stream = TcpStream::connect_timeout(&address, SILENCE).map_err(failed)?;
    stream.set_read_timeout(Some(SILENCE)).map_err(failed)?;
    let mut head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(body)).map_err(failed)?;
    read_answer(&mut BufReader::new(stream), limit).map_err(|why| format!("{method} {url}: {why}"))
}

fn read_answer(from: &mut impl BufRead, limit: u64) -> Result<Answer, String> {
    let mut head = from.take(64 * 1024);
    let mut line = String::new();
    let mut next = |line: &mut String| {
        line.clear();
        head.read_line(line).map_err(|error| error.to_string())
    };
    next(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("not an HTTP answer")?;
    let (mut length, mut chunked) = (None, false);
    while next(&mut line)? > 0 && line.trim_end() != "" {
        let (name, value) = line.split_once(':').ok_or("a header without a colon")?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse::<u64>().ok(),
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        read_chunks(from, limit, &mut body)?;
    } else {
        let wanted = length.unwrap_or(u64::MAX).min(limit + 1);
        from.take(wanted).read_to_end(&mut body).map_err(|error| error.to_string())?;
        if length.is_some_and(|length| length <= limit && (body.len() as u64) < length) {
            return Err("the answer was cut off".into());
        }
    }
    if body.len() as u64 > limit { Err(format!("more than {limit} bytes")) } else { Ok(Answer { status, body }) }
}

fn read_chunks(from: &mut impl BufRead, limit: u64, body: &mut Vec<u8>) -> Result<(), String> {
    loop {
        let mut line = String::new();
        from.take(1024).read_line(&mut line).map_err(|error| error.to_string())?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| "a chunk without a size")?;
        if size == 0 {
            return Ok(());
        }
        if body.len() as u64 + size > limit {
            return Err(format!("more than {limit} bytes"));
        }
        let read = from.take(size).read_to_end(body).map_err(|error| error.to_string())?;
        if (read as u64) < size {
            return Err("the answer was cut off".into());
        }
        from.take(2).read_line(&mut line).map_err(|error| error.to_string())?;
    }
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
}
