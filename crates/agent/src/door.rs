//! The one way out: TCP on 127.0.0.1, forwarded byte by byte to the door's Unix socket.
//!
//! Tools speak to it as to an HTTP proxy; the broker at the other end judges each request. This side
//! understands nothing of what passes, so there is nothing here to talk round. One thread serves all
//! connections with `poll`: threads would count against the task's processes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use portcullis_model::agent::Door;
use rustix::event::{PollFd, PollFlags, poll};

/// Connections at a time; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 128;
/// Bytes on their way, per direction.
const BUFFER: usize = 32 * 1024;

/// A door that listens but does not forward yet.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    socket: PathBuf,
}

/// Starts to listen. Done before any step can take the port.
pub fn listen(door: &Door) -> io::Result<Listening> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, door.port))?;
    listener.set_nonblocking(true)?;
    Ok(Listening { listener, socket: PathBuf::from(&door.socket) })
}

impl Listening {
    /// Forwards until the process ends.
    pub fn forward(self) {
        let mut connections: Vec<Connection> = Vec::new();
        loop {
            // An error of poll itself (memory) has no cure here; the tools see a door that does not answer.
            let Ok(ready) = self.wait(&connections) else { return };
            for (connection, ready) in connections.iter_mut().zip(ready) {
                if ready {
                    connection.turn();
                }
            }
            connections.retain(|connection| !connection.is_over());
            while connections.len() < CONNECTIONS_MAX {
                match self.listener.accept() {
                    Ok((tcp, _)) => connections.extend(Connection::open(tcp, &self.socket)),
                    Err(_) => break,
                }
            }
        }
    }

    /// Waits until something can move; says for which connections.
    fn wait(&self, connections: &[Connection]) -> io::Result<Vec<bool>> {
        let mut fds = Vec::with_capacity(connections.len() * 2 + 1);
        let mut owners = Vec::with_capacity(connections.len() * 2);
        for (index, connection) in connections.iter().enumerate() {
            for fd in connection.interest() {
                fds.push(fd);
                owners.push(index);
            }
        }
        if connections.len() < CONNECTIONS_MAX {
            fds.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = vec![false; connections.len()];
        for (fd, owner) in fds.iter().zip(owners) {
            if let Some(ready) = ready.get_mut(owner) {
                *ready |= !fd.revents().is_empty();
            }
        }
        Ok(ready)
    }
}

/// One connection: two sockets, two directions.
#[derive(Debug)]
struct Connection {
    inner: TcpStream,
    outer: UnixStream,
    out: Direction,
    back: Direction,
}

/// Bytes on their way from one socket to the other.
#[derive(Debug, Default)]
struct Direction {
    bytes: Vec<u8>,
    /// The source will send no more.
    ended: bool,
    /// The target was told so, or takes no more.
    closed: bool,
}

impl Connection {
    /// `None`: the broker does not answer; the tool sees its connection closed.
    fn open(inner: TcpStream, socket: &Path) -> Option<Self> {
        let outer = UnixStream::connect(socket).ok()?;
        inner.set_nonblocking(true).ok()?;
        outer.set_nonblocking(true).ok()?;
        // Requests are small and wait for their answer.
        inner.set_nodelay(true).ok()?;
        Some(Connection { inner, outer, out: Direction::default(), back: Direction::default() })
    }

    /// What this connection waits for. A side that nothing is wanted of is left out: one that has hung up
    /// would have an event at once, each time.
    fn interest(&self) -> impl Iterator<Item = PollFd<'_>> {
        let flags = |from: &Direction, to: &Direction| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, from.wants_more());
            flags.set(PollFlags::OUT, !to.bytes.is_empty());
            flags
        };
        let sides =
            [(self.inner.as_fd(), flags(&self.out, &self.back)), (self.outer.as_fd(), flags(&self.back, &self.out))];
        sides.into_iter().filter(|(_, flags)| !flags.is_empty()).map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags))
    }

    fn turn(&mut self) {
        let Connection { inner, outer, out, back } = self;
        out.pass(inner, outer, |outer| outer.shutdown(Shutdown::Write));
        back.pass(outer, inner, |inner| inner.shutdown(Shutdown::Write));
    }

    fn is_over(&self) -> bool {
        self.out.closed && self.back.closed
    }
}

impl Direction {
    fn wants_more(&self) -> bool {
        !self.ended && self.bytes.len() < BUFFER
    }

    /// Moves what can be moved without waiting.
    fn pass<From: Read, To: Write>(&mut self, from: &mut From, to: &mut To, close: impl Fn(&To) -> io::Result<()>) {
        if self.wants_more() {
            let mut chunk = [0u8; BUFFER];
            match from.read(&mut chunk) {
                Ok(0) => self.ended = true,
                Ok(length) => self.bytes.extend(chunk.iter().take(length)),
                Err(error) if waits(&error) => {}
                Err(_) => self.ended = true,
            }
        }
        if !self.bytes.is_empty() {
            match to.write(&self.bytes) {
                Ok(written) => drop(self.bytes.drain(..written)),
                Err(error) if waits(&error) => {}
                Err(_) => {
                    self.bytes.clear();
                    self.ended = true;
                }
            }
        }
        if self.ended && self.bytes.is_empty() && !self.closed {
            // A target that is gone already is closed enough.
            let _ = close(to);
            self.closed = true;
        }
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn bytes_pass_both_ways_and_so_does_the_end_of_each() {
        let path = std::env::temp_dir().join(format!("portcullis-door-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let broker = UnixListener::bind(&path).unwrap();
        let door = listen(&Door { port: 0, socket: path.to_str().unwrap().to_string() }).unwrap();
        let address = door.listener.local_addr().unwrap();
        std::thread::spawn(move || door.forward());
        let echo = std::thread::spawn(move || {
            let (mut stream, _) = broker.accept().unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&all).unwrap();
        });
        let mut tool = TcpStream::connect(address).unwrap();
        let sent: Vec<u8> = (0..1_000_000u32).map(|index| index as u8).collect();
        tool.write_all(&sent).unwrap();
        tool.shutdown(Shutdown::Write).unwrap();
        let mut got = Vec::new();
        tool.read_to_end(&mut got).unwrap();
        assert!(got == sent, "{} bytes of {}", got.len(), sent.len());
        echo.join().unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
