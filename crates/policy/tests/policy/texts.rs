//! Texts of `policy` blocks: what is taken, and what is said of what is not.

use crate::{actions, compile, principals};

/// The faults of a text: `offset: message`.
fn faults(text: &str) -> Vec<String> {
    let told = |fault: portcullis_policy::TextFault| {
        assert!(!fault.remedy.is_empty() && fault.remedy.ends_with('.'), "{fault:?}");
        let at = fault.offset.map_or("-".to_owned(), |at| at.to_string());
        format!("{at}: {}", fault.message)
    };
    match compile(principals(), actions(), &[("p", text)]) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(told).collect(),
    }
}

#[test]
fn what_forbids_and_is_understood_is_taken() {
    for text in [
        "forbid (principal, action, resource);",
        "// why\n@reason(\"x\")\nforbid (principal, action, resource) when { context.protected } unless { context.all };",
        "forbid (principal, action == Action::\"plan\", resource);\nforbid (principal, action == Action::\"apply\", resource);",
        "forbid (principal, action, resource) when { principal in [Principal::\"lead\", Principal::\"live-ci\"] };",
    ] {
        assert_eq!(faults(text), [""; 0], "{text}");
    }
}

#[test]
fn what_would_forbid_nothing_or_allow_something_is_refused_with_its_place() {
    let mut told = String::new();
    for text in [
        "permit (principal, action, resource);",
        "forbid (principal, action, resource);\npermit (principal in Principal::\"live-ci\", action == Action::\"apply\", resource);",
        "",
        "forbid",
        "forbid (principal, action, resource)",
        "forbid (principal == ?principal, action, resource);",
        "forbid (principal in Principal::\"live-mrege\", action, resource);",
        "forbid (principal == Token::\"https://issuer.example x\", action, resource);",
        "forbid (principal, action == Action::\"aply\", resource);",
        "forbid (principal, action, resource == Account::\"prdo\");",
        "forbid (principal, action, resource) when { context.frozen.contains(Freeze::\"easter\") };",
        "forbid (principal, action, resource) when { context.frozen.contains(\"year-end\") };",
        "forbid (principal, action, resource) when { principal.getTag(\"ref\") == \"refs/heads/x\" };",
        "forbid (principal, action, resource) when { principal.hasTag(\"n\") && principal.getTag(\"n\") == 1 };",
        "forbid (principal, action, resource) when { context.requester == principal };",
        "forbid (principal, action, resource) when { context.brunch == \"x\" };",
        "forbid (principal, action, resource) when { resource.id == \"x\" };",
        "forbid (principal, action, resource) when { false };",
        "forbid (principal, action, resource) when { User::\"x\" == principal };",
    ] {
        let found = faults(text);
        assert!(!found.is_empty(), "{text}");
        told.push_str(&format!("{text}\n"));
        found.iter().for_each(|fault| told.push_str(&format!("    {fault}\n")));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn hostile_texts_are_refused_and_end() {
    let deep = |open: &str, close: &str, count: usize| {
        format!("forbid (principal, action, resource) when {{ {}true{} }};", open.repeat(count), close.repeat(count))
    };
    let long = format!("forbid (principal, action, resource) when {{ {} }};", "true && ".repeat(1500) + "true");
    for text in [
        deep("(", ")", 2000),
        deep("[", "]", 60),
        deep("!", "", 8000),
        deep("-", "1", 4000),
        deep("if true then ", " else true", 601),
        "(".repeat(16_000),
        "forbid (principal, action, resource);".repeat(400),
        "forbid (principal, action, resource);".repeat(1000),
        format!("// {}", "x".repeat(20_000)),
    ] {
        assert!(!faults(&text).is_empty(), "{}", &text[..60]);
    }
    // What is as deep as is allowed ends as well.
    let _ = faults(&deep("if true then ", " else true", 600));
    // So deep that the validator would have no stack left for it, were it not given one of its own.
    let nonsense = format!("forbid (principal, action, resource) when {{ context{} }};", ".a".repeat(1100));
    assert!(!faults(&nonsense).is_empty());
    // Long and flat is only long.
    let _ = faults(&long);
}
