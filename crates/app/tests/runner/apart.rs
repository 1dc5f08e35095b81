//! An issuer that does not answer, and two runners on one data folder.

use portcullis_model::{Code, RunState};
use portcullis_testkit::Caller;
use portcullis_testkit::issuer::Answer;
use serde_json::json;

use crate::world::World;

const ROLES: &str = "security/_global/mgmt/iam-roles";

#[test]
fn an_outage_of_the_issuer_rides_on_the_keys_that_are_known() {
    let Some(world) = World::new("security", |_| ()) else { return };
    let runner = world.start();
    let plan = json!({"action": "plan", "repository": "infrastructure-live", "ref": "main", "units": [ROLES]});
    let first = runner.trigger(&world.token(Caller::Branch("main")), &plan).unwrap();
    assert_eq!(runner.finish(&first).state, RunState::Succeeded);
    let fetches = world.issuer.key_fetches();

    // It signs, as the forge's own service does, and publishes nothing. Known keys are used for five minutes
    // without a word to it, and for an hour when it does not answer; the clock of that is tested in `trust`.
    world.issuer.answer(Answer::Status(503));
    for _ in 0..3 {
        let run = runner.trigger(&world.token(Caller::Branch("main")), &plan).unwrap();
        assert_eq!(runner.finish(&run).state, RunState::Succeeded);
    }
    assert_eq!(world.issuer.key_fetches(), fetches, "it was asked, and there was no need");

    // A key that is not known cannot be judged, and is not let in.
    world.issuer.rotate();
    let refused = runner.trigger(&world.token(Caller::Branch("main")), &plan).err().expect("an unknown key");
    let codes = [Code::TOKEN_UNKNOWN_KEY.to_string(), Code::JWKS_UNREACHABLE.to_string()];
    assert!(codes.contains(&refused.code), "{refused:?}");
    assert!(refused.remedy.is_some());
    assert!(runner.stop().success());

    // A runner that starts during the outage knows no keys at all: it starts, says why it lets nobody in, and
    // works as soon as the issuer does.
    let runner = world.start();
    let refused = runner.trigger(&world.token(Caller::Branch("main")), &plan).err().expect("no keys are known");
    assert_eq!((refused.status, refused.code.as_str()), (503, Code::JWKS_UNREACHABLE.to_string().as_str()));
    assert!(runner.stop().success());
    world.issuer.answer(Answer::Good);
    let runner = world.start();
    let run = runner.trigger(&world.token(Caller::Branch("main")), &plan).unwrap();
    assert_eq!(runner.finish(&run).state, RunState::Succeeded);
}

#[test]
fn a_second_runner_on_the_same_data_folder_is_refused() {
    let Some(world) = World::new("security", |_| ()) else { return };
    let runner = world.start();
    let mut second = world.spawn();
    let status = second.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    let log = world.log();
    assert!(log.contains(&Code::DATA_IN_USE.to_string()) && log.contains("data folder"), "{log}");

    // The first is none the worse for it.
    let run = world.apply(&runner, &[ROLES]);
    assert_eq!(runner.finish(&run).state, RunState::Succeeded);
    assert!(runner.stop().success());
}
