//! What one evaluation may cost: sizes, steps, depth.
//!
//! The text that is evaluated comes from a proposed change, so each of these is a bound against hostile
//! input. Never decides what is evaluated; only stops it.

use std::cell::Cell;

use portcullis_model::{Code, Fault};

/// Bounds for parsing and evaluation. The defaults are some forty times what the largest unit of the estates needs that
/// docs/terragrunt.md names, and end a hostile file or expression within 50 ms (docs/expressions.md has the figures).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file before it is parsed.
    pub file_bytes: usize,
    /// Attributes, blocks, items of objects and lists, parts of references (`.a`, `[0]`) and sequences of templates
    /// (`${…}`) of one file, before the syntax tree is made.
    pub file_items: usize,
    /// Keys of one object as it is written.
    pub object_keys: usize,
    /// Comparisons of keys in one file: the parser compares each key of an object with all before it.
    pub key_comparisons: usize,
    /// Evaluation steps (expressions evaluated, elements produced).
    pub steps: u64,
    /// Nesting of evaluation, through expressions and through the names that they refer to.
    pub depth: u32,
    /// Bytes of all strings and collections that one evaluation makes, together.
    pub grown_bytes: u64,
    /// Values in one value. One that is in it twice counts twice, though it is held once.
    pub weight: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            file_bytes: 512 << 10,
            file_items: 30_000,
            object_keys: 3_000,
            key_comparisons: 5_000_000,
            steps: 300_000,
            depth: 192,
            grown_bytes: 16 << 20,
            weight: 100_000,
        }
    }
}

/// Steps that parsing a text costs, however short it is.
const PARSING: u64 = 10;
const BYTES_PARSED_BY_A_STEP: u64 = 4;

/// What is left of the limits in one evaluation. Belongs to one thread; make one for each unit.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    steps: Cell<u64>,
    depth: Cell<u32>,
    /// The largest depth since somebody began to measure.
    deepest: Cell<u32>,
    grown: Cell<u64>,
}

/// What a part of an evaluation cost; see [`Budget::measure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    steps: u64,
    grown: u64,
    depth: u32,
}

/// Where a part of an evaluation began.
#[derive(Debug)]
pub struct Meter {
    steps: u64,
    grown: u64,
    depth: u32,
    deepest_before: u32,
}

impl Budget {
    /// A fresh budget.
    pub fn new(limits: &Limits) -> Self {
        Budget {
            limits: limits.clone(),
            steps: Cell::new(0),
            depth: Cell::new(0),
            deepest: Cell::new(0),
            grown: Cell::new(0),
        }
    }

    /// The limits that it was made with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Steps spent so far.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Pays for a text that is about to be parsed: a byte takes about a quarter of what a step does.
    pub fn parse(&self, bytes: usize) -> Result<(), Fault> {
        self.spend(PARSING + bytes as u64 / BYTES_PARSED_BY_A_STEP)
    }

    /// Whether nothing more can be evaluated: then a fault may be the budget's alone.
    pub fn is_used_up(&self) -> bool {
        self.steps.get() > self.limits.steps || self.grown.get() > self.limits.grown_bytes
    }

    /// Spends steps. `PC-0401` when none are left.
    pub fn spend(&self, steps: u64) -> Result<(), Fault> {
        let spent = self.steps.get().saturating_add(steps);
        self.steps.set(spent);
        if spent > self.limits.steps {
            return Err(over(format!("the evaluation takes more than {} steps", self.limits.steps)));
        }
        Ok(())
    }

    /// Accounts for bytes that are about to be made. `PC-0401` when that is too many.
    pub fn grow(&self, bytes: usize) -> Result<(), Fault> {
        let grown = self.grown.get().saturating_add(bytes as u64);
        self.grown.set(grown);
        if grown > self.limits.grown_bytes {
            return Err(over(format!("the evaluation makes more than {} bytes", self.limits.grown_bytes)));
        }
        Ok(())
    }

    /// A value of that weight has been made. `PC-0401` when it is too heavy.
    pub fn hold(&self, weight: u64) -> Result<(), Fault> {
        if weight > self.limits.weight {
            return Err(over(format!("a value holds more than {} values", self.limits.weight)));
        }
        Ok(())
    }

    /// Goes one level deeper until the guard is dropped. `PC-0401` when that is too deep.
    pub fn enter(&self) -> Result<Level<'_>, Fault> {
        let depth = self.depth.get() + 1;
        if depth > self.limits.depth {
            return Err(over(format!("the evaluation is nested deeper than {} levels", self.limits.depth)));
        }
        self.depth.set(depth);
        self.deepest.set(self.deepest.get().max(depth));
        Ok(Level(self))
    }

    /// Begins to measure what a part of an evaluation costs. Measures nest; each is given back to [`Budget::cost`].
    pub fn measure(&self) -> Meter {
        let deepest_before = self.deepest.replace(self.depth.get());
        Meter { steps: self.steps.get(), grown: self.grown.get(), depth: self.depth.get(), deepest_before }
    }

    /// What was spent since.
    pub fn cost(&self, since: &Meter) -> Cost {
        let deepest = self.deepest.get();
        self.deepest.set(deepest.max(since.deepest_before));
        Cost {
            steps: self.steps.get() - since.steps,
            grown: self.grown.get() - since.grown,
            depth: deepest.saturating_sub(since.depth),
        }
    }

    /// Takes back what was spent since, for what is evaluated once more from there.
    pub fn rewind(&self, since: &Meter) {
        self.steps.set(since.steps);
        self.grown.set(since.grown);
    }

    /// Spends what a part of an evaluation costs whose result is known already. `false`: there is not that much left,
    /// and nothing was spent; whoever evaluates it then comes by the limit.
    pub fn afford(&self, cost: Cost) -> bool {
        let (steps, grown) = (self.steps.get().saturating_add(cost.steps), self.grown.get().saturating_add(cost.grown));
        let depth = self.depth.get().saturating_add(cost.depth);
        let affordable = steps <= self.limits.steps && grown <= self.limits.grown_bytes && depth <= self.limits.depth;
        if affordable {
            self.steps.set(steps);
            self.grown.set(grown);
            self.deepest.set(self.deepest.get().max(depth));
        }
        affordable
    }
}

fn over(message: String) -> Fault {
    Fault::new(Code::HCL_TOO_LARGE, message).remedy("Simplify the expression, or split it over several files.")
}

/// One level of nesting; see [`Budget::enter`].
#[derive(Debug)]
pub struct Level<'a>(&'a Budget);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.depth.set(self.0.depth.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_a_fault() {
        let budget = Budget::new(&Limits { steps: 2, depth: 1, grown_bytes: 3, ..Limits::default() });
        assert!(budget.spend(2).is_ok());
        assert_eq!(budget.spend(1).unwrap_err().code(), Code::HCL_TOO_LARGE);
        assert_eq!(budget.grow(4).unwrap_err().code(), Code::HCL_TOO_LARGE);
        let level = budget.enter().unwrap();
        assert!(budget.enter().is_err());
        drop(level);
        assert!(budget.enter().is_ok());
    }

    #[test]
    fn what_was_measured_once_can_be_spent_again() {
        let budget = Budget::new(&Limits { steps: 10, depth: 3, grown_bytes: 100, ..Limits::default() });
        let outer = budget.measure();
        let _level = budget.enter().unwrap();
        let inner = budget.measure();
        {
            let _deeper = budget.enter().unwrap();
            budget.spend(4).unwrap();
            budget.grow(30).unwrap();
        }
        let inner = budget.cost(&inner);
        assert_eq!(inner, Cost { steps: 4, grown: 30, depth: 1 });
        assert_eq!(budget.cost(&outer), Cost { steps: 4, grown: 30, depth: 2 });
        assert!(budget.afford(inner));
        assert_eq!(budget.steps(), 8);
        // A third time is too much, and costs nothing.
        assert!(!budget.afford(inner));
        assert_eq!(budget.steps(), 8);
        let deep = Cost { steps: 0, grown: 0, depth: 3 };
        assert!(!budget.afford(deep), "one level is entered already");
    }
}
