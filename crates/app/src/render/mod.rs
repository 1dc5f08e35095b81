//! Runs, plans, units and faults as text for people.
