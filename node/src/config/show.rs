//! Showing: the tree as TOML that can be read again, with the words of each value.

use super::section::{Field, Section};
use super::{Coaps, Config, TREE};
use toml::{Table, Value};

impl Config {
    /// The tree as TOML: each value with what it means and its default.
    pub fn show(&self) -> String {
        let (values, defaults) = (table(self), table(&Self::default()));
        let mut sections = Vec::new();
        for (name, section, repeated) in TREE {
            if repeated {
                let one = table(&Coaps::default());
                let all = values[name].as_array().into_iter().flatten().filter_map(Value::as_table);
                let head = format!("[[{name}]]");
                sections.extend(all.map(|values| shown(&head, section, values, &one)));
            } else if let (Some(values), Some(defaults)) =
                (values[name].as_table(), defaults[name].as_table())
            {
                sections.push(shown(&format!("[{name}]"), section, values, defaults));
            }
        }
        sections.join("\n")
    }
}

fn table(value: &impl serde::Serialize) -> Table {
    Table::try_from(value).expect("a section is a table of plain values")
}

fn shown(head: &str, section: &Section, values: &Table, defaults: &Table) -> String {
    let comment =
        |words: &[&str]| words.iter().map(|line| format!("#{line}\n")).collect::<String>();
    let field = |field: &Field| {
        let (about, default) = (comment(field.about), &defaults[field.name]);
        format!("\n{about}# Default: {default}\n{} = {}\n", field.name, values[field.name])
    };
    let fields: String = section.fields.iter().map(field).collect();
    format!("{}{head}\n{fields}", comment(section.about))
}
