//! Expressions that try to take more time or memory than they should. Each is a fault, soon.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

use portcullis_hcl::{Budget, EmptyScope, File, Limits, Value, evaluate};
use portcullis_model::{Code, Fault};

fn run(expression: &str) -> Result<Value, Fault> {
    // Smaller than the default, so that the test is fast; what grows without end passes any limit.
    let limits = Limits { steps: 200_000, grown_bytes: 8 << 20, ..Limits::default() };
    let file = File::parse("hostile.hcl", format!("x = {expression}\n").as_bytes(), &limits)?;
    let attribute = file.body().attributes().next().unwrap();
    evaluate(&attribute.value, &file, &EmptyScope, &Budget::new(&limits))
}

/// Runs in a thread with the stack of a runtime's worker.
fn refused(expression: String) -> Fault {
    let shown: String = expression.chars().take(80).collect();
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || run(&expression)).unwrap();
    match worker.join().unwrap() {
        Err(fault) => fault,
        Ok(_) => panic!("{shown} is taken"),
    }
}

#[test]
fn what_multiplies_is_stopped() {
    let thousand = "range(1000)";
    for expression in [
        format!("[for a in {thousand} : [for b in {thousand} : [for c in {thousand} : a]]]"),
        format!("setproduct({thousand}, {thousand}, {thousand})"),
        format!("join(\",\", [for a in {thousand} : join(\",\", [for b in {thousand} : \"aaaaaaaaaaaaaaaa\"])])"),
        format!(
            "replace(join(\"\", [for a in {thousand} : \"a\"]), \"a\", join(\"\", [for a in {thousand} : \"bbbbbbbbbb\"]))"
        ),
        format!(
            "replace(join(\"\", [for a in {thousand} : \"a\"]), \"/a/\", join(\"\", [for a in {thousand} : \"bbbbbbbbbb\"]))"
        ),
        "indent(9000000000000, \"a\\nb\")".to_owned(),
        format!(
            "\"%{{ for a in {thousand} }}%{{ for b in {thousand} }}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%{{ endfor }}%{{ endfor }}\""
        ),
        format!("flatten([for a in {thousand} : {thousand}])"),
        format!("formatlist(\"%9999d\", {thousand})"),
        format!("[for a in {thousand} : strrev(join(\"\", {thousand}))]"),
    ] {
        assert_eq!(refused(expression.clone()).code(), Code::HCL_TOO_LARGE, "{expression}");
    }
}

#[test]
fn numbers_do_not_grow_without_end() {
    for expression in [
        "1e99999",
        "tonumber(\"1e999999999\")",
        "jsondecode(\"1e999999999\")",
        "pow(10, 1000000)",
        "1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300 * 1e300",
        "format(\"%99999999999d\", 1)",
        "format(\"%.99999999999f\", 1)",
        "cidrhost(\"10.0.0.0/8\", 1e40)",
        "cidrsubnet(\"::/0\", 129, 0)",
        "range(1e18)",
        "timeadd(\"2017-11-22T00:00:00Z\", \"9223372036854775807h\")",
        "substr(\"a\", 1.5, 1)",
    ] {
        refused(expression.to_owned());
    }
}

/// A value that holds another twice, that again another twice: each is small, and no walk through it would end.
#[test]
fn what_is_shared_is_weighed() {
    let doubled = (0..30).fold("[1]".to_owned(), |text, _| format!("[for v in [{text}] : [v, v]][0]"));
    for expression in [
        doubled.clone(),
        format!("jsonencode({doubled})"),
        format!("{doubled} == {doubled}"),
        format!("true ? {doubled} : []"),
        format!("tolist({doubled})"),
    ] {
        assert_eq!(refused(expression).code(), Code::HCL_TOO_LARGE);
    }
}

#[test]
fn arithmetic_far_from_the_point_is_paid_for() {
    let thousand = "range(1000)";
    for number in ["1e-900 / 3", "1e300 * 1.0001", "1 / 3", "1e-900 + 1"] {
        let fault = refused(format!("[for a in {thousand} : [for b in {thousand} : {number}]]"));
        assert_eq!(fault.code(), Code::HCL_TOO_LARGE, "{number}");
    }
}

/// The parser compares each key of an object with all before it.
#[test]
fn objects_with_too_many_keys_are_refused_before_they_are_parsed() {
    let items: String = (0..30_000).map(|number| format!("k{number} = 1, ")).collect();
    assert_eq!(refused(format!("{{ {items} }}")).code(), Code::HCL_TOO_LARGE);
    // A long list is fine: nothing in it is compared.
    let names: String = (0..4_000).map(|number| format!("\"arn:aws:iam::111122223333:role/{number}\", ")).collect();
    let limits = Limits::default();
    File::parse("names.hcl", format!("x = [{names}]\n").as_bytes(), &limits).unwrap();
}

fn steps(expression: &str) -> u64 {
    let limits = Limits { steps: u64::MAX, grown_bytes: u64::MAX, weight: u64::MAX, ..Limits::default() };
    let file = File::parse("hostile.hcl", format!("x = {expression}\n").as_bytes(), &limits).unwrap();
    let budget = Budget::new(&limits);
    evaluate(&file.body().attributes().next().unwrap().value, &file, &EmptyScope, &budget).unwrap();
    budget.steps()
}

/// Steps are counted and not time, so what takes ten times as long has to take many more of them.
#[test]
fn what_costs_more_takes_more_steps() {
    let text = |length: usize| format!("join(\"\", [for a in range({length}) : \"{}\"])", "abcdefghij".repeat(100));
    let list =
        |length: usize| format!("flatten([for a in range({length}) : [for b in range(20) : \"k${{a}}-${{b}}\"]])");
    let texts = [
        "sha512(v)",
        "base64sha256(v)",
        "length(v)",
        "strrev(v)",
        "upper(v)",
        "strcontains(v, \"zz\")",
        "replace(v, \"zz\", \"\")",
        "split(\"zz\", v)",
        "regexall(\"zz\", v)",
        "v == \"${v}\"",
        "jsonencode(v)",
        "base64encode(v)",
        "urlencode(v)",
    ];
    let lists = [
        "tolist(v)",
        "toset(v)",
        "sort(v)",
        "distinct(v)",
        "contains(v, \"zz\")",
        "try(index(v, \"zz\"), 1)",
        "v == concat(v, [])",
        "jsonencode(v)",
        "join(\"\", v)",
        "v[*]",
        "try([for x in v : nope], 1)",
        "{ for x in v : x => x }",
        "zipmap(v, v)",
        "true ? v : []",
        "matchkeys(v, v, [\"zz\"])",
        "setunion(v, v)",
    ];
    let grows = |body: &str, value: &dyn Fn(usize) -> String| {
        let of = |length: usize| {
            let of = |body: &str| steps(&format!("[for v in [{}] : {body}]", value(length)));
            of(body) - of("1")
        };
        let (small, large) = (of(10), of(200));
        assert!(large > 10 * small, "{body}: {small} steps, {large} for twenty times as much");
    };
    texts.iter().for_each(|body| grows(body, &text));
    lists.iter().for_each(|body| grows(body, &list));
}

#[test]
fn patterns_are_bounded() {
    assert_eq!(refused("regex(\"(a{1000}){1000}\", \"a\")".to_owned()).code(), Code::HCL_EVALUATION);
    // Catastrophic for engines that backtrack.
    refused(format!("regex(\"^(a+)+$\", \"{}b\")", "a".repeat(5_000)));
}

#[test]
fn nested_texts_are_bounded() {
    let deep = 100_000;
    for expression in [
        format!("jsondecode(\"{}\")", "[".repeat(deep)),
        format!("yamldecode(\"{}\")", "[".repeat(deep)),
        format!("yamldecode(\"{}\")", "- ".repeat(deep)),
        format!("{}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{}1", "-".repeat(deep)),
        format!("{}1", "!".repeat(deep)),
        format!("{}true", "true ? 1 : ".repeat(deep)),
        format!("{}1{}", "[".repeat(deep), "]".repeat(deep)),
        format!("\"{}\"", "${\"".repeat(deep)),
        format!("1{}", " + 1".repeat(deep)),
        "templatestring(\"$${templatestring(t, { t = t })}\", { t = \"$${templatestring(t, { t = t })}\" })".to_owned(),
    ] {
        refused(expression);
    }
    let bomb = (1..40).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]".to_owned(), |text, level| {
        let before = level - 1;
        format!("{text}\\na{level}: &a{level} [{}]", vec![format!("*a{before}"); 9].join(", "))
    });
    assert_eq!(refused(format!("yamldecode(\"{bomb}\")")).code(), Code::HCL_TOO_LARGE);
}
