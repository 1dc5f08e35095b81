//! What the corpus cannot say: unknown and sensitive values, the host's answers, faults and limits.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

use std::cell::RefCell;

use portcullis_hcl::{Budget, File, Limits, Origin, Scope, Value, evaluate, render};
use portcullis_model::{Code, Fault};

/// Answers `known`, `secret`, `secrets`, `dependency.…` (unknown from the third step on) and `broken`.
#[derive(Default)]
struct Host {
    asked: RefCell<Vec<String>>,
}

impl Scope for Host {
    fn resolve(
        &self,
        root: &str,
        steps: &[&str],
        at: &Origin,
        budget: &Budget,
    ) -> Result<Option<(Value, usize)>, Fault> {
        let name = [&[root], steps].concat().join(".");
        self.asked.borrow_mut().push(name);
        let text = |text: &str| Value::string(text, at.clone());
        Ok(Some(match root {
            "known" => (text("k"), 0),
            "spiral" => return spiral(self, budget).map(|value| Some((value, 0))),
            "secret" => (text("s").mark(true), 0),
            "secrets" => (Value::tuple(vec![text("a"), text("b")], at.clone()).mark(true), 0),
            "half" => (Value::tuple(vec![text("a"), Value::unknown("half of it", at.clone())], at.clone()), 0),
            "dependency" => {
                let used = steps.len().min(3);
                (Value::unknown([&[root], &steps[..used]].concat().join("."), at.clone()), used)
            }
            "broken" => return Err(at.fault(Code::HCL_EVALUATION, "it is broken")),
            "forbidden" => return Err(at.fault(Code::OUTSIDE_REPOSITORY, "it leads out")),
            "endless" => return Err(at.fault(Code::HCL_TOO_LARGE, "it has no end")),
            _ => return Ok(None),
        }))
    }

    fn call(&self, name: &str, args: &[Value], at: &Origin, _: &Budget) -> Result<Option<Value>, Fault> {
        Ok((name == "host").then(|| Value::tuple(args.to_vec(), at.clone())))
    }

    fn function_names(&self) -> Vec<&str> {
        vec!["host"]
    }

    fn variable_names(&self) -> Vec<&str> {
        vec!["known", "dependency"]
    }
}

/// A name that refers to itself, as a chain of locals would if nobody looked for a cycle.
fn spiral(host: &Host, budget: &Budget) -> Result<Value, Fault> {
    let text = "x = { a = [for y in [1] : \"${true ? try(upper(spiral.b), 2) : 3}\"] }\n";
    let file = File::parse("spiral.hcl", text.as_bytes(), budget.limits())?;
    let attribute = file.body().attributes().next().unwrap();
    evaluate(&attribute.value, &file, host, budget)
}

fn with(host: &Host, expression: &str) -> Result<Value, Fault> {
    let limits = Limits::default();
    let file = File::parse("a.hcl", format!("x = {expression}\n").as_bytes(), &limits)?;
    let attribute = file.body().attributes().next().unwrap();
    evaluate(&attribute.value, &file, host, &Budget::new(&limits))
}

fn run(expression: &str) -> Result<Value, Fault> {
    with(&Host::default(), expression)
}

fn code(expression: &str) -> Code {
    run(expression).expect_err(expression).code()
}

fn json(expression: &str) -> String {
    run(expression).unwrap().to_json().unwrap().to_string()
}

const UNKNOWN: &str = "dependency.vpc.outputs.id";

#[test]
fn what_depends_on_an_unknown_is_unknown_and_says_why() {
    for expression in [
        "U",
        "\"a-${U}\"",
        "U == 1",
        "U != null",
        "1 + U",
        "-U",
        "!U",
        "U && true",
        "U ? 1 : 2",
        "U.deep.er",
        "U[0]",
        "U[*].id",
        "U.*.id",
        "[1, 2][U]",
        "{ a = 1 }[U]",
        "[for x in U : x]",
        "{ for k, v in U : k => v }",
        "[for x in [1] : x if U]",
        "{ for x in [1] : U => x }",
        "{ (U) = 1 }",
        "\"%{ if U }a%{ else }b%{ endif }\"",
        "\"%{ for x in U }${x}%{ endfor }\"",
        "max(1, U...)",
        "can(U)",
        "try(U, 1)",
        "host(U)[0]",
    ] {
        let value = run(&expression.replace('U', UNKNOWN)).unwrap_or_else(|fault| panic!("{expression}: {fault:?}"));
        assert!(value.is_unknown(), "{expression}: {value:?}");
        assert_eq!(value.unknowns()[0].reason(), UNKNOWN, "{expression}");
        assert_eq!(value.unknowns()[0].origin().place().line, 1, "{expression}");
        let fault = value.to_json().unwrap_err();
        assert_eq!(fault.code(), Code::INEXACT, "{expression}");
        assert!(fault.place().is_some() && fault.message().contains(UNKNOWN), "{fault:?}");
    }
}

#[test]
fn what_does_not_depend_on_an_unknown_is_known() {
    assert_eq!(json("false && U".replace('U', UNKNOWN).as_str()), "false");
    assert_eq!(json("U && false".replace('U', UNKNOWN).as_str()), "false");
    assert_eq!(json("U || true".replace('U', UNKNOWN).as_str()), "true");
    assert_eq!(json("true ? 1 : U".replace('U', UNKNOWN).as_str()), "1");
    assert_eq!(json("[1, U][0]".replace('U', UNKNOWN).as_str()), "1");
    assert_eq!(json("{ a = 1, b = U }.a".replace('U', UNKNOWN).as_str()), "1");
    assert_eq!(json("[1, U] == [2, 3]".replace('U', UNKNOWN).as_str()), "false");
    assert_eq!(json("[1, U] == [1]".replace('U', UNKNOWN).as_str()), "false");
    assert_eq!(json("[for x in [1, U] : 7]".replace('U', UNKNOWN).as_str()), "[7,7]");
    assert!(run("half").unwrap().as_seq().unwrap()[1].is_unknown());
    assert!(run("[for x in half : x]").unwrap().as_seq().unwrap()[1].is_unknown());
}

/// The digest of a configuration must change with everything that its unknowns are made of.
#[test]
fn the_trace_of_an_unknown_tells_expressions_apart() {
    let trace = |expression: &str| *run(&expression.replace('U', UNKNOWN)).unwrap().unknowns()[0].trace();
    assert_eq!(trace("\"a-${U}\""), trace("\"a-${U}\" # a comment"));
    assert_eq!(trace("U"), trace("(U)"));
    assert_eq!(trace("U + 1"), trace("U  +  1.0"));
    for (a, b) in [
        ("\"a-${U}\"", "\"b-${U}\""),
        ("\"${U}-a\"", "\"a-${U}\""),
        ("U + 1", "U + 2"),
        ("U + 1", "U - 1"),
        ("U.a", "U.b"),
        ("U ? 1 : 2", "U ? 1 : 3"),
        ("U ? broken : 2", "U ? broken : 3"),
        ("[for x in U : x]", "[for x in U : x.id]"),
        ("[for x in U : \"${known}-${x}\"]", "[for x in U : \"${x}-${known}\"]"),
        ("[for x in U : x if x == 1]", "[for x in U : x if x == 2]"),
        ("\"%{ if U }a%{ else }b%{ endif }\"", "\"%{ if U }a%{ else }c%{ endif }\""),
        ("\"%{ for x in U }${x}%{ endfor }\"", "\"%{ for x in U }${x},%{ endfor }\""),
    ] {
        assert_ne!(trace(a), trace(b), "{a} and {b}");
    }
}

#[test]
fn what_is_made_of_a_secret_is_secret() {
    for expression in [
        "secret",
        "\"a-${secret}\"",
        "secret == \"s\"",
        "[secret] == [\"s\"]",
        "secret == \"s\" ? 1 : 2",
        "secrets[0]",
        "secrets[*]",
        "[for x in secrets : x]",
        "[for x in secrets : x][0]",
        "{ for x in secrets : x => 1 }",
        "[for x in [1] : x if secret == \"s\"]",
        "{ (secret) = 1 }",
        "{ s = 1 }[secret]",
        "\"%{ if secret == \"s\" }a%{ endif }\"",
        "\"%{ for x in secrets }a%{ endfor }\"",
        "!(secret == \"s\")",
        "secret == \"s\" && true",
        "try(secret, 1)",
        "host(secrets...)[0]",
        "\"${secret}${dependency.a.b.c}\"",
    ] {
        let value = run(expression).unwrap_or_else(|fault| panic!("{expression}: {fault:?}"));
        assert!(value.is_sensitive(), "{expression}: {value:?}");
    }
    for expression in ["[secret]", "{ a = secret }", "[secret, \"b\"][1]", "{ a = secret, b = 1 }.b"] {
        assert!(!run(expression).unwrap().is_sensitive(), "{expression}");
    }
}

#[test]
fn faults_do_not_show_secrets() {
    for expression in ["{ a = 1 }[secret]", "{ for x in [1, 2] : secret => x }"] {
        let fault = run(expression).unwrap_err();
        assert!(!fault.message().contains("`s`"), "{fault:?}");
    }
}

#[test]
fn the_host_is_asked_for_the_longest_name_and_only_for_what_is_needed() {
    let asked = |expression: &str| {
        let host = Host::default();
        with(&host, expression).unwrap();
        host.asked.into_inner()
    };
    assert_eq!(asked("dependency.vpc.outputs[\"id\"].more[0]"), ["dependency.vpc.outputs.id.more"]);
    assert_eq!(asked("dependency.vpc.outputs[known]"), ["dependency.vpc.outputs", "known"]);
    assert_eq!(asked("true ? known : broken"), ["known"]);
    assert_eq!(asked("false && broken"), [""; 0]);
    assert_eq!(asked("try(known, broken)"), ["known"]);
    assert_eq!(asked("[for known in [1] : known]"), [""; 0]);
}

#[test]
fn try_goes_on_only_where_the_real_tool_would() {
    assert_eq!(json("try(broken, 1)"), "1");
    assert_eq!(json("try(lokal.x, 1)"), "1");
    assert_eq!(json("can(broken)"), "false");
    assert_eq!(code("try(forbidden, 1)"), Code::OUTSIDE_REPOSITORY);
    assert_eq!(code("can(endless)"), Code::HCL_TOO_LARGE);
    assert_eq!(code("try(no_such_function(), 1)"), Code::HCL_UNKNOWN_FUNCTION);
    assert_eq!(code("1 > 0 ? 1 : endless"), Code::HCL_TOO_LARGE);
    let fault = run("try(broken, [1][2])").unwrap_err();
    assert_eq!(fault.notes().len(), 2, "{fault:?}");
}

#[test]
fn faults_have_their_place_and_the_nearest_name() {
    let fault = run("[\n  1,\n  knwon,\n]").unwrap_err();
    assert_eq!((fault.code(), fault.place().unwrap().line), (Code::HCL_UNKNOWN_VARIABLE, 3));
    assert_eq!(fault.remedy_text(), Some("Did you mean `known`?"));
    let fault = run("hots(1)").unwrap_err();
    assert_eq!(fault.code(), Code::HCL_UNKNOWN_FUNCTION);
    assert_eq!(fault.remedy_text(), Some("Did you mean `host`?"));
    let fault = run("{ region = 1 }.regoin").unwrap_err();
    assert_eq!(fault.remedy_text(), Some("Did you mean `region`?"));
    assert_eq!(code("provider::aws::arn_parse(1)"), Code::HCL_UNSUPPORTED);
}

#[test]
fn values_know_where_they_were_written() {
    let value = run("{\n  a = known\n  b = [1, \"x${1}\"]\n}").unwrap();
    let line = |value: &Value| value.origin().place().line;
    assert_eq!(line(value.get("b").unwrap()), 3);
    assert_eq!(line(&value.get("b").unwrap().as_seq().unwrap()[1]), 3);
    assert_eq!(line(value.get("a").unwrap()), 2);
}

#[test]
fn limits_hold() {
    let expensive = |expression: &str, limits: &Limits| {
        let file = File::parse("a.hcl", format!("x = {expression}\n").as_bytes(), &Limits::default()).unwrap();
        let attribute = file.body().attributes().next().unwrap();
        evaluate(&attribute.value, &file, &Host::default(), &Budget::new(limits)).expect_err(expression)
    };
    let ten = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";
    let nested = format!("[for a in {ten} : [for b in {ten} : [for c in {ten} : [for d in {ten} : d]]]]");
    let steps = Limits { steps: 5_000, ..Limits::default() };
    let fault = expensive(&nested, &steps);
    assert_eq!(fault.code(), Code::HCL_TOO_LARGE);
    assert!(fault.place().is_some());
    let bytes = Limits { grown_bytes: 10_000, ..Limits::default() };
    let text = format!(
        "\"%{{ for a in {ten} }}%{{ for b in {ten} }}%{{ for c in {ten} }}{}%{{ endfor }}%{{ endfor }}%{{ endfor }}\"",
        "x".repeat(50)
    );
    assert_eq!(expensive(&text, &bytes).code(), Code::HCL_TOO_LARGE);
    let depth = Limits { depth: 8, ..Limits::default() };
    assert_eq!(expensive("[[[[[[[[[1]]]]]]]]]", &depth).code(), Code::HCL_TOO_LARGE);
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let nested = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    assert!(run(&nested).is_ok());
    assert!(run(&format!("1{}", " + 1".repeat(120))).is_ok());
    for (open, close) in [("[", "]"), ("(", ")"), ("{a=", "}"), ("\"${", "}\""), ("!", ""), ("host(", ")")] {
        assert!(run(&format!("{}1{}", open.repeat(5_000), close.repeat(5_000))).is_err(), "{open}");
    }
}

/// The depth is bounded before the stack of a worker thread (2 MiB) is.
#[test]
fn names_that_never_end_do_not_overflow_the_stack() {
    let deep = std::thread::Builder::new().stack_size(1 << 20).spawn(|| code("spiral")).unwrap();
    assert_eq!(deep.join().unwrap(), Code::HCL_TOO_LARGE);
}

#[test]
fn a_file_is_rendered_as_a_template() {
    let limits = Limits::default();
    let rendered = |text: &str| {
        let file = File::plain("t.tftpl", text.as_bytes(), &limits).unwrap();
        render(&file, &Host::default(), &Budget::new(&limits))
    };
    let text = rendered("a \"${known}\" \\n $${x}\n%{ for x in [1, 2] ~}\n  item ${x}\n%{ endfor ~}\nend\n").unwrap();
    assert_eq!(text.as_str(), Some("a \"k\" \\n ${x}\n  item 1\n  item 2\nend\n"));
    assert_eq!(rendered("").unwrap().as_str(), Some(""));
    assert_eq!(rendered("${[1]}").unwrap().type_name(), "tuple");
    assert!(rendered("x ${secret}").unwrap().is_sensitive());
    let fault = rendered("line\n${unknown_name}").unwrap_err();
    assert_eq!((fault.code(), fault.place().unwrap().line), (Code::HCL_UNKNOWN_VARIABLE, 2));
    assert_eq!(fault.place().unwrap().file, "t.tftpl");
    assert_eq!(rendered("a\n%{ if }").unwrap_err().code(), Code::HCL_SYNTAX);
}

#[test]
fn json_goes_both_ways() {
    let text = r#"{"a":[1,-2,1.5,1e30,true,null,"x"],"b":{"z":18446744073709551615},"e":[],"o":{}}"#;
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let value = Value::from_json(&json, &Origin::built_in());
    assert_eq!(value.to_json().unwrap(), json);
    let fault = run("123456789012345678901234567890").unwrap().to_json().unwrap_err();
    assert_eq!((fault.code(), fault.place().unwrap().line), (Code::HCL_EVALUATION, 1));
    assert_eq!(serde_json::json!(1), run("1.0").unwrap().to_json().unwrap());
}
