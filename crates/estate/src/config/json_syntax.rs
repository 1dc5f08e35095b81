//! Configuration in HCL's JSON syntax (`terragrunt.hcl.json`), turned into HCL: what follows knows one notation.
//! Places stay those of the JSON.
//!
//! Rules: the JSON syntax specification of HCL. Which properties are blocks, and how many labels they have, is
//! the schema's to say. A string is a template; so is the key of an object. `//` is a comment where blocks and
//! attributes are expected. A name that is an attribute and a block (`generate`, `remote_state`) is an attribute.

use std::sync::Arc;

use jsonc_parser::ast::{Array, Object, ObjectProp, ObjectPropName, StringLit, Value};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use portcullis_hcl::hcl_edit::template::{Directive, Element, Template};
use portcullis_hcl::hcl_edit::{Ident, Span};
use portcullis_hcl::{File, Limits, Origin};
use portcullis_model::{Code, Fault};

use super::schema::{FILE, Labels, Shape};

/// How JSON is read: as RFC 8259 has it, without what editors allow.
pub(crate) const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Whether a file of this name holds JSON.
pub(crate) fn is_json(path: &str) -> bool {
    path.ends_with(".json")
}

/// Parses a configuration in JSON syntax.
///
/// # Errors
/// `PC-0400` for what is no JSON or has blocks that are no objects, `PC-0401` for what is too large.
pub(crate) fn parse(path: &str, bytes: &[u8], limits: &Limits) -> Result<Arc<File>, Fault> {
    let written = File::plain(path, bytes, limits)?;
    let mut writer = Writer { written: &written, hcl: String::new(), places: Vec::new() };
    let parsed = parse_to_ast(written.text(), &CollectOptions::default(), &STRICT)
        .map_err(|error| writer.fault(error.range(), format!("the JSON does not parse: {}", error.kind())))?;
    match &parsed.value {
        Some(value) => writer.body(&writer.properties(value)?, &FILE)?,
        None => return Err(writer.fault(Range::new(0, 0), "the file is empty; JSON needs at least `{}`")),
    }
    let Writer { hcl, places, .. } = writer;
    File::translated(&written, &hcl, places, limits)
}

struct Writer<'t> {
    written: &'t Arc<File>,
    hcl: String,
    /// Byte offsets of the HCL with those of the JSON.
    places: Vec<(usize, usize)>,
}

impl Writer<'_> {
    fn fault(&self, range: Range, message: impl Into<String>) -> Fault {
        Origin::new(self.written, range.start..range.end).fault(Code::HCL_SYNTAX, message)
    }

    /// What is written next stands for this place of the JSON.
    fn at(&mut self, offset: usize) {
        self.places.push((self.hcl.len(), offset));
    }

    /// The properties of an object, or of all objects of an array.
    fn properties<'v, 'a>(&self, value: &'v Value<'a>) -> Result<Vec<&'v ObjectProp<'a>>, Fault> {
        match value {
            Value::NullKeyword(_) => Ok(Vec::new()),
            Value::Object(object) => Ok(object.properties.iter().collect()),
            Value::Array(array) => {
                let objects = array.elements.iter().map(|element| self.object(element));
                let objects: Vec<&Object<'_>> = objects.collect::<Result<_, _>>()?;
                Ok(objects.into_iter().flat_map(|object| &object.properties).collect())
            }
            other => Err(self.fault(other.range(), "a JSON object is needed here, or an array of objects")),
        }
    }

    fn object<'v, 'a>(&self, value: &'v Value<'a>) -> Result<&'v Object<'a>, Fault> {
        value.as_object().ok_or_else(|| self.fault(value.range(), "a JSON object is needed here"))
    }

    fn body(&mut self, properties: &[&ObjectProp<'_>], shape: &Shape) -> Result<(), Fault> {
        for property in properties {
            let name = name(property);
            if name == "//" {
                continue;
            }
            if Ident::try_new(name).is_err() {
                let message = format!("{} is no name of a block or attribute", crate::path::quoted(name));
                return Err(self.fault(property.name.range(), message));
            }
            match shape.blocks.iter().find(|inner| inner.name == name && !shape.has_attribute(name)) {
                Some(inner) => self.blocks(property, name, inner.labels, inner.shape)?,
                None => {
                    self.at(property.range.start);
                    self.hcl.push_str(name);
                    self.hcl.push_str(" = ");
                    self.expression(&property.value)?;
                    self.hcl.push('\n');
                }
            }
        }
        Ok(())
    }

    fn blocks(&mut self, property: &ObjectProp<'_>, name: &str, labels: Labels, shape: &Shape) -> Result<(), Fault> {
        let start = property.range.start;
        let bare = match labels {
            Labels::Single => true,
            Labels::Named | Labels::Repeated => false,
            // As Terragrunt tells them apart: a bare include has a path that is text.
            Labels::Maybe => match &property.value {
                Value::Array(array) if array.elements.len() > 1 => {
                    let message = format!("several `{name}` blocks need labels");
                    return Err(self
                        .fault(property.value.range(), message)
                        .remedy(format!("Write `\"{name}\": {{\"NAME\": {{…}}, …}}`.")));
                }
                Value::Array(array) => array.elements.first().is_some_and(has_path),
                value => has_path(value),
            },
        };
        if bare {
            return self.bodies(&property.value, start, name, "", shape);
        }
        let labelled = self.properties(&property.value)?;
        if labelled.is_empty() && !matches!(property.value, Value::NullKeyword(_)) && labels != Labels::Maybe {
            return Err(self.fault(property.value.range(), format!("`{name}` takes one label: the name of a property")));
        }
        for property in labelled {
            let label = self::name(property);
            if label.contains(['"', '\\']) || label.contains("${") || label.contains("%{") || has_control(label) {
                return Err(
                    self.fault(property.name.range(), "a label with quotes or templates in it is not supported")
                );
            }
            self.bodies(&property.value, property.range.start, name, label, shape)?;
        }
        Ok(())
    }

    /// One block for an object, one for each object of an array, none for null.
    fn bodies(&mut self, value: &Value<'_>, start: usize, name: &str, label: &str, shape: &Shape) -> Result<(), Fault> {
        let objects = match value {
            Value::NullKeyword(_) => Vec::new(),
            Value::Array(array) => array.elements.iter().map(|value| self.object(value)).collect::<Result<_, _>>()?,
            value => vec![self.object(value)?],
        };
        for object in objects {
            self.at(start);
            self.hcl.push_str(name);
            if !label.is_empty() {
                self.hcl.push_str(&format!(" \"{label}\""));
            }
            self.hcl.push_str(" {\n");
            self.body(&object.properties.iter().collect::<Vec<_>>(), shape)?;
            self.at(object.range.end);
            self.hcl.push_str("}\n");
        }
        Ok(())
    }

    fn expression(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.at(value.range().start);
        match value {
            Value::StringLit(text) => self.template(text)?,
            Value::NumberLit(number) => self.hcl.push_str(number.value),
            Value::BooleanLit(bool) => self.hcl.push_str(if bool.value { "true" } else { "false" }),
            Value::NullKeyword(_) => self.hcl.push_str("null"),
            Value::Array(Array { elements, .. }) => {
                self.hcl.push('[');
                for element in elements {
                    self.expression(element)?;
                    self.hcl.push_str(", ");
                }
                self.hcl.push(']');
            }
            Value::Object(object) => {
                self.hcl.push('{');
                for property in &object.properties {
                    match &property.name {
                        ObjectPropName::String(name) => self.template(name)?,
                        ObjectPropName::Word(_) => return Err(self.fault(property.range, "a key needs quotes")),
                    }
                    self.hcl.push_str(" = ");
                    self.expression(&property.value)?;
                    self.hcl.push_str(", ");
                }
                self.hcl.push('}');
            }
        }
        Ok(())
    }

    /// A string, which is a template without quotes, as one in quotes: what is not an expression is escaped.
    fn template(&mut self, text: &StringLit<'_>) -> Result<(), Fault> {
        let content: &str = &text.value;
        let mut literals = Vec::new();
        if content.contains("${") || content.contains("%{") {
            let template: Template = content.parse().map_err(|error: portcullis_hcl::hcl_edit::parser::Error| {
                let offset = error.location().offset();
                let at = self.offsets(text).nth(content.get(..offset).map_or(0, |before| before.chars().count()));
                let at = at.map_or(text.range.start, |(at, _)| at);
                self.fault(Range::new(at, at), format!("the template does not parse: {}", error.message()))
            })?;
            collect_literals(&template, &mut literals);
            literals.sort_unstable_by_key(|literal| literal.start);
        } else {
            literals.push(0..content.len());
        }
        let offsets: Vec<(usize, char)> = self.offsets(text).collect();
        self.hcl.push('"');
        let mut previous = None;
        let mut literals = literals.into_iter().peekable();
        for ((made, sign), (written, _)) in content.char_indices().zip(offsets) {
            // One pair stands for as many signs as are written alike.
            if previous != Some((self.hcl.len(), written)) {
                self.at(written);
            }
            while literals.next_if(|literal| literal.end <= made).is_some() {}
            match sign {
                sign if literals.peek().is_none_or(|literal| made < literal.start) => self.hcl.push(sign),
                '"' => self.hcl.push_str("\\\""),
                '\\' => self.hcl.push_str("\\\\"),
                '\n' => self.hcl.push_str("\\n"),
                '\r' => self.hcl.push_str("\\r"),
                '\t' => self.hcl.push_str("\\t"),
                sign if sign.is_control() => self.hcl.push_str(&format!("\\u{:04x}", u32::from(sign))),
                sign => self.hcl.push(sign),
            }
            previous = Some((self.hcl.len(), written + sign.len_utf8()));
        }
        self.hcl.push('"');
        Ok(())
    }

    /// Where each sign of a string is written.
    fn offsets<'s>(&'s self, text: &'s StringLit<'_>) -> impl Iterator<Item = (usize, char)> + 's {
        let raw = self.written.text().as_bytes();
        let mut at = text.range.start + 1;
        text.value.chars().map(move |sign| {
            let start = at;
            at += match (raw.get(at), raw.get(at + 1)) {
                (Some(b'\\'), Some(b'u')) => 6 * sign.len_utf16(),
                (Some(b'\\'), _) => 2,
                _ => sign.len_utf8(),
            };
            (start, sign)
        })
    }
}

/// The ranges of a template that are text, also those between directives.
fn collect_literals(template: &Template, found: &mut Vec<std::ops::Range<usize>>) {
    for element in template {
        match element {
            Element::Literal(literal) => found.extend(literal.span()),
            Element::Interpolation(_) => {}
            Element::Directive(directive) => match &**directive {
                Directive::If(directive) => {
                    collect_literals(&directive.if_expr.template, found);
                    if let Some(otherwise) = &directive.else_expr {
                        collect_literals(&otherwise.template, found);
                    }
                }
                Directive::For(directive) => collect_literals(&directive.for_expr.template, found),
            },
        }
    }
}

fn name<'p>(property: &'p ObjectProp<'_>) -> &'p str {
    match &property.name {
        ObjectPropName::String(name) => &name.value,
        ObjectPropName::Word(name) => name.value,
    }
}

fn has_path(value: &Value<'_>) -> bool {
    value
        .as_object()
        .is_some_and(|object| matches!(object.get("path").map(|path| &path.value), Some(Value::StringLit(_))))
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hcl(json: &str) -> String {
        parse("a/terragrunt.hcl.json", json.as_bytes(), &Limits::default()).unwrap().text().to_owned()
    }

    fn fault(json: &str) -> String {
        parse("x.json", json.as_bytes(), &Limits::default()).unwrap_err().to_string()
    }

    #[test]
    fn the_schema_says_what_is_a_block() {
        assert_eq!(
            hcl(
                r#"{"//": "a comment", "include": {"path": "${find_in_parent_folders(\"root.hcl\")}"}, "inputs": {"a-b": [1, null, true]},
                    "dependency": {"vpc": {"config_path": "../vpc"}, "db": {"config_path": "../db"}},
                    "remote_state": {"backend": "s3"},
                    "terraform": {"source": ".", "before_hook": {"a": [{"commands": []}, {"commands": ["x"]}]}}}"#
            ),
            "include {\npath = \"${find_in_parent_folders(\"root.hcl\")}\"\n}\n\
             inputs = {\"a-b\" = [1, null, true, ], }\n\
             dependency \"vpc\" {\nconfig_path = \"../vpc\"\n}\ndependency \"db\" {\nconfig_path = \"../db\"\n}\n\
             remote_state = {\"backend\" = \"s3\", }\n\
             terraform {\nsource = \".\"\nbefore_hook \"a\" {\ncommands = []\n}\nbefore_hook \"a\" {\ncommands = [\"x\", ]\n}\n}\n"
        );
        assert_eq!(hcl(r#"[{"locals": {"a": 1}}, {"inputs": null}]"#), "locals {\na = 1\n}\ninputs = null\n");
        let includes = r#"{"include": {"root": {"path": "a"}, "": {"path": "b"}}}"#;
        assert_eq!(hcl(includes), "include \"root\" {\npath = \"a\"\n}\ninclude {\npath = \"b\"\n}\n");
    }

    #[test]
    fn text_is_escaped_and_expressions_are_not() {
        assert_eq!(
            hcl(r#"{"locals": {"a": "say \"x\" \\ \u0001 \u00e9\n$${no} ${upper("}"#.replace(r#"upper("}"#, r#"upper(\"b\")} %{ if true }\"yes\"%{ else }n\to%{ endif }"}}"#).as_str()),
            "locals {\na = \"say \\\"x\\\" \\\\ \\u0001 é\\n$${no} ${upper(\"b\")} %{ if true }\\\"yes\\\"%{ else }n\\to%{ endif }\"\n}\n"
        );
    }

    #[test]
    fn a_text_of_many_expressions_is_read_once() {
        let text = "a${1}\\\"".repeat(15_000);
        let hcl = hcl(&format!("{{\"inputs\": {{\"a\": \"{text}\"}}}}"));
        assert_eq!(hcl, format!("inputs = {{\"a\" = \"{text}\", }}\n"));
    }

    #[test]
    fn places_are_those_of_the_json() {
        let text = "{\n  \"locals\": {\n    \"a\": \"\\\"\\u00e9 ${nothing(\\\"x\\\")}\"\n  }\n}";
        let file = parse("a.json", text.as_bytes(), &Limits::default()).unwrap();
        let at = file.text().find("nothing").unwrap();
        let place = file.place(&(at..at + 1));
        assert_eq!((place.line, place.column), (3, 22));
        assert_eq!(place.excerpt, "    \"a\": \"\\\"\\u00e9 ${nothing(\\\"x\\\")}\"");
        let at = file.text().find("a =").unwrap();
        assert_eq!((file.place(&(at..at)).line, file.place(&(at..at)).column), (3, 5));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (json, expected) in [
            ("", "x.json:1:1: the file is empty; JSON needs at least `{}` [PC-0400]"),
            ("{\"inputs\": {},}", "x.json:1:14: the JSON does not parse: Trailing commas are not allowed [PC-0400]"),
            ("{} // no", "x.json:1:4: the JSON does not parse: Comments are not allowed [PC-0400]"),
            ("{\"terraform\": 1}", "x.json:1:15: a JSON object is needed here [PC-0400]"),
            ("{\"dependency\": {}}", "x.json:1:16: `dependency` takes one label: the name of a property [PC-0400]"),
            ("{\"a b\": 1}", "x.json:1:2: \"a b\" is no name of a block or attribute [PC-0400]"),
            (
                "{\"include\": [{\"path\": \"a\"}, {\"path\": \"b\"}]}",
                "x.json:1:13: several `include` blocks need labels [PC-0400]",
            ),
            ("7", "x.json:1:1: a JSON object is needed here, or an array of objects [PC-0400]"),
        ] {
            assert_eq!(fault(json), expected, "{json}");
        }
        // What would end a template early does not reach what follows it.
        assert!(fault("{\"inputs\": {\"a\": \"${\\\"\", \"b\": \"}\"}}").contains("the template does not parse"));
        assert!(fault(&format!("{}{}", "[".repeat(5000), "]".repeat(5000))).contains("nesting depth"));
    }
}
