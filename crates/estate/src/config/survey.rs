//! Everything that is wrong with a configuration, where its evaluation stops at the first fault.
//!
//! Made only of what has a fault. Each attribute and each block of each file that takes part is looked at for itself:
//! the file, what it includes, what a stack merges into it, and the configurations that it reads. A fault that is only
//! what another one leads to (a local that another one needs, all that an include would give) is that same fault
//! again, and is told once.

use std::collections::HashSet;
use std::rc::Rc;

use portcullis_hcl::faults;
use portcullis_hcl::hcl_edit::structure::{Attribute, Body, Structure};
use portcullis_model::{Code, Fault, Place};

use super::frame::{Frame, Names};
use super::sections::{Config, PARTS_OF_FILE, PLAIN};
use super::session::Session;
use super::{dependency, include};

/// Most faults that are told of one unit.
pub(crate) const FAULTS_MAX: usize = 100;

/// Attributes of a file that are evaluated whatever else there is.
const ATTRIBUTES: [&str; 3] = ["inputs", "remote_state", "generate"];

/// Faults, each once.
#[derive(Default)]
pub(crate) struct Faults {
    found: Vec<Fault>,
    known: HashSet<(Code, Option<Place>, String)>,
    /// Whether there are more.
    more: bool,
}

impl Faults {
    /// Adds a fault that is not there yet. Notes (by which way it was met) make no other fault of it.
    pub(crate) fn push(&mut self, fault: Fault) {
        let key = (fault.code(), fault.place().cloned(), fault.message().to_owned());
        if self.known.contains(&key) {
            return;
        }
        if self.found.len() >= FAULTS_MAX {
            self.more = true;
            return;
        }
        self.known.insert(key);
        self.found.push(fault);
    }

    /// Adds all of them.
    pub(crate) fn extend(&mut self, faults: impl IntoIterator<Item = Fault>) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }

    fn is_full(&self) -> bool {
        self.more
    }

    /// All faults, with `first`, by which the evaluation ended, in front.
    pub(crate) fn into_vec(mut self, first: Fault) -> Vec<Fault> {
        let same = |found: &Fault| {
            found.code() == first.code() && found.place() == first.place() && found.message() == first.message()
        };
        let front = match self.found.iter().position(same) {
            Some(at) => self.found.remove(at),
            None => first,
        };
        self.found.insert(0, front);
        if self.more {
            self.found.truncate(FAULTS_MAX);
            let rest = Fault::new(Code::HCL_TOO_LARGE, format!("more than {FAULTS_MAX} things are wrong"));
            let place = self.found.first().and_then(Fault::place).cloned();
            let rest = rest.remedy("Correct those that are told of; what is left is told then.");
            self.found.push(match place {
                Some(place) => rest.at(Place::file(place.file)),
                None => rest,
            });
        }
        self.found
    }
}

/// Everything that is wrong with the files of a configuration and with what it reads.
pub(crate) fn files(frame: &Rc<Frame<'_>>, found: &mut Faults) {
    // What is read comes first: there its faults have no notes of who read it.
    let mut told = Faults::default();
    all_of(frame, &mut told);
    let mut done = HashSet::new();
    while let Some((target, chain)) = frame.session.unread(&done) {
        let before = frame.session.reading.replace(chain);
        match Frame::open(frame.session, &target, || Fault::new(Code::FILE_MISSING, format!("{target} does not exist")))
        {
            // Values, and stacks: they are no configuration, and are read as a whole.
            _ if !super::is_configuration(&target) => {}
            Ok(read) => {
                all_of(&read, found);
                parts(&read, found).into_iter().for_each(drop);
            }
            Err(faults) => found.extend(faults),
        }
        frame.session.reading.replace(before);
        done.insert(target);
        if found.is_full() || frame.session.budget.is_used_up() {
            break;
        }
    }
    found.extend(told.found);
    found.more |= told.more;
}

/// The parts of a configuration that can be evaluated, each as a configuration of its own, with its includes merged in.
pub(crate) fn parts(frame: &Rc<Frame<'_>>, found: &mut Faults) -> Vec<Config> {
    let mut configs = Vec::new();
    let files: Vec<&Rc<Frame<'_>>> = match frame.includes() {
        Ok(includes) => [frame].into_iter().chain(includes.iter().map(|include| &include.frame)).collect(),
        // There is nothing to merge into; what the file says itself is looked at all the same.
        Err(_) => vec![frame],
    };
    for part in PARTS_OF_FILE.iter().chain(&PLAIN) {
        let of_files = files.iter().filter_map(|file| Config::own(file, Some(&[part])).err());
        of_files.for_each(|fault| push(frame.session, fault, found));
        match Config::of(frame, Some(&[part])) {
            Ok(config) => configs.push(config),
            Err(fault) => push(frame.session, fault, found),
        }
    }
    configs
}

/// A fault that the budget alone has is none: what is evaluated once to find a fault is evaluated again to find all.
fn push(session: &Session<'_>, fault: Fault, found: &mut Faults) {
    if !session.budget.is_used_up() {
        found.push(fault);
    }
}

fn all_of(frame: &Rc<Frame<'_>>, found: &mut Faults) {
    of_file(frame, found);
    match frame.merged_in() {
        Ok(Some(merged)) => of_file(&merged, found),
        Ok(None) => {}
        Err(fault) => push(frame.session, fault, found),
    }
    match frame.includes() {
        Ok(includes) => includes.iter().for_each(|include| of_file(&include.frame, found)),
        Err(_) => {
            for include in include::each(frame) {
                match include {
                    Ok(include) => of_file(&include.frame, found),
                    Err(faults) => faults.into_iter().for_each(|fault| push(frame.session, fault, found)),
                }
            }
        }
    }
    for fault in dependency::faults(frame) {
        push(frame.session, fault, found);
    }
}

/// What is wrong with the locals of one file.
pub(super) fn locals(frame: &Rc<Frame<'_>>, found: &mut Faults) {
    for (name, attribute) in frame.local_attributes() {
        if let Err(fault) = frame.local(name, &frame.origin()) {
            of_attribute(frame, attribute, found);
            push(frame.session, fault, found);
        }
    }
}

/// What is wrong with the expressions of one file.
fn of_file(frame: &Rc<Frame<'_>>, found: &mut Faults) {
    locals(frame, found);
    for structure in frame.file.body() {
        match structure {
            Structure::Attribute(attribute) => {
                let name = attribute.key.as_str();
                if ATTRIBUTES.contains(&name) || PLAIN.contains(&name) {
                    of_attribute(frame, attribute, found);
                }
            }
            Structure::Block(block) if matches!(block.ident.as_str(), "locals" | "catalog") => {}
            Structure::Block(block) => of_body(frame, &block.body, found),
        }
    }
}

fn of_body(frame: &Rc<Frame<'_>>, body: &Body, found: &mut Faults) {
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => of_attribute(frame, attribute, found),
            Structure::Block(block) => of_body(frame, &block.body, found),
        }
    }
}

fn of_attribute(frame: &Rc<Frame<'_>>, attribute: &Attribute, found: &mut Faults) {
    let session = frame.session;
    if found.is_full() || session.budget.is_used_up() {
        return;
    }
    let all = faults(&attribute.value, &frame.file, &Names(frame), &session.budget, FAULTS_MAX + 1);
    // The last one may be that of the budget.
    let some = all.len() - usize::from(session.budget.is_used_up() && !all.is_empty());
    found.extend(all.into_iter().take(some));
}
