//! Which licences a dependency may have: permissive ones, so that Hearth can be used in anything.

use crate::cargo::Metadata;

/// The licences that are accepted, and what each asks for.
const ACCEPTED: &[(&str, &str)] = &[
    ("MIT", "keep the notice"),
    ("Apache-2.0", "keep the notice, with a patent grant"),
    (
        "Apache-2.0 WITH LLVM-exception",
        "the same, and less for compiled code",
    ),
    ("BSD-3-Clause", "keep the notice, do not advertise with the names"),
    ("BSD-2-Clause", "keep the notice"),
    ("ISC", "keep the notice"),
    ("Zlib", "do not misrepresent the origin"),
    ("BSL-1.0", "keep the notice in source code"),
    ("Unlicense", "nothing: public domain"),
    ("Unicode-3.0", "keep the notice; Unicode's own tables"),
    (
        "CDLA-Permissive-2.0",
        "keep the text with the data; the root certificates",
    ),
];

/// Every package whose licence is not accepted.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    metadata
        .packages
        .iter()
        .filter_map(|package| {
            let expression = package.license.as_deref().unwrap_or("no licence expression");
            (!is_accepted(expression)).then(|| format!("{} {}: {expression}", package.name, package.version))
        })
        .collect()
}

/// Whether the SPDX expression can be met with accepted licences. What does not parse cannot.
fn is_accepted(expression: &str) -> bool {
    // Old manifests separate alternatives by a slash.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut tokens = Tokens(spaced.split_whitespace().collect::<Vec<_>>().into_iter());
    any_of(&mut tokens) == Some(true) && tokens.peek().is_none()
}

struct Tokens<'a>(std::vec::IntoIter<&'a str>);

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.0.as_slice().first().copied()
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.0.next();
        }
        found
    }
}

/// `a OR b`: whether one of them is accepted; `None` where it does not parse.
fn any_of(tokens: &mut Tokens<'_>) -> Option<bool> {
    let mut accepted = all_of(tokens)?;
    while tokens.take("OR") {
        accepted |= all_of(tokens)?;
    }
    Some(accepted)
}

/// `a AND b`, which binds tighter: whether both are.
fn all_of(tokens: &mut Tokens<'_>) -> Option<bool> {
    let mut accepted = one(tokens)?;
    while tokens.take("AND") {
        accepted &= one(tokens)?;
    }
    Some(accepted)
}

/// A licence, perhaps with an exception, or an expression in parentheses.
fn one(tokens: &mut Tokens<'_>) -> Option<bool> {
    if tokens.take("(") {
        let accepted = any_of(tokens)?;
        return tokens.take(")").then_some(accepted);
    }
    let mut licence = tokens.0.next()?.to_owned();
    if tokens.take("WITH") {
        licence = format!("{licence} WITH {}", tokens.0.next()?);
    }
    Some(ACCEPTED.iter().any(|(accepted, _)| *accepted == licence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed() {
        for (expression, accepted) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 / MIT", true),
            ("MIT OR Apache-2.0 OR LGPL-2.1-or-later", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("GPL-3.0-or-later", false),
            ("MIT AND GPL-3.0-or-later", false),
            ("GPL-2.0 OR MIT AND AGPL-3.0", false),
            ("(GPL-2.0 OR MIT) AND ISC", true),
            ("Apache-2.0 WITH Nothing-exception", false),
            ("MPL-2.0", false),
            ("mit", false),
            ("", false),
            ("MIT Apache-2.0", false),
            ("(MIT", false),
            ("MIT OR", false),
            ("no licence expression", false),
        ] {
            assert_eq!(is_accepted(expression), accepted, "{expression}");
        }
    }
}
