//! Listing: `owngil doctor --list`, which packages have private copies, and which run in processes and why.

use owngil::tested::List;

use crate::terminal::screen::{Screen, wrapped};

/// The whole list.
pub(super) fn listing(list: &List, screen: Screen) -> String {
    let mut rows: Vec<[String; 4]> = list
        .packages()
        .map(|row| {
            [
                &row.distribution,
                &row.versions(),
                &row.python,
                &row.evidence,
            ]
            .map(String::clone)
        })
        .collect();
    rows.sort_by_key(|[name, _, python, _]| (name.to_lowercase(), python.clone()));
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (name, versions, python) = (width(0), width(1), width(2));
    let mut text = "Tested in private copies, as published wheels:\n\n".to_owned();
    for row in &rows {
        text += &format!(
            "  {:name$}  {:versions$}  Python {:python$}  {}\n",
            row[0], row[1], row[2], row[3]
        );
    }
    text += "\nRun in worker processes, in any version:\n\n";
    for package in list.in_processes() {
        let reported = wrapped(
            &format!("{}: {}", package.distribution, package.reason),
            screen.width - 4,
        );
        for (number, line) in reported.lines().enumerate() {
            text += &format!("{}{line}\n", if number == 0 { "  " } else { "    " });
        }
    }
    text += "\n";
    text += &wrapped(
        "All others run in worker processes as well, unless their modules declare that they support an own GIL. \
         `owngil doctor --try PACKAGE` tries one, and `--extensions private` copies any.",
        screen.width,
    );
    screen.fit(text.trim_end().to_owned() + "\n")
}
