//! Dependencies that a manifest names and the code does not.
//!
//! A plain search: a dependency counts as used when its name stands as a word in code of the crate, comments aside. It can
//! miss an unused one whose name is a common word; it does not accuse a used one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cargo::{Kind, Metadata};

/// Dependencies that do their work unnamed: crate, dependency, why.
const UNNAMED: &[(&str, &str, &str)] = &[(
    "hearth-sqlite",
    "libsqlite3-sys",
    "its feature `bundled` brings SQLite itself",
)];

/// Every dependency that is not used.
pub(crate) fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for package in metadata.members() {
        let dir = package
            .manifest_path
            .parent()
            .context("a manifest has no folder")?;
        let sources = Sources::read(dir)?;
        for dependency in &package.dependencies {
            let unnamed = UNNAMED
                .iter()
                .any(|(krate, name, _)| *krate == package.name && *name == dependency.name);
            if !unnamed && !sources.name(&dependency.identifier(), dependency.kind) {
                found.push(format!("{} does not use {}", package.name, dependency.name));
            }
        }
    }
    Ok(found)
}

/// The code of one crate.
struct Sources {
    build: String,
    product: String,
    tests: String,
}

impl Sources {
    fn read(dir: &Path) -> Result<Self> {
        let mut sources = Self {
            build: String::new(),
            product: String::new(),
            tests: String::new(),
        };
        for path in rust_files(dir)? {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            let inside = path.strip_prefix(dir)?;
            if inside == Path::new("build.rs") {
                sources.build += &text;
            } else if inside.starts_with("src") {
                sources.product += &text;
            } else {
                sources.tests += &text;
            }
        }
        Ok(sources)
    }

    /// Whether the code that a dependency of this kind serves names it. Unit tests stand in `src`.
    fn name(&self, identifier: &str, kind: Kind) -> bool {
        match kind {
            Kind::Normal => names(&self.product, identifier),
            Kind::Build => names(&self.build, identifier),
            Kind::Dev => names(&self.tests, identifier) || names(&self.product, identifier),
        }
    }
}

/// The crate's Rust files, wherever they are; links lead out of it and are not followed.
fn rust_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "rs")
            {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

/// Whether `identifier` stands as a word in a line that is no comment.
fn names(code: &str, identifier: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .any(|line| {
            line.split(|character| !is_part(character))
                .any(|word| word == identifier)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_code_count_and_comments_do_not() {
        for (code, named) in [
            ("use uuid::Uuid;", true),
            ("    let id = uuid::Uuid::now_v7();", true),
            ("#[derive(uuid)]", true),
            ("// uuid::Uuid", false),
            ("    /// uuid", false),
            ("use uuid_more::Uuid;", false),
            ("let my_uuid = 1;", false),
            ("", false),
        ] {
            assert_eq!(names(code, "uuid"), named, "{code}");
        }
    }

    #[test]
    fn each_kind_is_sought_where_it_serves() {
        let sources = Sources {
            build: "cc::Build".to_owned(),
            product: "serde::Serialize".to_owned(),
            tests: "tempfile::tempdir".to_owned(),
        };
        for (identifier, kind, named) in [
            ("cc", Kind::Build, true),
            ("cc", Kind::Normal, false),
            ("serde", Kind::Normal, true),
            ("serde", Kind::Dev, true),
            ("tempfile", Kind::Dev, true),
            ("tempfile", Kind::Normal, false),
        ] {
            assert_eq!(sources.name(identifier, kind), named, "{identifier}");
        }
    }
}
