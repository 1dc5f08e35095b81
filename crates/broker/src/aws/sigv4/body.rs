//! [`Body`]: a request's body on its way to AWS.
//!
//! | as it was signed | what happens |
//! |---|---|
//! | by a digest | the last piece is held back until the digest of all is known to be right: AWS never has a whole body that is not the signed one |
//! | `UNSIGNED-PAYLOAD` | passes |
//! | signed chunks | a chunk is held until its signature is verified, and leaves with a real one |
//! | chunks without signatures | their framing is checked; they pass |
//!
//! The length of a body never changes. What is held is one piece or one chunk, of [`CHUNK_MAX_BYTES`] at most.
//!
//! Source: S3's API reference, *Transferring Payload in Multiple Chunks* and *Including Trailing Headers*.

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};

use super::claim::{Payload, SignatureFault};
use super::credentials::{Digest, SigningKey, same, sha256};
use crate::aws::encode::{hex, unhex};
use crate::aws::request::Request;

/// Largest signed chunk. The SDKs send 64 KiB to 1 MiB.
pub const CHUNK_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Longest line that begins a chunk: its size and a signature.
const LINE_MAX_BYTES: usize = 128;
const TRAILERS_MAX_BYTES: usize = 4 * 1024;
const SIGNATURE: &str = ";chunk-signature=";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// Why a body must not be completed. What has been sent of it is not the whole, and AWS drops it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// Its digest is another.
    #[error("the body is not the one that was signed")]
    Digest,
    /// A chunk's or the trailers' signature is not right.
    #[error("a chunk of the body has a signature that is not its own")]
    Signature,
    /// It is not in chunks as AWS defines them.
    #[error("the body's chunks are not well formed: {0}")]
    Framing(&'static str),
    /// It is longer or shorter than its header says.
    #[error("the body is not as long as x-amz-decoded-content-length says")]
    Length,
}

/// A body on its way. Every piece goes through [`Body::push`], and [`Body::finish`] gives the last.
pub struct Body(Kind);

enum Kind {
    Plain,
    Digest { context: digest::Context, wanted: Digest, held: Bytes },
    Chunks(Box<Chunks>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Body {
    /// `payload` is the text that was signed for the body. `verify` and `sign`: a key, and the request's signature made
    /// with it, which the chunks' signatures go on from.
    pub(super) fn new(
        request: &Request,
        kind: &Payload,
        payload: &str,
        verify: (SigningKey, Digest),
        sign: (SigningKey, Digest),
    ) -> Result<Self, SignatureFault> {
        let signed = match kind {
            Payload::Unsigned => return Ok(Body(Kind::Plain)),
            Payload::Undeclared | Payload::Digest(_) => {
                let wanted = unhex(payload).ok_or(SignatureFault::Payload(payload.into()))?;
                let context = digest::Context::new(&digest::SHA256);
                return Ok(Body(Kind::Digest { context, wanted, held: Bytes::new() }));
            }
            Payload::SignedChunks { .. } => Some(Signatures { verify, sign }),
            Payload::UnsignedChunks => None,
        };
        let length = request.header("x-amz-decoded-content-length").and_then(|text| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse().ok() } else { None }
        });
        let left = length.ok_or(SignatureFault::Malformed("x-amz-decoded-content-length is missing"))?;
        let trailers = match kind {
            Payload::SignedChunks { trailers: false } => None,
            _ => Some(announced(request)?),
        };
        Ok(Body(Kind::Chunks(Box::new(Chunks {
            signed,
            trailers,
            left,
            state: State::Line,
            line: Vec::new(),
            context: digest::Context::new(&digest::SHA256),
            out: BytesMut::new(),
            ready: 0,
            signature_at: 0,
            trailer_text: Vec::new(),
            trailer_bytes: 0,
        }))))
    }

    /// A piece, in the order of the wire. What comes back can be sent.
    pub fn push(&mut self, piece: Bytes) -> Result<Bytes, BodyFault> {
        match &mut self.0 {
            Kind::Plain => Ok(piece),
            Kind::Digest { context, held, .. } => {
                context.update(&piece);
                if piece.is_empty() { Ok(piece) } else { Ok(std::mem::replace(held, piece)) }
            }
            Kind::Chunks(chunks) => chunks.push(piece),
        }
    }

    /// The end. What comes back is the rest; only after that is the body complete.
    pub fn finish(self) -> Result<Bytes, BodyFault> {
        match self.0 {
            Kind::Plain => Ok(Bytes::new()),
            Kind::Digest { context, wanted, held } => {
                if same(context.finish().as_ref(), &wanted) {
                    Ok(held)
                } else {
                    Err(BodyFault::Digest)
                }
            }
            Kind::Chunks(chunks) if !matches!(chunks.state, State::Done) => Err(BodyFault::Framing("it is cut off")),
            Kind::Chunks(chunks) if chunks.left != 0 => Err(BodyFault::Length),
            Kind::Chunks(mut chunks) => Ok(chunks.take()),
        }
    }
}

/// The names of the trailers that a request announces: checksums, and nothing that a service could take for a header.
fn announced(request: &Request) -> Result<Vec<String>, SignatureFault> {
    let names = request.header("x-amz-trailer").unwrap_or_default();
    let names: Vec<String> =
        names.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect();
    match names.iter().find(|name| !name.starts_with("x-amz-checksum-")) {
        Some(name) => Err(SignatureFault::Payload(format!("with {} as a trailer", crate::record::shown(name)))),
        None => Ok(names),
    }
}

/// Where in a body we are.
#[derive(Debug, Clone, Copy)]
enum State {
    /// In the line that begins a chunk.
    Line,
    /// In a chunk's data; this many bytes are missing. The digest is the chunk's signature.
    Data { missing: usize, claimed: Option<Digest> },
    /// In the line break after it.
    DataEnd,
    /// In the lines after the last chunk.
    Trailer,
    /// After the end.
    Done,
}

struct Signatures {
    verify: (SigningKey, Digest),
    sign: (SigningKey, Digest),
}

impl Signatures {
    /// Verifies a chunk's signature; answers with the real one.
    fn chunk(&mut self, chunk: &Digest, claimed: &Digest) -> Result<Digest, BodyFault> {
        let (key, previous) = &mut self.verify;
        *previous = key.sign_chunk(previous, chunk);
        if !same(previous, claimed) {
            return Err(BodyFault::Signature);
        }
        let (key, previous) = &mut self.sign;
        *previous = key.sign_chunk(previous, chunk);
        Ok(*previous)
    }

    /// The same for trailers.
    fn trailers(&self, trailers: &Digest, claimed: &Digest) -> Result<Digest, BodyFault> {
        let (key, previous) = &self.verify;
        if !same(&key.sign_trailers(previous, trailers), claimed) {
            return Err(BodyFault::Signature);
        }
        let (key, previous) = &self.sign;
        Ok(key.sign_trailers(previous, trailers))
    }
}

struct Chunks {
    signed: Option<Signatures>,
    /// Names of the trailers that may follow. `None`: none follow.
    trailers: Option<Vec<String>>,
    /// Bytes of data that are still to come.
    left: u64,
    state: State,
    line: Vec<u8>,
    context: digest::Context,
    /// Signed chunks: what leaves, of which the first `ready` bytes are verified.
    out: BytesMut,
    ready: usize,
    /// Where in `out` the signature of the chunk belongs that is under way.
    signature_at: usize,
    /// Trailers as they are signed.
    trailer_text: Vec<u8>,
    trailer_bytes: usize,
}

impl Chunks {
    fn push(&mut self, piece: Bytes) -> Result<Bytes, BodyFault> {
        let mut rest: &[u8] = &piece;
        while !rest.is_empty() {
            rest = self.step(rest)?;
        }
        if self.signed.is_some() { Ok(self.take()) } else { Ok(piece) }
    }

    fn take(&mut self) -> Bytes {
        let ready = std::mem::take(&mut self.ready);
        self.signature_at = self.signature_at.saturating_sub(ready);
        self.out.split_to(ready).freeze()
    }

    /// Takes some of the bytes; answers with those that are left.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], BodyFault> {
        match self.state {
            State::Data { missing, claimed } => {
                let (data, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
                if self.signed.is_some() {
                    self.context.update(data);
                    self.out.extend_from_slice(data);
                }
                if data.len() == missing {
                    self.end_chunk(claimed)?;
                    self.state = State::DataEnd;
                } else {
                    self.state = State::Data { missing: missing - data.len(), claimed };
                }
                Ok(rest)
            }
            State::Line => self.line(bytes, LINE_MAX_BYTES, Self::begin_chunk),
            State::DataEnd => self.line(bytes, 2, |chunks, line| {
                if !line.is_empty() {
                    return Err(BodyFault::Framing("a chunk is longer than its size"));
                }
                chunks.state = State::Line;
                chunks.send("");
                Ok(())
            }),
            State::Trailer => self.line(bytes, TRAILERS_MAX_BYTES, Self::trailer),
            State::Done => Err(BodyFault::Framing("something follows its end")),
        }
    }

    /// Collects a line, and hands it on once it is whole.
    fn line<'a>(
        &mut self,
        bytes: &'a [u8],
        max: usize,
        then: fn(&mut Self, &str) -> Result<(), BodyFault>,
    ) -> Result<&'a [u8], BodyFault> {
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let (part, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
        if self.line.len() + part.len() > max {
            return Err(BodyFault::Framing("a line is too long"));
        }
        self.line.extend_from_slice(part);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            let text = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
            let text = text.filter(|text| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            then(self, text.ok_or(BodyFault::Framing("a line is not text that ends with CR LF"))?)?;
        }
        Ok(rest)
    }

    fn begin_chunk(&mut self, line: &str) -> Result<(), BodyFault> {
        let (size_text, claimed) = match (&self.signed, line.split_once(SIGNATURE)) {
            (Some(_), Some((size, signature))) => (size, Some(unhex(signature).ok_or(BodyFault::Signature)?)),
            (Some(_), None) => return Err(BodyFault::Framing("a chunk has no signature")),
            (None, _) => (line, None),
        };
        let digits = (1..=8).contains(&size_text.len()) && size_text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = if digits { usize::from_str_radix(size_text, 16).ok() } else { None };
        let size = size.ok_or(BodyFault::Framing("a chunk's size is not a number"))?;
        if self.signed.is_some() && size > CHUNK_MAX_BYTES {
            return Err(BodyFault::Framing("a signed chunk is larger than 2 MiB"));
        }
        self.left = u64::try_from(size).ok().and_then(|size| self.left.checked_sub(size)).ok_or(BodyFault::Length)?;
        if self.signed.is_some() {
            self.out.reserve(size + 2 * LINE_MAX_BYTES);
            self.out.extend_from_slice(size_text.as_bytes());
            self.out.extend_from_slice(SIGNATURE.as_bytes());
            self.signature_at = self.out.len();
            self.out.extend_from_slice(&[b'0'; 64]);
            self.out.extend_from_slice(b"\r\n");
        }
        if size > 0 {
            self.state = State::Data { missing: size, claimed };
            return Ok(());
        }
        self.end_chunk(claimed)?;
        self.state = State::Trailer;
        Ok(())
    }

    /// All of a chunk is there: verifies it, and puts the real signature in its place.
    fn end_chunk(&mut self, claimed: Option<Digest>) -> Result<(), BodyFault> {
        let (Some(signatures), Some(claimed)) = (&mut self.signed, claimed) else { return Ok(()) };
        let context = std::mem::replace(&mut self.context, digest::Context::new(&digest::SHA256));
        let mut chunk = Digest::default();
        chunk.copy_from_slice(context.finish().as_ref());
        let real = hex(&signatures.chunk(&chunk, &claimed)?);
        if let Some(place) = self.out.get_mut(self.signature_at..self.signature_at + real.len()) {
            place.copy_from_slice(real.as_bytes());
        }
        self.ready = self.out.len();
        Ok(())
    }

    fn trailer(&mut self, line: &str) -> Result<(), BodyFault> {
        self.trailer_bytes += line.len();
        if self.trailer_bytes > TRAILERS_MAX_BYTES {
            return Err(BodyFault::Framing("its trailers are too long"));
        }
        if line.is_empty() {
            if self.signed.is_some() && self.trailers.is_some() {
                return Err(BodyFault::Framing("its trailers have no signature"));
            }
            self.state = State::Done;
            self.send("");
            return Ok(());
        }
        let (name, value) = line.split_once(':').ok_or(BodyFault::Framing("a trailer is not name:value"))?;
        let Some(announced) = &self.trailers else { return Err(BodyFault::Framing("it has trailers")) };
        match &self.signed {
            Some(signatures) if name == TRAILER_SIGNATURE => {
                let claimed = unhex(value.trim()).ok_or(BodyFault::Signature)?;
                let real = hex(&signatures.trailers(&sha256(&self.trailer_text), &claimed)?);
                self.send(&format!("{TRAILER_SIGNATURE}:{real}"));
                // Nothing but the empty line may follow.
                self.trailers = None;
                Ok(())
            }
            _ => {
                if !announced.iter().any(|known| known == name) {
                    return Err(BodyFault::Framing("it has a trailer that was not announced"));
                }
                self.trailer_text.extend_from_slice(format!("{name}:{}\n", value.trim()).as_bytes());
                // Held, with those before it, until the signature has come.
                if self.signed.is_some() {
                    self.out.extend_from_slice(line.as_bytes());
                    self.out.extend_from_slice(b"\r\n");
                }
                Ok(())
            }
        }
    }

    /// A line that leaves, of signed chunks. Others leave as they came.
    fn send(&mut self, line: &str) {
        if self.signed.is_some() {
            self.out.extend_from_slice(line.as_bytes());
            self.out.extend_from_slice(b"\r\n");
            self.ready = self.out.len();
        }
    }
}
