//! Files and expressions as people write them.

use std::hint::black_box;
use std::time::Duration;

use hcl::eval::{Context, Evaluate as _};
use portcullis_hcl::hcl_edit::structure::Body;
use portcullis_hcl::{Budget, EmptyScope, File, Limits, evaluate as our_evaluate};
use serde_json::{Value as Json, json};

use crate::fastest;

const ROOT: &str = include_str!("../../../../examples/infrastructure-live/root.hcl");

/// Values that a Terragrunt configuration computes, with functions.
pub const LOCALS: &str = r#"
path    = split("/", "prod/eu-central-1/services/web")
account = element(split("/", "prod/eu-central-1/services/web"), 0)
name    = lower(format("%s-%s-%03d", "Acme", "web", 7))
tags    = merge({ Team = "platform", Env = "prod" }, { for k, v in { a = 1, b = 2 } : upper(k) => tostring(v) })
subnets = [for index, zone in ["a", "b", "c"] : cidrsubnet("10.20.0.0/16", 4, index)]
roles   = toset(flatten([["read", "write"], ["read", "admin"]]))
policy  = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["s3:Get*"], Resource = "*" }] })
digest  = sha256(jsonencode(["a", "b", "c"]))
chosen  = try({ a = 1 }.b, "fallback")
user    = <<-EOT
  #!/bin/sh
  %{for port in [80, 443]~}
  open ${port}
  %{endfor~}
EOT
"#;

/// The same sort of thing without functions, for a rival that has none.
const PLAIN: &str = r#"
name  = "acme-${"web"}-${3 * 14 + 1}"
large = 12 > 3 && !(4 == 5) ? "yes" : "no"
tags  = { Team = "platform", Env = "prod", Number = 1 + 2 * 3, List = [1, 2, 3] }
names = [for zone in ["a", "b", "c", "d"] : "eu-central-1${zone}"]
even  = { for n in [1, 2, 3, 4, 5, 6, 7, 8] : "k${n}" => n * n if n % 2 == 0 }
part  = { a = { b = [10, 20, 30] } }.a.b[1]
"#;

fn variables(count: usize) -> String {
    (0..count).map(|number| format!("variable_{number} = \"value of ${{local.name}} {number}\"\n")).collect()
}

/// The tree alone, all of it, and the rival.
pub fn parse(patience: Duration) -> Vec<Json> {
    let nested: String = (0..200)
        .map(|number| {
            format!("service \"s{number}\" {{\n  ports = [80, 443]\n  tags = {{\n    a = \"x\"\n    b = 1\n  }}\n}}\n")
        })
        .collect();
    let texts = [
        ("`root.hcl` of the example", ROOT.to_owned()),
        ("computed values", LOCALS.to_owned()),
        ("200 blocks with objects", nested),
        ("2,000 variables", variables(2_000)),
        ("a string of 250 KiB", format!("a = \"{}\"\n", "x".repeat(250 << 10))),
    ];
    let limits = Limits::default();
    let made = texts.into_iter().map(|(name, text)| {
        let floor = fastest(patience, || drop(black_box(text.parse::<Body>().unwrap())));
        let ours = fastest(patience, || drop(black_box(File::parse("x.hcl", text.as_bytes(), &limits).unwrap())));
        let rival = fastest(patience, || drop(black_box(hcl::parse(&text).unwrap())));
        json!({ "name": name, "bytes": text.len(), "floor_s": floor, "ours_s": ours, "rival_s": rival })
    });
    made.collect()
}

/// Evaluation of all attributes of a file that is parsed; without a rival where it has no functions.
pub fn evaluate(patience: Duration) -> Vec<Json> {
    let sum = "a = [for x in [for y in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] : [for z in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] : y * z + 1]] : x[3]]\n";
    let texts = [
        ("computed values, with functions", LOCALS, false),
        ("operators, templates, `for`", PLAIN, true),
        ("a hundred products in `for` in `for`", sum, true),
    ];
    let limits = Limits::default();
    let made = texts.into_iter().map(|(name, text, has_rival)| {
        let file = File::parse("x.hcl", text.as_bytes(), &limits).unwrap();
        let mut steps = 0;
        let ours = fastest(patience, || {
            let budget = Budget::new(&limits);
            for attribute in file.body().attributes() {
                black_box(our_evaluate(&attribute.value, &file, &EmptyScope, &budget).unwrap());
            }
            steps = budget.steps();
        });
        let body = hcl::parse(text).unwrap();
        let rival = has_rival.then(|| {
            fastest(patience, || {
                let context = Context::new();
                for attribute in body.attributes() {
                    black_box(attribute.expr().evaluate(&context).unwrap());
                }
            })
        });
        json!({ "name": name, "steps": steps, "ours_s": ours, "rival_s": rival })
    });
    made.collect()
}
