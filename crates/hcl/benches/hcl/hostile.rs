//! Files and expressions that are written to cost much. Each is looked at once: it is the first time that counts.

use portcullis_hcl::{Budget, EmptyScope, File, Limits, evaluate};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value as Json, json};

/// A file may not be larger.
const LARGEST: usize = 512 << 10;

/// Seconds that a processor has spent on this thread: what else the machine does is no part of it.
#[allow(clippy::cast_precision_loss, reason = "seconds of one run")]
fn processor() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Bytes, time, and what is said.
pub fn files() -> Vec<Json> {
    let keys = |count: usize| (0..count).map(|number| format!("k{number} = 1\n")).collect::<String>();
    let texts = [
        (
            "an object of 50,000 keys",
            format!("a = {{\n{}}}\n", keys(50_000).get(..LARGEST - 100).unwrap_or(&keys(40_000))),
        ),
        ("an object of 3,000 keys", format!("a = {{\n{}}}\n", keys(3_000))),
        ("objects of 2,900 keys each", (0..10).map(|number| format!("a{number} = {{\n{}}}\n", keys(2_900))).collect()),
        ("30,000 attributes", keys(30_000)),
        ("30,000 attributes, 3,000 of them keys of an object", format!("{}a = {{\n{}}}\n", keys(26_900), keys(3_000))),
        ("250,000 numbers in a list", format!("a = [{}]\n", "1,".repeat(250_000))),
        ("a list that never ends", format!("a = [{}", "1,".repeat(29_000))),
        ("lines of a heredoc", format!("a = <<E\n{}E\n", "x\n".repeat(LARGEST / 2 - 10))),
        ("130,000 interpolations", format!("a = \"{}\"\n", "${a}".repeat(LARGEST / 4 - 10))),
        ("260,000 attributes of attributes", format!("a = b{}\n", ".c".repeat(LARGEST / 2 - 10))),
        ("170,000 indexes", format!("a = b{}\n", "[0]".repeat(LARGEST / 3 - 10))),
        ("100,000 brackets in each other", format!("a = {}{}\n", "[".repeat(100_000), "]".repeat(100_000))),
        ("100,000 signs", format!("a = {}1\n", "-".repeat(100_000))),
        ("a conditional in a conditional in …", format!("a = {}2\n", "true ? 1 : ".repeat(40_000))),
        ("strings that are not closed", "a = \"x\n".repeat(80_000)),
        ("260,000 comments", "#\n".repeat(LARGEST / 2)),
        ("a mebibyte", "#\n".repeat(1 << 19)),
    ];
    let measure = |(name, text): (&str, String)| {
        let start = processor();
        let parsed = File::parse("x.hcl", text.as_bytes(), &Limits::default());
        let seconds = processor() - start;
        let said = parsed.err().map(|fault| fault.message().to_owned());
        json!({ "name": name, "bytes": text.len(), "seconds": seconds, "said": said })
    };
    texts.into_iter().map(measure).collect()
}

/// What is evaluated again and again, until the steps or the space are used up: what one step may cost is seen.
pub fn expressions() -> Vec<Json> {
    let again = |body: &str| format!("[for a in range(1000) : [for b in range(1000) : {body}]]");
    let with = |value: &str, body: &str| format!("[for v in [{value}] : {}]", again(body));
    let text = |count: usize| {
        format!("join(\"\", [for a in range({count}) : join(\"\", [for b in range(100) : \"abcdefghij\"])])")
    };
    let large = "[for a in range(50) : [for b in range(50) : \"k${a}-${b}\"]]".to_owned();
    let cases = [
        ("sums", again("1 + a")),
        ("divisions", again("1 / 3")),
        ("numbers far from the point", again("1e-900 * 1.0001")),
        ("strings", again("\"${a}-${b}\"")),
        ("`sha512` of 100 KB", with(&text(100), "sha512(v)")),
        ("`strrev` of 100 KB", with(&text(100), "length(strrev(v))")),
        ("`length` of 100 KB", with(&text(100), "length(v)")),
        ("`strcontains` in 100 KB", with(&text(100), "strcontains(v, \"zz\")")),
        ("`regexall` in 100 KB", with(&text(100), "length(regexall(\"[a-z].*[^a-j]|j\", v))")),
        ("large patterns", again("length(regexall(\"(a{100}){90}${b}\", \"a\"))")),
        ("`upper` of 100 KB", with(&text(100), "length(upper(v))")),
        ("`tolist` of 2,500 strings", with(&format!("flatten({large})"), "length(tolist(v))")),
        ("`toset` of 2,500 strings", with(&format!("flatten({large})"), "length(toset(v))")),
        ("`contains` in 2,500 strings", with(&format!("flatten({large})"), "contains(v, \"zz\")")),
        ("`flatten` of 2,500 strings", with(&large, "length(flatten(v))")),
        ("`distinct` of 2,500 strings", with(&format!("flatten({large})"), "length(distinct(v))")),
        ("comparing 2,500 strings", with(&format!("[flatten({large}), flatten({large})]"), "v[0] == v[1]")),
        ("`for` over 2,500 strings", with(&format!("flatten({large})"), "try([for x in v : nope], 1)")),
        ("a splat of 2,500 strings", with(&format!("flatten({large})"), "length(v[*])")),
        (
            "a key that is not there, caught",
            with(&format!("{{ for x in flatten({large}) : x => 1 }}"), "try(v.nope, 1)"),
        ),
        ("errors that are caught", again("try(nope.x, 1)")),
        ("`jsonencode` of 2,500 strings", with(&large, "length(jsonencode(v))")),
        ("`yamlencode` of 2,500 strings", with(&large, "length(yamlencode(v))")),
        ("`jsondecode`", again("jsondecode(\"[1, 2, 3]\")")),
        ("`yamldecode`", again("yamldecode(\"a: [1, 2, 3]\")")),
        ("`formatdate`", again("formatdate(\"YYYY-MM-DD'T'hh:mm:ssZ\", \"2024-02-29T12:00:00Z\")")),
        ("`cidrsubnets`", again("cidrsubnets(\"10.0.0.0/8\", 8, 8, 8)")),
        ("`format`", again("format(\"%s %05d %q\", \"a\", b, \"c\")")),
        ("`setproduct`", again("setproduct([1, 2, 3], [4, 5, 6])")),
        ("`templatestring`", with("\"$${x}\"", "templatestring(v, { x = 1 })")),
        ("`sort` of 2,500 strings", with(&format!("flatten({large})"), "length(sort(v))")),
        ("conditionals between large results", with(&format!("flatten({large})"), "length(true ? v : [])")),
    ];
    let limits = Limits::default();
    let measure = |(name, expression): (&str, String)| {
        let file = File::parse("x.hcl", format!("a = {expression}\n").as_bytes(), &limits).unwrap();
        let attribute = file.body().attributes().next().unwrap();
        let budget = Budget::new(&limits);
        let start = processor();
        let made = evaluate(&attribute.value, &file, &EmptyScope, &budget);
        let seconds = processor() - start;
        let said = made.err().map(|fault| format!("{} {}", fault.code(), fault.message()));
        json!({ "name": name, "steps": budget.steps(), "seconds": seconds, "said": said })
    };
    cases.into_iter().map(measure).collect()
}
