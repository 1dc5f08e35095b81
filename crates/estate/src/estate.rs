//! [`Estate`]: all units of a repository at one commit, with their dependency graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::{Fault, UnitPath};

use crate::graph::{self, Graph};
use crate::resolved::Resolved;
use crate::settings::Settings;
use crate::source::Source;
use crate::unit::Unit;

/// Outputs of a unit by name, as its state has them; `None` when it has no state yet.
pub type Outputs<'a> = &'a dyn Fn(&UnitPath) -> Option<serde_json::Map<String, serde_json::Value>>;

/// All units of a repository at one commit.
pub struct Estate {
    source: Arc<dyn Source>,
    settings: Settings,
    units: BTreeMap<UnitPath, Result<Unit, Vec<Fault>>>,
    graph: Graph,
}

impl Estate {
    /// Finds and evaluates all units below `settings.within`. Nothing is executed. A unit that cannot be
    /// evaluated is in [`Estate::units`] with its faults; the others are not affected.
    ///
    /// # Errors
    /// When the source cannot be read, or a limit on the repository's size is exceeded.
    pub fn load(source: Arc<dyn Source>, settings: &Settings) -> Result<Estate, Fault> {
        let mut units = BTreeMap::new();
        for (unit, fault) in graph::cycles(&units) {
            units.insert(unit, Err(vec![fault]));
        }
        let graph = Graph::new(&units);
        Ok(Estate { source, settings: settings.clone(), units, graph })
    }

    /// All units by path, each evaluated or with what is wrong with it.
    pub fn units(&self) -> &BTreeMap<UnitPath, Result<Unit, Vec<Fault>>> {
        &self.units
    }

    /// Every unit after all that it depends on; among those that are free to go, by path. A unit that could
    /// not be evaluated is in it as if it depended on nothing.
    pub fn order(&self) -> &[UnitPath] {
        self.graph.order()
    }

    /// The units of this estate that depend on `unit` directly, by path.
    pub fn dependents(&self, unit: &UnitPath) -> impl Iterator<Item = &UnitPath> {
        self.graph.dependents(unit)
    }

    /// A unit's effective configuration with its dependencies' outputs in it.
    ///
    /// `command` is the tool's command (`plan`, `apply`, `destroy`, …): it decides whether mock outputs may
    /// stand in, and is what `get_terraform_command` gives.
    ///
    /// # Errors
    /// The unit's own faults; `PC-0107` when there is no such unit; `PC-0705` when a dependency has no
    /// outputs and may not be mocked; `PC-0418` when something is not known without running it; `PC-0607`
    /// when the module's source is not in this repository.
    pub fn resolve(&self, unit: &UnitPath, command: &str, outputs: Outputs<'_>) -> Result<Resolved, Fault> {
        let _ = (&self.source, &self.settings, command, outputs);
        Err(Fault::internal(format!("{unit} is not resolved yet")))
    }
}
