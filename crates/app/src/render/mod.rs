//! Runs, plans, units and faults as text for people.
//!
//! Text is made with styles in it; whoever writes it takes them out where there is no terminal. What comes from
//! elsewhere goes through [`terminal::plain`] or [`terminal::log`] first, so that it cannot steer a terminal.

pub mod actions;
pub mod calls;
pub mod fault;
pub mod fleet;
pub mod ledger;
pub mod live;
pub mod next;
pub mod plan;
pub mod run;
pub mod style;
pub mod table;
pub mod terminal;
pub mod time;
pub mod units;
