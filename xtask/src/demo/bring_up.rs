//! Every account from nothing: one apply of everything, in the fleet's deploy order.

use portcullis_testkit::Caller;

use super::facts::Facts;
use super::world::World;

/// Brings all accounts up.
pub fn run(world: &mut World, facts: &mut Facts) -> Result<(), String> {
    let accounts: Vec<String> = world.runners.iter().map(|runner| runner.account.clone()).collect();
    for account in accounts {
        let run = world.run(&account, Caller::Merge, ("apply", "main"), &[0])?;
        let units = run.tasks().len();
        if units == 0 {
            return Err(format!("`{account}` has no units"));
        }
        let added: u64 = run.tasks().iter().filter_map(|task| task["summary"]["add"].as_u64()).sum();
        let seconds = run.took.as_secs_f64();
        println!("   {account:<9} {units:>3} units, {added:>3} resources created  {seconds:>5.1} s");
        facts.run(&account, "apply", run.state(), units, run.took);
        facts.account_up(units);
    }
    Ok(())
}
