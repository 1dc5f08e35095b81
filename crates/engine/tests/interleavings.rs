//! Everything that can happen next, from every state that a task can be in, three or four moves deep.
//!
//! What random schedules reach seldom is here in full: a cancel while an apply runs, an approval and a cancel in either
//! order with a crash between them, a restart in each state, a failure while others are held.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use portcullis_model::TaskState;
use support::world::{Crash, Move, World};

/// Two units of which the second waits for the first, and a third that waits for nobody.
const UNITS: u8 = 0b0_0111;
/// Bits that say so: u1 after u0; u2 after neither.
const EDGES: u16 = 0b001;
/// How a job ends: as it should, held, failed, interrupted.
const WELL: u8 = 0;
const HELD: u8 = 7;
const FAILED: u8 = 10;
const INTERRUPTED: u8 = 11;
/// How many moves are tried after a start: one more where an apply runs or a plan is held.
const DEPTH: u32 = 3;
const DEEPER: u32 = 4;

/// What can happen.
const MOVES: [(&str, Move); 9] = [
    ("ends well", Move::Finish { which: 0, how: WELL }),
    ("is to be held", Move::Finish { which: 0, how: HELD }),
    ("fails", Move::Finish { which: 0, how: FAILED }),
    ("is interrupted", Move::Finish { which: 0, how: INTERRUPTED }),
    ("another one ends well", Move::Finish { which: 1, how: WELL }),
    ("approve", Move::Approve { which: 0, by: 0 }),
    ("cancel", Move::Cancel { which: 0 }),
    ("drain and restart", Move::Restart),
    ("a second run", Move::Accept { apply: true, units: UNITS, edges: EDGES }),
];
const CRASHES: [Crash; 4] = [Crash::Never, Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterEffects];

/// The ways to each state of the first unit's task.
const STARTS: [(&str, &[Move]); 6] = [
    ("waiting", &[]),
    ("planning", &[Move::Prepare { which: 0, fails: false }]),
    ("applying", &[Move::Prepare { which: 0, fails: false }, Move::Finish { which: 0, how: WELL }]),
    ("held", &[Move::Prepare { which: 0, fails: false }, Move::Finish { which: 0, how: HELD }]),
    ("failed", &[Move::Prepare { which: 0, fails: false }, Move::Finish { which: 0, how: FAILED }]),
    (
        "applying",
        &[
            Move::Prepare { which: 0, fails: false },
            Move::Finish { which: 0, how: HELD },
            Move::Approve { which: 0, by: 0 },
        ],
    ),
];

fn start(moves: &[Move]) -> World {
    let mut world = World::new();
    world.play(&Move::Accept { apply: true, units: UNITS, edges: EDGES }, Crash::Never);
    for step in moves {
        world.play(step, Crash::Never);
    }
    world
}

/// The digits of a number in base `MOVES.len()`: one for each move.
fn sequence(mut number: usize) -> impl Iterator<Item = usize> {
    (0..DEEPER).map(move |_| {
        let digit = number % MOVES.len();
        number /= MOVES.len();
        digit
    })
}

#[test]
fn the_starts_are_what_they_are_called() {
    for (name, moves) in STARTS {
        let world = start(moves);
        let state = world.tasks.values().next().map_or("waiting", |task| task.state.name());
        assert_eq!(state, name);
    }
    let world = start(STARTS[3].1);
    let held = world.tasks.values().filter(|task| matches!(task.state, TaskState::Held { .. })).count();
    let waits: Vec<usize> = world.tasks.values().map(|task| task.after.len()).collect();
    assert_eq!((held, waits), (1, vec![0, 1, 0]));
}

#[test]
fn promises_hold_whatever_happens_next_in_each_state() {
    for (index, (_, moves)) in STARTS.into_iter().enumerate() {
        let depth = if matches!(index, 2 | 3) { DEEPER } else { DEPTH };
        for number in 0..MOVES.len().pow(depth) {
            let mut world = start(moves);
            for digit in sequence(number).take(depth as usize) {
                world.play(&MOVES[digit].1, Crash::Never);
            }
            world.settle();
        }
    }
}

#[test]
fn promises_hold_with_a_crash_at_any_one_of_two_moves() {
    for (_, moves) in STARTS {
        for number in 0..MOVES.len().pow(2) {
            for (first, second) in CRASHES.into_iter().flat_map(|first| CRASHES.map(|second| (first, second))) {
                let mut world = start(moves);
                for (digit, crash) in sequence(number).zip([first, second]) {
                    world.play(&MOVES[digit].1, crash);
                }
                world.settle();
            }
        }
    }
}
