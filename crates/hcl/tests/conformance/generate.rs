//! Made-up expressions, typed, so that most of them have a value.
//!
//! Each strategy makes the text of an expression of one type. Wrong types are mixed in now and then: an error
//! must be one for both. Nothing is made whose value is meant to differ (see `differences.txt`).

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Strategy};

/// Nesting of what is made.
const DEPTH: u32 = 4;

type Made = BoxedStrategy<String>;

/// Strategies for expressions of each type, up to a depth.
#[derive(Clone)]
struct Level {
    number: Made,
    boolean: Made,
    string: Made,
    tuple: Made,
    list: Made,
    object: Made,
    map: Made,
}

impl Level {
    fn any(&self) -> Made {
        prop_oneof![
            3 => self.number.clone(),
            3 => self.string.clone(),
            2 => self.boolean.clone(),
            2 => self.tuple.clone(),
            2 => self.object.clone(),
            1 => self.list.clone(),
            1 => self.map.clone(),
            1 => Just("null".to_owned()),
            1 => Just("local.unknown".to_owned()),
        ]
        .boxed()
    }
}

/// An expression of any type.
pub fn expression() -> Made {
    let mut level = leaves();
    for _ in 0..DEPTH {
        level = deeper(&level);
    }
    level.any()
}

fn text(texts: &'static [&'static str]) -> Made {
    select(texts).prop_map(str::to_owned).boxed()
}

fn leaves() -> Level {
    Level {
        number: prop_oneof![
            (-20i32..100).prop_map(|number| number.to_string()),
            text(&["0.5", "1e3", "2.75", "-0.125", "100000000000000000000001", "1e-3", "\"7\"", "3", "1"]),
        ]
        .boxed(),
        boolean: text(&["true", "false", "local.yes", "\"true\"", "!true"]),
        string: text(&[
            "\"\"",
            "\"a\"",
            "\"b c\"",
            "\"Zoë\"",
            "\"x-1\"",
            "\"10\"",
            "\"a,b,,c\"",
            "\"  pad \"",
            "\"a\\nb\\n\"",
            "\"true\"",
            "local.key",
            "local.object.name",
            "local.servers[0].name",
            "\"e\\u0301\"",
            "\"$${x} %%{y}\"",
        ]),
        tuple: text(&[
            "[]",
            "[1, 2, 3]",
            "[\"b\", \"a\"]",
            "[1, \"a\", true]",
            "local.servers",
            "[null]",
            "[[1], [2, [3]]]",
        ]),
        list: text(&[
            "local.list",
            "tolist([])",
            "tolist([1, 2])",
            "tolist([\"1\", 2])",
            "local.set",
            "toset([3, 1, 2])",
        ]),
        object: text(&["{}", "{ a = 1 }", "{ a = \"x\", b = [1] }", "local.object", "{ \"k 1\" = null, z = true }"]),
        map: text(&["local.map", "tomap({})", "tomap({ a = \"x\", b = 1 })", "local.object.tags"]),
    }
}

fn one(format: &'static str, of: &Made) -> Made {
    of.clone().prop_map(move |a| format.replace('A', &a)).boxed()
}

/// `A` and `B` in the format are replaced; neither letter may be in it otherwise.
fn two(format: &'static str, a: &Made, b: &Made) -> Made {
    (a.clone(), b.clone())
        .prop_map(move |(a, b)| {
            let (before, rest) = format.split_once('A').unwrap();
            let (between, after) = rest.split_once('B').unwrap();
            format!("{before}{a}{between}{b}{after}")
        })
        .boxed()
}

fn choice(strategies: Vec<Made>) -> Made {
    proptest::strategy::Union::new(strategies).boxed()
}

fn conditional(condition: &Made, of: &Made) -> Made {
    (condition.clone(), of.clone(), of.clone()).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")).boxed()
}

fn deeper(level: &Level) -> Level {
    let any = level.any();
    let seq = choice(vec![level.tuple.clone(), level.list.clone()]);
    let keyed = choice(vec![level.object.clone(), level.map.clone()]);
    Level {
        number: choice(numbers(level, &any, &seq, &keyed)),
        boolean: choice(booleans(level, &any, &seq)),
        string: choice(strings(level, &any, &seq)),
        tuple: choice(tuples(level, &any, &seq, &keyed)),
        list: choice(lists(level, &seq, &keyed)),
        object: choice(objects(level, &any, &seq, &keyed)),
        map: choice(maps(level, &keyed)),
    }
}

fn numbers(level: &Level, any: &Made, seq: &Made, keyed: &Made) -> Vec<Made> {
    let number = &level.number;
    vec![
        number.clone(),
        two("(A + B)", number, number),
        two("(A - B)", number, number),
        two("(A * B)", number, number),
        two("(A % B)", number, number),
        one("(A / 4)", number),
        one("(A / 3)", number),
        one("-(A)", number),
        one("floor(A)", number),
        one("ceil(A)", number),
        one("abs(A)", number),
        two("max(A, B)", number, number),
        two("min(A, B)", number, number),
        one("length(A)", seq),
        one("length(A)", keyed),
        one("length(A)", &level.string),
        one("sum(A)", seq),
        one("tonumber(A)", any),
        two("try(A, B)", any, number),
        conditional(&level.boolean, number),
        two("A[B]", &level.tuple, number),
        one("signum(A)", number),
    ]
}

fn booleans(level: &Level, any: &Made, seq: &Made) -> Vec<Made> {
    let (boolean, number) = (&level.boolean, &level.number);
    vec![
        boolean.clone(),
        two("(A && B)", boolean, boolean),
        two("(A || B)", boolean, boolean),
        one("!(A)", boolean),
        two("(A == B)", any, any),
        two("(A != B)", any, any),
        two("(A < B)", number, number),
        two("(A >= B)", number, number),
        two("contains(A, B)", seq, any),
        one("can(A)", any),
        one("alltrue(A)", seq),
        one("anytrue(A)", seq),
        two("startswith(A, B)", &level.string, &level.string),
        two("strcontains(A, B)", &level.string, &level.string),
        one("tobool(A)", any),
        conditional(boolean, boolean),
    ]
}

fn strings(level: &Level, any: &Made, seq: &Made) -> Vec<Made> {
    let string = &level.string;
    let mut made: Vec<Made> = [
        "upper(A)",
        "lower(A)",
        "title(A)",
        "trimspace(A)",
        "chomp(A)",
        "strrev(A)",
        "sha256(A)",
        "base64encode(A)",
        "urlencode(A)",
        "jsonencode(A)",
        "tostring(A)",
        "indent(2, A)",
        "trim(A, \" ab\")",
        "substr(A, 1, 2)",
        "replace(A, \"a\", \"-\")",
        "replace(A, \"/[a-c]/\", \"<$0>\")",
        "basename(A)",
        "format(\"%5s|%-5s|\", A, 1)",
        "\"<%{ if true ~} ${A} %{ endif ~} >\"",
    ]
    .into_iter()
    .map(|format| one(format, string))
    .collect();
    made.extend([
        string.clone(),
        two("\"${A}-${B}\"", any, string),
        two("join(A, B)", string, seq),
        one("jsonencode(A)", any),
        one("yamlencode(A)", any),
        one("format(\"%v\", A)", any),
        one("format(\"%d\", A)", &level.number),
        one("format(\"%.2f\", A)", &level.number),
        one("format(\"%#v\", A)", any),
        one("\"%{ for x in A }${jsonencode(x)},%{ endfor }\"", seq),
        two("coalesce(A, B)", string, any),
        conditional(&level.boolean, string),
        two("try(A, B)", any, string),
    ]);
    made
}

fn tuples(level: &Level, any: &Made, seq: &Made, keyed: &Made) -> Vec<Made> {
    vec![
        level.tuple.clone(),
        two("[A, B]", any, any),
        one("[A]", any),
        two("concat(A, B)", &level.tuple, seq),
        one("flatten(A)", seq),
        one("[for x in A : x]", seq),
        one("[for i, x in A : [i, x]]", seq),
        one("[for x in A : x if x != null]", seq),
        two("[for x in A : [x, B]]", seq, any),
        one("[for k, v in A : \"${k}\"]", keyed),
        one("values(A)", keyed),
        one("keys(A)", keyed),
        one("reverse(A)", seq),
        one("A[*]", any),
        one("jsondecode(jsonencode(A))", any),
        two("slice(A, 0, B)", seq, &level.number),
        conditional(&level.boolean, &level.tuple),
    ]
}

fn lists(level: &Level, seq: &Made, keyed: &Made) -> Vec<Made> {
    vec![
        level.list.clone(),
        one("tolist(A)", seq),
        one("toset(A)", seq),
        one("distinct(A)", seq),
        one("compact(A)", seq),
        one("sort(A)", seq),
        two("concat(A, B)", &level.list, &level.list),
        two("setunion(A, B)", seq, seq),
        two("setsubtract(A, B)", seq, seq),
        two("setintersection(A, B)", seq, seq),
        two("setproduct(A, B)", seq, seq),
        two("split(A, B)", &level.string, &level.string),
        two("chunklist(A, B)", seq, &level.number),
        one("tolist(values(A))", keyed),
        conditional(&level.boolean, seq),
        two("coalescelist(A, B)", seq, seq),
        one("regexall(\"[a-z]\", A)", &level.string),
        one("formatlist(\"%s!\", A)", seq),
        two("matchkeys(A, B, [\"a\", 1])", seq, seq),
    ]
}

fn objects(level: &Level, any: &Made, seq: &Made, keyed: &Made) -> Vec<Made> {
    vec![
        level.object.clone(),
        two("{ a = A, b = B }", any, any),
        two("{ (A) = B }", &level.string, any),
        two("merge(A, B)", keyed, keyed),
        one("{ for k, v in A : k => v }", keyed),
        one("{ for k, v in A : k => v if v != null }", keyed),
        one("{ for i, x in A : \"k${i}\" => x }", seq),
        one("{ for x in A : \"g\" => x... }", seq),
        two("zipmap(A, B)", seq, seq),
        one("jsondecode(jsonencode(A))", keyed),
        one("yamldecode(yamlencode(A))", keyed),
        conditional(&level.boolean, &level.object),
        two("try(A, B)", any, &level.object),
    ]
}

fn maps(level: &Level, keyed: &Made) -> Vec<Made> {
    vec![
        level.map.clone(),
        one("tomap(A)", keyed),
        two("merge(A, B)", &level.map, &level.map),
        conditional(&level.boolean, keyed),
        two("tomap({ a = A, b = B })", &level.string, &level.number),
    ]
}
