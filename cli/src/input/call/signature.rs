//! Signature: the parameters of a function, and whether the fields of an input fit them.

/// A function's parameters.
#[derive(Clone, Debug)]
pub(crate) struct Signature(Vec<Parameter>);

#[derive(Clone, Debug)]
struct Parameter {
    name: String,
    kind: ParameterKind,
    may_be_left_out: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParameterKind {
    PositionalOnly,
    Plain,
    KeywordOnly,
    /// `*name`
    Rest,
    /// `**name`
    Named,
}

/// The fields of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fields<'a> {
    /// Those of an object; another one may have others.
    Named(&'a [String]),
    /// Those of all rows.
    Columns(&'a [String]),
    Numbered(usize),
}

impl Signature {
    /// Of the names, kinds (as `inspect` calls them) and defaults of the parameters.
    pub(crate) fn new(parameters: Vec<(String, String, bool)>) -> Signature {
        let parameters = parameters.into_iter().map(|(name, kind, has_default)| {
            let kind = match kind.as_str() {
                "POSITIONAL_ONLY" => ParameterKind::PositionalOnly,
                "KEYWORD_ONLY" => ParameterKind::KeywordOnly,
                "VAR_POSITIONAL" => ParameterKind::Rest,
                "VAR_KEYWORD" => ParameterKind::Named,
                _ => ParameterKind::Plain,
            };
            Parameter {
                name,
                kind,
                may_be_left_out: has_default
                    || matches!(kind, ParameterKind::Rest | ParameterKind::Named),
            }
        });
        Signature(parameters.collect())
    }

    /// Why the fields cannot each be an argument, if they cannot.
    pub(crate) fn misfit(&self, fields: Fields<'_>) -> Option<String> {
        match fields {
            Fields::Named(names) | Fields::Columns(names) => self.misfit_of_names(names),
            Fields::Numbered(n) => self.misfit_of_number(n),
        }
    }

    /// Whether all fields can be one argument.
    pub(crate) fn takes_one(&self) -> bool {
        self.misfit_of_number(1).is_none()
    }

    fn misfit_of_names(&self, names: &[String]) -> Option<String> {
        let takes_all = self.0.iter().any(|one| one.kind == ParameterKind::Named);
        let has = |name: &String| {
            let fits = |one: &&Parameter| {
                matches!(one.kind, ParameterKind::Plain | ParameterKind::KeywordOnly)
            };
            self.0.iter().filter(fits).any(|one| one.name == *name)
        };
        if let Some(name) = names.iter().find(|name| !takes_all && !has(name)) {
            return Some(format!("it has no parameter {name}"));
        }
        let is_missing = |one: &&Parameter| {
            let is_given = one.kind != ParameterKind::PositionalOnly && names.contains(&one.name);
            !one.may_be_left_out && !is_given
        };
        let missing = self.0.iter().find(is_missing)?;
        Some(format!(
            "nothing is there for its parameter {}",
            missing.name
        ))
    }

    fn misfit_of_number(&self, n: usize) -> Option<String> {
        let is_positional = |one: &&Parameter| {
            matches!(
                one.kind,
                ParameterKind::PositionalOnly | ParameterKind::Plain
            )
        };
        let positional: Vec<&Parameter> = self.0.iter().filter(is_positional).collect();
        let takes_all = self.0.iter().any(|one| one.kind == ParameterKind::Rest);
        let is_needed = |one: &&&Parameter| !one.may_be_left_out;
        let n_needed = positional.iter().filter(is_needed).count();
        if n < n_needed || (n > positional.len() && !takes_all) {
            return Some(format!("it does not take {n} arguments"));
        }
        let needs_name =
            |one: &&Parameter| one.kind == ParameterKind::KeywordOnly && !one.may_be_left_out;
        let missing = self.0.iter().find(needs_name)?;
        Some(format!(
            "nothing is there for its parameter {}",
            missing.name
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From parameters as they are written, with `/` after the kind's own mark left out.
    fn signature(text: &str) -> Signature {
        let parameters = text.split_whitespace().map(|word| {
            let (word, has_default) = match word.strip_suffix('=') {
                Some(word) => (word, true),
                None => (word, false),
            };
            let (name, kind) = if let Some(name) = word.strip_prefix("**") {
                (name, "VAR_KEYWORD")
            } else if let Some(name) = word.strip_prefix('*') {
                (name, "VAR_POSITIONAL")
            } else if let Some(name) = word.strip_prefix('!') {
                (name, "KEYWORD_ONLY")
            } else if let Some(name) = word.strip_prefix('/') {
                (name, "POSITIONAL_ONLY")
            } else {
                (word, "POSITIONAL_OR_KEYWORD")
            };
            (name.to_owned(), kind.to_owned(), has_default)
        });
        Signature::new(parameters.collect())
    }

    #[test]
    fn names_fit_when_each_has_a_parameter_and_none_is_left_without() {
        let fits = |text: &str, names: &str| {
            let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
            signature(text).misfit(Fields::Named(&names)).is_none()
        };
        for (text, names) in [
            ("name points", "points name"),
            ("name points=", "name"),
            ("name !points", "name points"),
            ("**all", "anything at all"),
            ("name **rest", "name more"),
            ("/first= name", "name"),
        ] {
            assert!(fits(text, names), "{names} for ({text})");
        }
        for (text, names) in [
            ("person", "name points"),
            ("name", "name points"),
            ("name points", "name"),
            ("name **rest", "other"),
            ("/name", "name"),
            ("*all", "name"),
        ] {
            assert!(!fits(text, names), "{names} for ({text})");
        }
    }

    #[test]
    fn fields_without_names_fit_by_their_number() {
        let fits = |text: &str, n| signature(text).misfit(Fields::Numbered(n)).is_none();
        assert!(fits("a b", 2) && fits("a b=", 1) && fits("*all", 9) && fits("/a b", 2));
        assert!(!fits("a", 2) && !fits("a b", 1) && !fits("a !b", 1) && !fits("**all", 1));
    }
}
