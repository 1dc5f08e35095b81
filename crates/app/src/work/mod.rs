//! What the engine asks for: preparing runs, planning and applying units.
