//! The programs: each runs, and prints what it should.

use crate::{example, example_with_packages, has_comparison};

#[test]
fn hello_counts_the_words_of_each_file() {
    let text = example("hello");
    assert_eq!(text, "LICENSE-MIT: 170 words\nLICENSE-APACHE: 1587 words\n");
}

#[test]
fn processes_lose_one_call() {
    let text = example("processes");
    for part in ["lost: its process ", "signal 11", "[0, 1, 4, 9, 16]\n"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn in_control_ends_what_does_not_end() {
    let text = example("in_control");
    for part in [
        "collatz(6) takes 8 steps\n",
        "collatz(0) took too long\n",
        "collatz(27) takes 111 steps\n",
        "worker 0: ",
        "worker 1: ",
        "hoard ended with MemoryError\n",
        "collatz(97) takes 118 steps\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn pool_map_tells_values_errors_and_output_apart() {
    let text = example("pool_map");
    for part in [
        "3: 0.33 (printed \"asked for 1/3\")\n",
        "0: ZeroDivisionError: division by zero, by \"asked for 1/0\"\nTraceback (most recent call last):\n",
        "in reciprocal\n    return round(1 / number, digits)\n",
        "7: result (fractions.Fraction): an opaque Python object; Rust cannot read it\n",
        "8: 0.12 (printed \"asked for 1/8\")\n",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn one_gil_or_many_finds_the_same_both_ways_and_prints_both_times() {
    let text = example("one_gil_or_many");
    assert!(text.contains("Both found the same "), "{text}");
    has_comparison(&text, 2);
}

#[test]
fn plugins_survive_each_misbehaviour() {
    let text = example("plugins");
    for part in [
        "invoices: 22.75 by money 1.4\n",
        "reports: 15.75 EUR, 7.00 USD by money 2.0\n",
        "in one interpreter, reports: module 'money' has no attribute 'Money'\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let survived: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_suffix("; both answer"))
        .collect();
    assert_eq!(survived.len(), 12, "{text}");
    let is_lost = |how: &str| {
        survived
            .iter()
            .any(|line| line.contains(how) && line.contains("worker lost"))
    };
    assert!(is_lost("leave_at_once") && is_lost("crash"), "{text}");
    has_comparison(&text, 2);
}

#[test]
fn data_engine_shares_its_columns_and_computes_what_rust_does() {
    let text = example("data_engine");
    assert!(text.contains("it is the same memory.\n"), "{text}");
    assert!(
        text.contains("as Rust does; 15385 rows are null.\n"),
        "{text}"
    );
    has_comparison(&text, 3);
}

#[test]
fn c_api_tour_shows_what_each_setting_allows() {
    let text = example("c_api_tour");
    let hello = "  Hello from the sub-interpreter!\n";
    assert_eq!(text.matches(hello).count(), 9, "{text}");
    let part = |title: &str| {
        let (_, rest) = text.split_once(title).unwrap();
        rest.lines().skip(2).take(5).collect::<Vec<_>>().join("\n")
    };
    let isolated = part("own GIL: what isolates most");
    for what in ["daemons ", "fork ", "exec "] {
        let line = isolated.lines().find(|line| line.contains(what));
        assert!(
            line.is_some_and(|line| line.contains("refused: ")),
            "{text}"
        );
    }
    let everything = part("everything shared and allowed");
    assert_eq!(everything.matches("refused").count(), 0, "{text}");
    for (title, allowed) in [
        ("own GIL, daemon threads", "daemons     allowed"),
        ("own GIL, fork", "fork        allowed"),
        ("own GIL, exec", "exec        allowed"),
        ("own GIL, no threads", "threads     refused"),
    ] {
        assert!(part(title).contains(allowed), "{title}: {text}");
    }
    assert!(text.contains("all zeros\n  not created: "), "{text}");
    has_comparison(&text, 2);
}

/// The free-threaded part is built by the example itself, where such a Python is named.
#[test]
fn free_threaded_compares_gils_and_none() {
    let text = example("free_threaded");
    for part in ["compute: ", "read: ", "allocate: ", "The structure took: "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let is_compared = text.contains("One thread alone\n") && text.contains("its GIL is off\n");
    let is_skipped = text.contains("SKIPPED: the free-threaded part");
    match std::env::var_os("FREE_THREADED_PYTHON") {
        Some(_) => assert!(is_compared && !is_skipped, "{text}"),
        None if is_skipped => eprintln!("free_threaded: {text}"),
        // One was found on the path, or it is what runs this.
        None => assert!(
            is_compared || text.contains("It is free-threaded itself"),
            "{text}"
        ),
    }
}

#[test]
fn shared_state_tells_what_is_whose() {
    let text = example("shared_state");
    for part in [
        "add_carefully   threads of one interpreter:   200000\n",
        "add_carelessly  an interpreter each:          200000\n",
        "threads of one interpreter: 1 of 2\n",
        "an interpreter each:        2 of 2\n",
        "  None     one for all\n",
        "  a class  each has its own\n",
        "  os.environ                   no\n",
        "  the environment, of a child  no\n",
        "  the umask                    yes: it is the process's\n",
        "  the working directory        yes: it is the process's\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    has_comparison(&text, 2);
}

#[test]
fn downloads_come_as_they_were_sent() {
    let text = example("downloads");
    let (fetched, computed) = text.split_once(" bytes came.\n").unwrap();
    has_comparison(fetched, 3);
    has_comparison(computed, 4);
    assert!(
        text.ends_with("All files came as they were sent.\n"),
        "{text}"
    );
}

#[test]
fn files_are_converted_alike_by_all() {
    let text = example("files");
    assert!(text.contains("All converted 200 files of "), "{text}");
    assert!(
        text.contains("With a process for each file, one takes "),
        "{text}"
    );
    let has_parallel = text.contains("GNU parallel");
    has_comparison(&text, if has_parallel { 6 } else { 5 });
}

#[test]
fn http_server_answers_in_time_whatever_its_calls_do() {
    let text = example("http_server");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    let first = "GET /primes?below=10000: 200 1229 primes are below 10000";
    assert_eq!(lines[0], first);
    assert!(lines[1].contains(": 400 "), "{text}");
    // How many are refused depends on how close together they come.
    let n = |line: &str| line.split(' ').next()?.parse::<u32>().ok();
    let (refused, late) = (n(lines[2]).unwrap(), n(lines[3]).unwrap());
    assert_eq!(refused + late, 12, "{text}");
    assert!(late >= 2 && lines[3].ends_with("504"), "{text}");
    assert!(
        lines[4].ends_with(": 200 25 primes are below 100"),
        "{text}"
    );
}

#[test]
fn gil_from_rust_reads_each_attribute_back() {
    let Some(text) = example_with_packages("gil_from_rust") else {
        return;
    };
    for part in [
        "Both computed the same: 278 steps, 599994.\n",
        "All 101 attributes were read back as they were set, from graphs with 2 edges.\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (native, tasks) = text.split_once("tasks with networkx").unwrap();
    has_comparison(native, 2);
    has_comparison(tasks, 3);
}

#[test]
fn library_work_is_the_same_everywhere() {
    let Some(text) = example_with_packages("library_work") else {
        return;
    };
    let parts: Vec<_> = text.split(" inputs, ").skip(1).collect();
    assert_eq!(parts.len(), 3, "{text}");
    parts.into_iter().for_each(|part| has_comparison(part, 3));
    assert!(
        text.ends_with("All three gave the same everywhere.\n"),
        "{text}"
    );
}

#[test]
fn web_server_loses_no_request_to_those_that_get_stuck() {
    let Some(text) = example_with_packages("web_server") else {
        return;
    };
    let (function, application) = text.split_once("A Flask application").unwrap();
    has_comparison(function, 2);
    has_comparison(application, 3);
    assert_eq!(
        text.matches("; every request got its answer\n").count(),
        5,
        "{text}"
    );
    let end = "2 stuck requests: 504 each; 2 workers were set aside and replaced.\n\
               20 of 20 other requests were answered meanwhile.\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn images_are_the_same_wherever_they_are_made() {
    let Some(text) = example_with_packages("images") else {
        return;
    };
    assert!(
        text.contains("All wrote the same 6 files, to the byte.\n"),
        "{text}"
    );
    assert!(text.contains("\nauto ran them in "), "{text}");
    has_comparison(&text, 4);
}

#[test]
fn extension_counts_the_same_whatever_it_declares() {
    let Some(text) = example_with_packages("extension") else {
        return;
    };
    assert!(
        text.contains("plain does not support loading in subinterpreters\n"),
        "{text}"
    );
    assert!(text.contains("All counted 669 primes.\n"), "{text}");
    has_comparison(&text, 5);
}
