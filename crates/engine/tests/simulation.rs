//! The state machine under random schedules, with crashes before, between and after commit and effects.
//!
//! The simulator is the store, the executor and the callers. It checks on every effect that the promise P8
//! holds: nothing accepted is lost, nothing is applied by two at once or twice blindly, and every run ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::world::{Crash, Move, UNITS, World};

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => (any::<bool>(), any::<u8>(), any::<u16>())
            .prop_map(|(apply, units, edges)| Move::Accept { apply, units, edges }),
        4 => (any::<u8>(), 0..10u8).prop_map(|(which, fails)| Move::Prepare { which, fails: fails == 0 }),
        10 => (any::<u8>(), any::<u8>()).prop_map(|(which, how)| Move::Finish { which, how }),
        1 => any::<u8>().prop_map(|which| Move::Stale { which }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(which, by)| Move::Approve { which, by }),
        1 => any::<u8>().prop_map(|which| Move::Cancel { which }),
        1 => Just(Move::Restart),
    ]
}

fn crashes() -> impl Strategy<Value = Crash> {
    prop_oneof![
        12 => Just(Crash::Never),
        1 => Just(Crash::BeforeCommit),
        1 => Just(Crash::AfterCommit),
        1 => Just(Crash::AfterEffects),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))), ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_under_any_schedule_with_crashes_anywhere(
        schedule in prop::collection::vec((moves(), crashes()), 1..120),
    ) {
        let mut world = World::new();
        for (action, crash) in &schedule {
            world.play(action, *crash);
        }
        world.settle();
    }

    /// One schedule, and a crash at each of its steps in turn: before the commit, between commit and effects,
    /// and after the effects.
    #[test]
    fn promises_hold_when_any_single_step_is_the_last_one_before_a_crash(
        schedule in prop::collection::vec(moves(), 1..30),
    ) {
        for crash in [Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterEffects] {
            for last in 0..schedule.len() {
                let mut world = World::new();
                for (index, action) in schedule.iter().enumerate() {
                    world.play(action, if index == last { crash } else { Crash::Never });
                }
                world.settle();
            }
        }
    }
}

/// The whole way of an apply run with dependencies, a crash after every step of it in turn.
#[test]
fn a_bring_up_ends_with_every_unit_applied_once_wherever_it_is_killed() {
    for crash in [Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterEffects] {
        for last in 0..40 {
            let mut world = World::new();
            let accept = Move::Accept { apply: true, units: 0b1_1111, edges: 0b1010_1100_1011_0101 };
            world.play(&accept, if last == 0 { crash } else { Crash::Never });
            for step in 1..40 {
                let action = if world.preparing.is_empty() {
                    Move::Finish { which: 0, how: 0 }
                } else {
                    Move::Prepare { which: 0, fails: false }
                };
                world.play(&action, if step == last { crash } else { Crash::Never });
            }
            world.settle();
            assert_eq!(world.applied.len(), UNITS);
            for task in world.tasks.values() {
                assert!(task.state.is_success(), "{:?}", task.state);
                assert_eq!(world.applied.get(&task.unit), task.input_digest.as_ref());
            }
        }
    }
}
