//! What a newcomer does with the README alone: its lines on a folder of real files, beside a plain loop.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{command, plain_python, root, run};

/// The plain loops, and the files that all of them are about: the standard library's own sources, tables of
/// its modules, and lines of JSON of which some are broken.
const LOOPS: &str = r#"
import csv, json, os, pathlib, shutil, sys
sys.path.insert(0, "examples")
library = pathlib.Path(os.__file__).parent
sources = [path for name in ("json", "email", "asyncio") for path in sorted((library / name).glob("*.py"))]
for folder in ("texts", "tables"):
    os.mkdir(folder)
texts = []
with open("data.jsonl", "w", encoding="utf-8") as data:
    for number, path in enumerate(sources):
        text = f"texts/{path.parent.name} {path.stem}.txt"
        shutil.copy(path, text)
        texts.append(text)
        lines = path.read_text(encoding="utf-8").splitlines()
        record = json.dumps({"file": path.name, "first": lines[:3], "n": len(lines)})
        print(record[:-1] if number % 7 == 3 else record, file=data)
        with open(f"tables/{path.parent.name}_{path.stem}.csv", "w", encoding="utf-8", newline="") as table:
            rows = csv.writer(table)
            rows.writerow(["line", "text, as it is"])
            rows.writerows(enumerate(lines))

from wordcount import count
broken = []
for number, line in enumerate(open("data.jsonl", encoding="utf-8"), 1):
    try:
        json.loads(line.rstrip())
    except ValueError as error:
        broken.append([number, str(error)])
tables = {}
for path in pathlib.Path("tables").glob("*.csv"):
    with open(path, encoding="utf-8", newline="") as table:
        tables[path.stem + ".json"] = list(csv.DictReader(table))
print(json.dumps({"counts": [count(text) for text in texts], "broken": broken, "tables": tables}))
"#;

/// The README's lines, as they stand there.
fn lines() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, block) = readme.split_once("a line each:\n\n```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.lines().map(str::to_owned).collect()
}

#[test]
fn the_readmes_lines_do_what_plain_loops_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let examples = root().join("examples");
    fs::create_dir(folder.join("examples")).unwrap();
    for name in ["wordcount.py", "csv2json.py"] {
        fs::copy(examples.join(name), folder.join("examples").join(name)).unwrap();
    }
    let mut plain = command(plain_python());
    let plain = run(plain.args(["-c", LOOPS]).current_dir(folder));
    let expected: Value = serde_json::from_str(&plain.check(0).stdout).unwrap();

    let binary = Path::new(env!("CARGO_BIN_EXE_owngil")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let lines = lines();
    let ended: Vec<_> = lines
        .iter()
        .map(|line| {
            let mut shell = command("sh");
            shell
                .args(["-c", line])
                .current_dir(folder)
                .env("PATH", &path);
            run(&mut shell)
        })
        .collect();
    assert_eq!(ended.len(), 3);

    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let in_order = |counts: &mut Vec<Value>| counts.sort_by_key(|count| count["file"].to_string());
    assert_eq!(ended[0].check(0).stderr, "");
    let counts = read("counts.jsonl");
    let counts = counts
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let (mut counts, mut all): (Vec<Value>, _) = (
        counts.collect(),
        expected["counts"].as_array().unwrap().clone(),
    );
    in_order(&mut counts);
    in_order(&mut all);
    assert!(all.len() > 50, "{}", all.len());
    assert_eq!(counts, all);

    ended[1].check(1);
    let reported = read("broken.txt");
    let broken = expected["broken"].as_array().unwrap();
    assert!(broken.len() > 5, "{broken:?}");
    for pair in broken {
        let (number, error) = (pair[0].as_u64().unwrap(), pair[1].as_str().unwrap());
        let of_line = reported
            .lines()
            .find(|line| line.starts_with(&format!("error: input {number} ")));
        assert!(
            of_line
                .unwrap()
                .ends_with(&format!("JSONDecodeError: {error}")),
            "{reported}"
        );
    }
    let last = format!("error: {} of {} inputs failed", broken.len(), all.len());
    assert_eq!(reported.lines().last(), Some(&*last));

    assert_eq!((&*ended[2].check(0).stdout, &*ended[2].stderr), ("", ""));
    for (name, rows) in expected["tables"].as_object().unwrap() {
        let converted: Value = serde_json::from_str(&read(&format!("tables/{name}"))).unwrap();
        assert_eq!(&converted, rows, "{name}");
    }
}
