//! The same change, a part of a change, and the decision, on small plans written by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test"
)]

mod support;

use portcullis_engine::change::{is_subset, same_change};
use portcullis_engine::{Approved, Begun, Case, Change, Fresh, Mock, Reviewed, Verdict, decide};
use portcullis_model::record::{ApplyRule, Approval, Unreviewed};
use portcullis_model::run::TaskResult;
use portcullis_model::{Code, PlanSummary};
use serde_json::{Value, json};
use support::{at, digest, unit};

/// A plan of one resource `t.a` with this change.
fn plan(change: Value) -> Change {
    plans(json!([{ "address": "t.a", "change": change }]), json!({}))
}

fn plans(resources: Value, outputs: Value) -> Change {
    let show = json!({ "format_version": "1.2", "resource_changes": resources, "output_changes": outputs });
    Change::from_show_json(show.to_string().as_bytes()).unwrap().0
}

fn create(after: Value) -> Change {
    plan(json!({ "actions": ["create"], "after": after }))
}

fn create_unknown(after: Value, unknown: Value) -> Change {
    plan(json!({ "actions": ["create"], "after": after, "after_unknown": unknown }))
}

fn output(action: &str, after: Value, unknown: Value) -> Change {
    plans(json!([]), json!({ "o": { "actions": [action], "after": after, "after_unknown": unknown } }))
}

#[track_caller]
fn same(reviewed: &Change, fresh: &Change) {
    same_change(reviewed, fresh, &[]).unwrap();
}

#[track_caller]
fn differs(reviewed: &Change, fresh: &Change, at: &str) {
    let difference = same_change(reviewed, fresh, &[]).unwrap_err().to_string();
    assert!(difference.contains(at), "{difference}");
}

#[test]
fn known_values_must_be_the_same() {
    let tags = |name: &str| create(json!({ "n": 1, "tags": { "Name": name, "the team": "a" }, "list": ["x", "y"] }));
    same(&tags("a"), &tags("a"));
    differs(&tags("a"), &tags("b"), "`t.a.tags.Name` is not what it was before");
    differs(&create(json!({ "m": { "a b": 1 } })), &create(json!({ "m": { "a b": 2 } })), "`t.a.m[\"a b\"]`");
    differs(&create(json!({ "l": [1, 2] })), &create(json!({ "l": [1, 3] })), "`t.a.l[1]`");
    differs(&create(json!({ "l": [1, 2] })), &create(json!({ "l": [1] })), "`t.a.l` has another number of elements");
    differs(&create(json!({ "l": ["b", "a"] })), &create(json!({ "l": ["a", "b"] })), "`t.a.l[0]`");
    differs(&create(json!({})), &create(json!({ "x": null })), "`t.a.x` is set now");
    differs(&create(json!({ "x": 1 })), &create(json!({})), "`t.a.x` was set");
    differs(&create(json!({ "x": 1 })), &create(json!({ "x": "1" })), "`t.a.x`");
    differs(&create(json!({ "x": { "y": 1 } })), &create(json!({ "x": [1] })), "`t.a.x`");
}

#[test]
fn an_unknown_of_the_review_may_become_anything_and_nothing_else_may() {
    let reviewed = create_unknown(
        json!({ "list": ["a", null, { "k": 1 }], "map": { "a": 1 } }),
        json!({ "id": true, "list": [false, true, { "u": true }], "map": { "b": true } }),
    );
    let fresh = |list0: &str, k: u32| json!({ "id": "i-1", "list": [list0, "b", { "k": k, "u": "x" }], "map": { "a": 1, "b": [2] } });
    same(&reviewed, &reviewed);
    same(&reviewed, &create(fresh("a", 1)));
    differs(&reviewed, &create(fresh("z", 1)), "`t.a.list[0]`");
    differs(&reviewed, &create(fresh("a", 2)), "`t.a.list[2].k`");
    differs(&create(json!({ "x": 1 })), &create_unknown(json!({}), json!({ "x": true })), "`t.a.x` was known");
    differs(
        &create(json!({ "m": {} })),
        &create_unknown(json!({ "m": {} }), json!({ "m": { "x": true } })),
        "`t.a.m.x`",
    );
    // All of a value unknown, also when it becomes null.
    same(&create_unknown(json!({}), json!({ "m": true })), &create(json!({ "m": null })));
    same(&create_unknown(json!(null), json!(true)), &create(json!({ "m": 1 })));
}

#[test]
fn other_actions_addresses_and_origins_are_other_changes() {
    let with = |actions: Value, more: Value| {
        let mut resource = json!({ "address": "t.a", "change": { "actions": actions, "after": { "x": 1 } } });
        resource.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        plans(json!([resource]), json!({}))
    };
    let none = json!({});
    let update = with(json!(["update"]), none.clone());
    differs(
        &update,
        &with(json!(["delete", "create"]), none.clone()),
        "was `update`, and is `destroy, then create` now",
    );
    differs(
        &with(json!(["create", "delete"]), none.clone()),
        &with(json!(["delete", "create"]), none),
        "was `create, then destroy`",
    );
    differs(&update, &with(json!(["update"]), json!({ "previous_address": "t.b" })), "moves from another address");
    differs(&update, &plans(json!([]), json!({})), "`t.a` was reviewed (update), and is not in the new plan");
    differs(&plans(json!([]), json!({})), &update, "`t.a` is in the new plan (update)");
    differs(&update, &with(json!(["update"]), json!({ "deposed": "0badcafe" })), "`t.a`");
    let import = |importing: Value| plan(json!({ "actions": ["no-op"], "importing": importing }));
    same(&import(json!({ "unknown": true })), &import(json!({ "id": "i-1" })));
    differs(&import(json!({ "id": "i-1" })), &import(json!({ "id": "i-2" })), "imported by another id");
    let moved = |from: &str| {
        plans(json!([{"address": "t.a", "previous_address": from, "change": {"actions": ["no-op"]}}]), json!({}))
    };
    same(&moved("t.b"), &moved("t.b"));
    differs(&moved("t.b"), &moved("t.c"), "moves from another address");
    differs(&plans(json!([]), json!({})), &moved("t.c"), "no change");
    let forget = |actions: Value| plan(json!({ "actions": actions }));
    differs(&forget(json!(["forget"])), &forget(json!(["delete"])), "was `forget`, and is `destroy` now");
}

#[test]
fn a_data_source_may_be_readable_by_now_and_may_not_be_read_anew() {
    let read = plans(json!([{ "address": "data.t.x", "mode": "data", "change": { "actions": ["read"] } }]), json!({}));
    let none = plans(json!([]), json!({}));
    same(&read, &none);
    differs(&none, &read, "`data.t.x` is in the new plan (read)");
}

#[test]
fn outputs_are_part_of_the_change() {
    same(&output("create", json!({}), json!({ "x": true })), &output("create", json!({ "x": "i-1" }), json!(false)));
    differs(&output("update", json!("a"), json!(false)), &output("update", json!("b"), json!(false)), "`output.o`");
    differs(&output("update", json!("a"), json!(false)), &output("delete", json!(null), json!(false)), "`output.o`");
    differs(&output("update", json!("a"), json!(false)), &plans(json!([]), json!({})), "`output.o` was to change");
    // It could not be known, and now stays as it is.
    same(&output("update", json!(null), json!(true)), &plans(json!([]), json!({})));
    differs(&plans(json!([]), json!({})), &output("create", json!("a"), json!(false)), "`output.o` is in the new plan");
}

#[test]
fn differences_name_no_values_and_no_keys_of_what_is_sensitive() {
    let secret = |key: &str, value: &str| {
        plan(json!({
            "actions": ["create"],
            "after": { "env": { "inner": { key: value } } },
            "after_sensitive": { "env": true },
        }))
    };
    for (was, is) in
        [(secret("user", "hunter2"), secret("user", "hunter3")), (secret("hunter2", "x"), secret("y", "x"))]
    {
        let difference = same_change(&was, &is, &[]).unwrap_err();
        assert_eq!((difference.address.as_str(), difference.path.as_str()), ("t.a", ".env"));
        assert!(!difference.to_string().contains("hunter"), "{difference}");
    }
    let key = "\u{1b}[2J".to_owned() + &"k".repeat(200);
    let odd = |value: u32| create(json!({ "m": { key.clone(): value } }));
    let text = same_change(&odd(1), &odd(2), &[]).unwrap_err().to_string();
    assert!(!text.contains('\u{1b}') && text.len() < 150, "{text}");
}

fn mocks(mock: Value, real: Value) -> Vec<Mock> {
    vec![Mock { mock, real }]
}

#[test]
fn where_the_review_had_a_mock_the_real_value_stands_now() {
    let mock = json!({ "vpc_id": "vpc-mock", "subnets": ["sn-1", "sn-2"], "port": 5432, "zones": { "a": "mock-a" } });
    let real =
        json!({ "vpc_id": "vpc-0a1", "subnets": ["sn-b", "sn-c", "sn-a"], "port": 3306, "zones": { "a": "real-a" } });
    let mocks = mocks(mock.clone(), real.clone());
    let resource = |outputs: &Value, text: &str| {
        create(json!({
            "all": outputs, "vpc": outputs["vpc_id"], "subnets": outputs["subnets"], "port": outputs["port"],
            "text": text, "fixed": "x", "zone": outputs["zones"]["a"],
        }))
    };
    let reviewed = resource(&mock, "arn:vpc-mock/vpc-mock:5432");
    same_change(&reviewed, &resource(&real, "arn:vpc-0a1/vpc-0a1:3306"), &mocks).unwrap();
    for wrong in ["arn:vpc-0a1/vpc-evil:3306", "arn:vpc-0a1/vpc-0a1:3306 ", "arn:vpc-0a1", ""] {
        let difference = same_change(&reviewed, &resource(&real, wrong), &mocks).unwrap_err();
        assert_eq!(difference.path, ".text");
    }
    // The mock says nothing about other values, nor about the other direction.
    let fixed = |value: &str| create(json!({ "v": value }));
    same_change(&fixed("plain"), &fixed("other"), &mocks).unwrap_err();
    same_change(&fixed("vpc-0a1"), &fixed("vpc-mock"), &mocks).unwrap_err();
    same_change(&fixed("vpc-mock"), &fixed("vpc-else"), &mocks).unwrap_err();
}

#[test]
fn two_mocks_with_the_same_text_may_be_different_things() {
    let mocks = mocks(json!({ "a": "mock", "b": "mock" }), json!({ "a": "real-a", "b": "real-b" }));
    let text = |value: &str| create(json!({ "v": value }));
    for real in ["real-a real-b", "real-b real-a", "real-a real-a", "mock real-b"] {
        same_change(&text("mock mock"), &text(real), &mocks).unwrap();
    }
    same_change(&text("mock mock"), &text("real-a real-c"), &mocks).unwrap_err();
}

#[test]
fn a_set_of_texts_may_be_in_another_order_once_its_mocks_are_real() {
    let mocks = mocks(json!({ "sg": "sg-mock" }), json!({ "sg": "sg-0a" }));
    let set = |values: Value| create(json!({ "v": values }));
    let reviewed = set(json!(["sg-b", "sg-mock"]));
    same_change(&reviewed, &set(json!(["sg-0a", "sg-b"])), &mocks).unwrap();
    same_change(&reviewed, &set(json!(["sg-0a", "sg-c"])), &mocks).unwrap_err();
    same_change(&reviewed, &set(json!(["sg-0a", "sg-0a"])), &mocks).unwrap_err();
    same_change(&reviewed, &set(json!(["sg-b", "sg-0a"])), &mocks).unwrap();
}

#[test]
fn a_text_made_to_be_slow_is_given_up() {
    let many: Vec<String> = (3..200).map(|n| "a".repeat(n)).collect();
    let mocks = mocks(json!(many), json!(many.iter().map(|m| format!("{m}a")).collect::<Vec<_>>()));
    let text = |n: usize| create(json!({ "v": "a".repeat(n) }));
    same_change(&text(8000), &create(json!({ "v": "a".repeat(9000) + "b" })), &mocks).unwrap_err();
    same_change(&text(100_000), &text(100_001), &mocks).unwrap_err();
}

#[test]
fn what_is_left_of_a_cut_off_apply_is_a_part_of_it() {
    let resource = |address: &str, actions: Value, after: Value, unknown: Value| json!({ "address": address, "change": { "actions": actions, "after": after, "after_unknown": unknown } });
    let gone =
        |address: &str, key: &str| json!({ "address": address, "deposed": key, "change": { "actions": ["delete"] } });
    let begun = plans(
        json!([
            resource("t.new", json!(["create"]), json!({ "x": 1 }), json!({ "id": true, "other": true })),
            resource("t.up", json!(["update"]), json!({ "x": 2 }), json!({})),
            resource("t.dc", json!(["delete", "create"]), json!({ "x": 3 }), json!({})),
            resource("t.cd", json!(["create", "delete"]), json!({ "x": 4 }), json!({})),
            { "address": "t.to", "previous_address": "t.from", "change": { "actions": ["update"], "after": { "x": 5 } } },
        ]),
        json!({ "o": { "actions": ["create"], "after_unknown": true } }),
    );
    let rest = |resources: Value| is_subset(&begun, &plans(resources, json!({})));
    let none = json!({});
    is_subset(&begun, &begun).unwrap();
    rest(json!([])).unwrap();
    rest(json!([resource("t.new", json!(["create"]), json!({ "x": 1, "other": "known" }), json!({ "id": true }))]))
        .unwrap();
    rest(json!([resource("t.dc", json!(["create"]), json!({ "x": 3 }), none.clone()), gone("t.cd", "0badcafe")]))
        .unwrap();
    rest(json!([resource("t.to", json!(["update"]), json!({ "x": 5 }), none.clone())])).unwrap();
    is_subset(&begun, &output("update", json!("i-1"), json!(false))).unwrap();

    rest(json!([resource("t.up", json!(["update"]), json!({ "x": 9 }), none.clone())])).unwrap_err();
    rest(json!([resource("t.else", json!(["create"]), json!({}), none.clone())])).unwrap_err();
    // A half-made resource is tainted: it would be destroyed.
    rest(json!([resource("t.new", json!(["delete", "create"]), json!({ "x": 1 }), none.clone())])).unwrap_err();
    rest(json!([resource("t.cd", json!(["create"]), json!({ "x": 4 }), none)])).unwrap_err();
    rest(json!([gone("t.up", "0badcafe")])).unwrap_err();
    rest(json!([gone("t.dc", "0badcafe")])).unwrap_err();
    is_subset(&begun, &output("delete", json!(null), json!(false))).unwrap_err();
}

/// Decides about a plan; what is not said is as it is by default.
struct Ask<'a> {
    fresh: &'a Change,
    mocked: Vec<portcullis_model::UnitPath>,
    reviewed: Option<&'a Change>,
    approved: Option<&'a Change>,
    begun: Option<&'a Change>,
    approvals: Vec<Approval>,
    unreviewed: Unreviewed,
}

impl<'a> Ask<'a> {
    fn about(fresh: &'a Change) -> Self {
        let unreviewed = Unreviewed::CreateOnly;
        Ask { fresh, mocked: vec![], reviewed: None, approved: None, begun: None, approvals: vec![], unreviewed }
    }

    fn decide(&self) -> Result<Verdict, portcullis_model::Fault> {
        let summary = PlanSummary { mocked: self.mocked.clone(), ..self.fresh.summary() };
        decide(&Case {
            rule: &ApplyRule { unreviewed: self.unreviewed, approvals: 1 },
            fresh: Fresh { change: self.fresh, summary: &summary },
            reviewed: self.reviewed.map(|change| Reviewed { change, mocks: &[] }),
            approved: self.approved.map(|change| Approved { change }),
            begun: self.begun.map(|change| Begun { plan: digest("begun"), change }),
            approvals: &self.approvals,
            now: at(0),
        })
    }

    #[track_caller]
    fn applies(&self, basis: TaskResult) {
        assert_eq!(self.decide().unwrap(), Verdict::Apply(basis));
    }

    #[track_caller]
    fn holds(&self, because: &str) {
        match self.decide().unwrap() {
            Verdict::Hold { why } => assert!(why.contains(because), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_plan_without_a_review_is_judged_by_the_rule() {
    let creates = create(json!({ "x": 1 }));
    let updates = plan(json!({ "actions": ["update"], "after": {} }));
    let none = plans(json!([]), json!({}));
    for unreviewed in [Unreviewed::CreateOnly, Unreviewed::Hold, Unreviewed::Apply] {
        assert_eq!(Ask { unreviewed, ..Ask::about(&none) }.decide().unwrap(), Verdict::NoChange);
    }
    Ask::about(&creates).applies(TaskResult::AppliedUnreviewed);
    Ask::about(&updates).holds("more than create");
    Ask { unreviewed: Unreviewed::Hold, ..Ask::about(&creates) }.holds("nobody reviewed it");
    Ask { unreviewed: Unreviewed::Apply, ..Ask::about(&updates) }.applies(TaskResult::AppliedUnreviewed);
}

#[test]
fn another_change_than_the_reviewed_one_is_held_whatever_the_rule_says() {
    let (fresh, other) = (create(json!({ "x": 1 })), create(json!({ "x": 2 })));
    for unreviewed in [Unreviewed::CreateOnly, Unreviewed::Hold, Unreviewed::Apply] {
        Ask { reviewed: Some(&fresh), unreviewed, ..Ask::about(&fresh) }.applies(TaskResult::AppliedSameChange);
        Ask { reviewed: Some(&other), unreviewed, ..Ask::about(&fresh) }.holds("`t.a.x` is not what it was before");
        Ask { approved: Some(&fresh), reviewed: Some(&other), unreviewed, ..Ask::about(&fresh) }
            .applies(TaskResult::AppliedApproved);
        Ask { approved: Some(&other), unreviewed, ..Ask::about(&fresh) }.holds("not the approved one");
    }
}

#[test]
fn what_an_apply_that_was_cut_off_has_left_is_finished_for_the_reason_it_was_begun() {
    let (fresh, other) = (create(json!({ "x": 1 })), create(json!({ "x": 2 })));
    let approvals = vec![Approval { by: "ann".into(), plan: digest("begun"), at: at(0) }];
    Ask { begun: Some(&fresh), ..Ask::about(&fresh) }.applies(TaskResult::AppliedUnreviewed);
    Ask { begun: Some(&fresh), reviewed: Some(&fresh), ..Ask::about(&fresh) }.applies(TaskResult::AppliedSameChange);
    Ask { begun: Some(&fresh), approvals, ..Ask::about(&fresh) }.applies(TaskResult::AppliedApproved);
    Ask { begun: Some(&other), unreviewed: Unreviewed::Apply, ..Ask::about(&fresh) }.holds("was cut off");
    let none = plans(json!([]), json!({}));
    assert_eq!(Ask { begun: Some(&other), ..Ask::about(&none) }.decide().unwrap(), Verdict::NoChange);
}

#[test]
fn a_plan_made_with_mocks_is_never_applied_nor_held_to_be() {
    for change in [create(json!({ "x": 1 })), plans(json!([]), json!({}))] {
        let ask = Ask { mocked: vec![unit("dev/vpc")], reviewed: Some(&change), ..Ask::about(&change) };
        let fault = ask.decide().unwrap_err();
        assert_eq!(fault.code(), Code::OUTPUTS_MISSING);
        assert!(fault.message().contains("dev/vpc"));
    }
}
