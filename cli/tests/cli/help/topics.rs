//! `owngil help`: the topics, and the text of each.

use crate::support::{owngil, run, words};

#[test]
fn help_lists_topics_and_shows_each() {
    let ended = run(&mut words("help"));
    let (_, topics) = ended
        .check(0)
        .stdout
        .split_once("Topics, with `owngil help TOPIC`:\n")
        .unwrap();
    let topics: Vec<&str> = topics.split([',', '\n', ' ']).collect();
    let topics = topics.iter().filter(|topic| !topic.is_empty());
    let mut n = 0;
    for topic in topics {
        let ended = run(&mut owngil(["help", topic]));
        assert!(ended.check(0).lines().len() > 3, "{topic}");
        let is_markdown = |line: &&str| line.starts_with("```") || line.contains("](");
        assert_eq!(ended.stdout.lines().find(is_markdown), None, "{topic}");
        n += 1;
    }
    assert!(n >= 6, "{}", ended.stdout);
    let ended = run(&mut words("help exit-status"));
    assert!(ended.check(0).stdout.contains("\n  130\n      interrupted"));
    let help = run(&mut words("map --help"));
    assert_eq!(run(&mut words("help map")).check(0).stdout, help.stdout);
    let ended = run(&mut words("help no-such"));
    assert!(
        ended
            .check(2)
            .stderr
            .starts_with("error: there is no topic \"no-such\"\nhint: ")
    );
}
