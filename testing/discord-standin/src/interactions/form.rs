//! What is wrong with a body, in the tree that Discord answers.

use serde_json::{Value, json};

/// Mistakes by the path of the field that they are in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FormErrors(Vec<Mistake>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mistake {
    path: Vec<String>,
    code: &'static str,
    message: String,
}

impl FormErrors {
    /// One mistake.
    pub(crate) fn one(path: &[&str], code: &'static str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        let path: Vec<_> = path.iter().map(|part| (*part).to_owned()).collect();
        errors.add(&path, code, message);
        errors
    }

    /// Adds a mistake.
    pub(crate) fn add(&mut self, path: &[String], code: &'static str, message: impl Into<String>) {
        self.0.push(Mistake {
            path: path.to_vec(),
            code,
            message: message.into(),
        });
    }

    /// Takes over mistakes that were found below a field.
    pub(crate) fn below(&mut self, path: &[String], others: Self) {
        for mut mistake in others.0 {
            mistake.path.splice(0..0, path.iter().cloned());
            self.0.push(mistake);
        }
    }

    /// `Ok` when there are no mistakes.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The tree: fields by name, mistakes in `_errors`.
    pub(crate) fn into_json(self) -> Value {
        let mut tree = json!({});
        for mistake in &self.0 {
            insert(&mut tree, &mistake.path, mistake);
        }
        tree
    }
}

/// Puts a mistake at the end of the path that is left.
fn insert(node: &mut Value, path: &[String], mistake: &Mistake) {
    let Value::Object(fields) = node else {
        return;
    };
    if let [field, rest @ ..] = path {
        insert(fields.entry(field).or_insert_with(|| json!({})), rest, mistake);
    } else if let Value::Array(list) = fields.entry("_errors").or_insert_with(|| json!([])) {
        list.push(json!({"code": mistake.code, "message": mistake.message}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_a_tree_by_path() {
        let mut errors = FormErrors::one(&["name"], "TOO_LONG", "too long");
        let inner = FormErrors::one(&["0", "name"], "EMPTY", "empty");
        errors.below(&["options".to_owned()], inner);
        let expected = json!({
            "name": {"_errors": [{"code": "TOO_LONG", "message": "too long"}]},
            "options": {"0": {"name": {"_errors": [{"code": "EMPTY", "message": "empty"}]}}},
        });
        assert_eq!(errors.clone().into_json(), expected);
        assert!(errors.into_result().is_err());
        assert!(FormErrors::default().into_result().is_ok());
    }
}
