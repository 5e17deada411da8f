//! Functions that stand in for built-in ones, and run owngil's own code only when they are needed.

use std::collections::HashSet;
use std::process::Command;

use owngil::Interpreter;

/// Each refused, or its own, in an interpreter.
const CALLS: &str = "
import os, posix, sys, _thread
calls = {
    'os.kill': (0, 15), 'os.killpg': (0, 15), 'os.close': (1,), 'os.dup2': (0, 1), 'os.closerange': (0, 9),
    'os.setsid': (), 'os.setgroups': ([],), 'os.nice': (1,), 'os.setpgid': (0, 0), '_thread.interrupt_main': (),
}
modules = {'os': os, '_thread': _thread}
def found(name):
    module, name = name.split('.')
    return getattr(modules[module], name)
early = {name: found(name) for name in calls}

def refusal(function, arguments):
    try:
        return f'{function.__name__} gave {function(*arguments)!r}'
    except (RuntimeError, ValueError) as error:
        return str(error)
";

fn run(code: &str, result: &str) -> String {
    let code = format!("{CALLS}{code}");
    Interpreter::scope(|python| {
        python.exec(&code)?;
        python.eval(result)
    })
    .unwrap()
}

#[test]
fn a_function_that_was_taken_early_is_the_one_that_is_found_later() {
    let seen = run(
        "
first = {name: refusal(early[name], arguments) for name, arguments in calls.items()}
again = {name: refusal(early[name], arguments) for name, arguments in calls.items()}
late = {name: refusal(found(name), arguments) for name, arguments in calls.items()}
same = all(found(name) is early[name] for name in calls) and all(
    getattr(os, name.partition('.')[2], None) is getattr(posix, name.partition('.')[2], None) for name in calls)
not_refused = [text for text in first.values() if 'cannot be' not in text and 'only works in' not in text]
",
        "repr((first == again == late, same, not_refused))",
    );
    assert_eq!(seen, "(True, True, [])");
}

#[test]
fn what_each_program_needs_is_not_imported_at_the_start() {
    let seen = run(
        "needed = {'_signal', 'fcntl', '_posixsubprocess', 'resource', '_locale', 'struct'}",
        "repr(sorted(needed & sys.modules.keys()))",
    );
    assert_eq!(seen, "[]");
}

/// What `python` itself has not imported by then would be imported for each worker. What is built in costs nothing.
#[test]
fn an_interpreter_starts_with_the_modules_that_python_starts_with() {
    let seen: (String, Vec<String>) = Interpreter::scope(|python| {
        python.exec("import sys")?;
        python.exec("own = sys.modules.keys() - set(sys.builtin_module_names)")?;
        python.eval("(sys.executable, [name for name in own if 'owngil' not in name])")
    })
    .unwrap();
    let (executable, ours) = seen;
    let mut plain = Command::new(executable);
    let plain = plain
        .args(["-c", "import sys; print(*sys.modules)"])
        .output();
    let plain = String::from_utf8(plain.unwrap().stdout).unwrap();
    let known: HashSet<&str> = plain.split_whitespace().collect();
    let more = ours.iter().filter(|name| !known.contains(name.as_str()));
    assert_eq!(more.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_modules_that_have_more_of_a_program_are_changed_each_time_that_they_are_imported() {
    let seen = run(
        "
def refusals():
    import resource, _signal
    return (refusal(resource.setrlimit, (resource.RLIMIT_NOFILE, (5, 5))), refusal(_signal.alarm, (1,)))
first = refusals()
for name in 'resource', '_signal':
    del sys.modules[name]
second = refusals()
",
        "repr((first == second, *first))",
    );
    assert_eq!(
        seen,
        "(True, 'resource.setrlimit cannot be called in an interpreter: it is for the whole process', \
         'alarm only works in main thread of the main interpreter')"
    );
}

#[test]
fn threads_that_are_first_at_once_are_all_refused() {
    let seen = run(
        "
import threading
texts, together = [], threading.Barrier(8)
def first():
    together.wait()
    texts.append(refusal(os.killpg, (0, 15)))
threads = [threading.Thread(target=first) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
",
        "repr((len(texts), set(texts)))",
    );
    assert_eq!(
        seen,
        "(8, {'a signal to the own process group only works in main thread of the main interpreter'})"
    );
}

#[test]
fn a_first_call_that_is_interrupted_leaves_the_next_one_whole() {
    // At each line that the program runs when it is loaded.
    let seen = run(
        "
class Interrupt(BaseException):
    pass
def interrupted_at(n):
    seen = 0
    def trace(frame, event, argument):
        nonlocal seen
        if not frame.f_code.co_filename.startswith('<owngil'):
            return None
        if event == 'line':
            seen += 1
            if seen == n:
                raise Interrupt
        return trace
    sys.settrace(trace)
    try:
        refusal(os.setsid, ())
    except Interrupt:
        return True
    finally:
        sys.settrace(None)
    return False
n = 1
while interrupted_at(n):
    n += 1
texts = {refusal(os.setsid, ()), refusal(os.setgroups, ([],)), refusal(os.nice, (1,))}
",
        "repr((n > 20, sorted(texts)))",
    );
    assert_eq!(
        seen,
        "(True, ['os.nice cannot be called in an interpreter: it is for the whole process', \
         'os.setgroups cannot be called in an interpreter: it is for the whole process', \
         'os.setsid cannot be called in an interpreter: it is for the whole process'])"
    );
}
