//! The files that a run leaves: all its figures as JSON, and a plot a group of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::arguments::Arguments;
use crate::machine::Machine;
use crate::measure::{Figure, Group};
use crate::plot;
use crate::rows::Failure;

/// Everything that a run found out.
#[derive(Debug, Serialize)]
pub(crate) struct Results<'a> {
    pub(crate) at: DateTime<Utc>,
    pub(crate) machine: Machine,
    pub(crate) arguments: &'a Arguments,
    pub(crate) figures: &'a [Figure],
    /// Rows that could not be measured.
    pub(crate) failures: &'a [Failure],
}

/// Where results go unless another folder is named: beside this package's manifest.
pub(crate) fn default_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}

impl Results<'_> {
    /// Writes the JSON and the plots, and says where.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        let stamp = self.at.format("%Y-%m-%d-%H%M%S").to_string();
        let mut written = Vec::new();
        let json = serde_json::to_string_pretty(self)? + "\n";
        written.push(write(folder.join(format!("{stamp}.json")), &json)?);
        for group in self.groups() {
            let figures: Vec<&Figure> = self
                .figures
                .iter()
                .filter(|figure| figure.group == group)
                .collect();
            let name = format!("{stamp}-{}.svg", group.name());
            written.push(write(folder.join(name), &plot::svg(&figures))?);
        }
        Ok(written)
    }

    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.figures.iter().map(|figure| figure.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

fn write(path: PathBuf, text: &str) -> Result<PathBuf> {
    fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Goal, Series};

    #[test]
    fn a_run_leaves_its_figures_and_a_plot_a_group() {
        let figure = |group: Group| Figure {
            row: "3",
            group,
            figure: "warm".to_owned(),
            against: "bare".to_owned(),
            goal: Goal::AtMost(1.3),
            outcome: Series::new("×", vec![1.2]),
            ours: None,
            theirs: None,
            notes: Vec::new(),
        };
        let results = Results {
            at: DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
            machine: Machine::read(Some("15.14".to_owned())),
            arguments: &Arguments::default(),
            figures: &[figure(Group::Memory), figure(Group::Reads), figure(Group::Memory)],
            failures: &[Failure {
                row: "15",
                error: "it broke".to_owned(),
            }],
        };
        let folder = tempfile::tempdir().unwrap();
        let written = results.write(folder.path()).unwrap();
        let names: Vec<&str> = written
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "2026-01-01-000000.json",
                "2026-01-01-000000-reads.svg",
                "2026-01-01-000000-memory.svg"
            ]
        );
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(written.first().unwrap()).unwrap()).unwrap();
        assert_eq!(json.pointer("/machine/postgres").unwrap(), "15.14");
        assert_eq!(json.pointer("/failures/0/row").unwrap(), "15");
        assert_eq!(json.pointer("/figures/0/goal/at_most").unwrap(), 1.3);
        assert_eq!(json.pointer("/figures/2/outcome/values/0").unwrap(), 1.2);
    }
}
