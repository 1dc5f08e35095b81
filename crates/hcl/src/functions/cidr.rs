//! Functions on address ranges, IPv4 and IPv6.

use std::net::{Ipv4Addr, Ipv6Addr};

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{Signed, ToPrimitive};
use portcullis_model::Fault;

use super::Param::{Number, Text};
use super::{Call, Function, plain};
use crate::{Value, number};

pub(super) const TABLE: &[Function] = &[
    plain("cidrcontains", &[Text, Text], contains),
    plain("cidrhost", &[Text, Number], host),
    plain("cidrnetmask", &[Text], netmask),
    plain("cidrsubnet", &[Text, Number, Number], subnet),
    plain("cidrsubnets", &[Text], subnets).rest(Number).extra(4),
];

/// An address as a number, of 32 or 128 bits.
#[derive(Clone, Copy)]
struct Address {
    bits: u32,
    number: u128,
}

/// The first address of a range and the length of its prefix.
#[derive(Clone, Copy)]
struct Prefix {
    first: Address,
    length: u32,
}

impl Address {
    /// Octets may have leading zeros and are decimal all the same, as in Terraform.
    fn parse(text: &str) -> Option<Address> {
        if text.contains(':') {
            // With an IPv4 address in an IPv6 one, Terraform mixes up their lengths.
            let address = text.parse::<Ipv6Addr>().ok().filter(|address| address.to_ipv4_mapped().is_none())?;
            return Some(Address { bits: 128, number: address.to_bits() });
        }
        let mut number: u128 = 0;
        let mut count = 0;
        for octet in text.split('.') {
            if octet.is_empty() || octet.len() > 16 || !octet.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            number =
                (number << 8) | u128::from(octet.trim_start_matches('0').parse::<u8>().or_else(|_| zero(octet)).ok()?);
            count += 1;
        }
        (count == 4).then_some(Address { bits: 32, number })
    }

    fn text(self) -> String {
        match u32::try_from(self.number) {
            Ok(number) if self.bits == 32 => Ipv4Addr::from_bits(number).to_string(),
            _ => Ipv6Addr::from_bits(self.number).to_string(),
        }
    }
}

fn zero(octet: &str) -> Result<u8, std::num::ParseIntError> {
    if octet.bytes().all(|byte| byte == b'0') { Ok(0) } else { octet.parse() }
}

/// The lowest `bits` bits.
fn ones(bits: u32) -> u128 {
    1u128.checked_shl(bits).map_or(u128::MAX, |above| above - 1)
}

impl Prefix {
    fn parse(text: &str) -> Option<Prefix> {
        let (address, length) = text.split_once('/')?;
        let address = Address::parse(address)?;
        if length.is_empty() || length.len() > 8 || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let length: u32 = length.parse().ok().filter(|length| *length <= address.bits)?;
        let number = address.number & !ones(address.bits - length);
        Some(Prefix { first: Address { number, ..address }, length })
    }

    fn text(self) -> String {
        format!("{}/{}", self.first.text(), self.length)
    }

    fn host_bits(self) -> u32 {
        self.first.bits - self.length
    }

    fn last(self) -> u128 {
        self.first.number | ones(self.host_bits())
    }

    fn has(self, number: u128) -> bool {
        (self.first.number..=self.last()).contains(&number)
    }
}

fn prefix(call: &Call<'_>, index: usize) -> Result<Prefix, Fault> {
    let text = call.text(index)?;
    Prefix::parse(text)
        .ok_or_else(|| call.bad(index, format!("must be an address range like `10.0.0.0/16`, not `{text}`")))
}

fn whole(call: &Call<'_>, index: usize) -> Result<BigInt, Fault> {
    number::integer(call.number(index)?).ok_or_else(|| call.bad(index, "must be a whole number"))
}

fn contains(call: &Call<'_>) -> Result<Value, Fault> {
    let outer = prefix(call, 0)?;
    let text = call.text(1)?;
    let alone = || Address::parse(text).map(|first| Prefix { first, length: first.bits });
    let inner = Prefix::parse(text).or_else(alone);
    let inner = inner.ok_or_else(|| call.bad(1, format!("must be an address or an address range, not `{text}`")))?;
    if inner.first.bits != outer.first.bits {
        return Err(call.fault("one argument is IPv4 and the other is IPv6"));
    }
    call.bool(outer.has(inner.first.number) && outer.has(inner.last()))
}

fn host(call: &Call<'_>) -> Result<Value, Fault> {
    let prefix = prefix(call, 0)?;
    let wanted = whole(call, 1)?;
    let last = ones(prefix.host_bits());
    // A negative number counts from the end.
    let host = if wanted.is_negative() { BigInt::from(last) + 1 + &wanted } else { wanted.clone() };
    match host.to_u128().filter(|host| *host <= last) {
        Some(host) => call.string(Address { number: prefix.first.number | host, ..prefix.first }.text()),
        None => Err(call.bad(1, format!("is too large: a prefix of {} bits has no host {wanted}", prefix.length))),
    }
}

fn netmask(call: &Call<'_>) -> Result<Value, Fault> {
    let prefix = prefix(call, 0)?;
    if prefix.first.bits != 32 {
        return Err(call.bad(0, "must be IPv4: IPv6 has no netmasks"));
    }
    call.string(Address { bits: 32, number: ones(32) & !ones(prefix.host_bits()) }.text())
}

fn subnet(call: &Call<'_>) -> Result<Value, Fault> {
    let prefix = prefix(call, 0)?;
    let more = u32::try_from(whole(call, 1)?).map_err(|_| call.bad(1, "must be 0 or more"))?;
    let wanted = whole(call, 2)?;
    if more > prefix.host_bits() {
        return Err(call.bad(1, format!("is too large: a prefix of {} bits cannot get {more} more", prefix.length)));
    }
    let number = wanted.to_u128().filter(|number| *number <= ones(more));
    let number =
        number.ok_or_else(|| call.bad(2, format!("is out of range: {more} bits do not number a subnet {wanted}")))?;
    let length = prefix.length + more;
    let shifted = number.checked_shl(prefix.first.bits - length).unwrap_or(0);
    let first = Address { number: prefix.first.number | shifted, ..prefix.first };
    call.string(Prefix { first, length }.text())
}

fn subnets(call: &Call<'_>) -> Result<Value, Fault> {
    let prefix = prefix(call, 0)?;
    let mut made = Vec::new();
    let mut next = Some(prefix.first.number);
    for index in 1..call.args.len() {
        let more = u32::try_from(whole(call, index)?).ok().filter(|more| (1..=32).contains(more));
        let more = more.ok_or_else(|| call.bad(index, "must be between 1 and 32"))?;
        if more > prefix.host_bits() {
            return Err(
                call.bad(index, format!("is too large: a prefix of {} bits cannot get {more} more", prefix.length))
            );
        }
        let length = prefix.length + more;
        let inside = ones(prefix.first.bits - length);
        // The next address that such a subnet can start at.
        let first = next.and_then(|next| next.checked_add(inside)).map(|end| end & !inside);
        let Some(number) = first.filter(|number| prefix.has(*number)) else {
            return Err(
                call.bad(index, format!("leaves no room: no subnet of {length} bits is left in {}", prefix.text()))
            );
        };
        made.push(Prefix { first: Address { number, ..prefix.first }, length }.text());
        next = number.checked_add(inside).and_then(|last| last.checked_add(1));
    }
    call.strings(made)
}
