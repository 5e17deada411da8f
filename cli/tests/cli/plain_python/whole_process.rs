//! What belongs to the process: what one script changes of it, no other sees, neither at the same time nor afterwards.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use crate::support::{command, owngil, plain_python, run};

/// Changes by what they concern, each with code that looks at it, and whether interpreters refuse it.
const CHANGES: [(&str, &str, &str, bool); 33] = [
    (
        "time_zone",
        "import os, time; os.environ['TZ'] = 'UTC-9'; time.tzset()",
        "import time; print(time.localtime(0).tm_hour, time.tzname, time.strftime('%Z'))",
        true,
    ),
    (
        "time_zone_that_c_reads_by_itself",
        "import os, time; os.environ['TZ'] = 'UTC-9'; time.mktime((2000, 1, 1, 0, 0, 0, 0, 0, 0))",
        "import datetime, time; print(time.localtime(0).tm_hour, datetime.datetime.fromtimestamp(0).hour)",
        true,
    ),
    (
        "locale",
        "import locale; locale.setlocale(locale.LC_CTYPE, 'POSIX')",
        "import locale; print(locale.setlocale(locale.LC_CTYPE) == 'C', locale.nl_langinfo(locale.CODESET))",
        true,
    ),
    (
        "locale_that_means_the_same",
        "import locale; locale.setlocale(locale.LC_TIME, 'C.UTF-8')",
        "import locale; print(locale.setlocale(locale.LC_TIME), locale.setlocale(locale.LC_ALL))",
        false,
    ),
    (
        "text_domain",
        "import gettext, locale; locale.textdomain('mine'); gettext.textdomain('mine')",
        "import gettext, locale; print(locale.textdomain(None), gettext.textdomain())",
        true,
    ),
    (
        "nice",
        "import os; os.nice(3)",
        "import os, subprocess; print(os.nice(0), subprocess.getoutput('nice'))",
        true,
    ),
    (
        "priority",
        "import os; os.setpriority(os.PRIO_PROCESS, os.getpid(), 4)",
        "import os; print(os.getpriority(os.PRIO_PROCESS, 0))",
        true,
    ),
    (
        "affinity",
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
        "import os; print(os.sched_getaffinity(0))",
        true,
    ),
    (
        "scheduling",
        "import os; os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))",
        "import os; print(os.sched_getscheduler(0))",
        true,
    ),
    (
        "soft_limit",
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (200, r.getrlimit(r.RLIMIT_NOFILE)[1]))",
        "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE))",
        true,
    ),
    (
        "hard_limit",
        "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (1 << 30, 1 << 30))",
        "import resource as r; print(r.getrlimit(r.RLIMIT_FSIZE))",
        true,
    ),
    (
        "limit_by_number",
        "import os, resource as r; r.prlimit(os.getpid(), r.RLIMIT_CORE, (0, 0))",
        "import resource as r; print(r.getrlimit(r.RLIMIT_CORE))",
        true,
    ),
    (
        "user",
        "import os; os.setresuid(-1, -1, 1234 if os.getuid() == 0 else os.getuid())",
        "import os; print(os.getresuid())",
        true,
    ),
    (
        "system_log",
        "import syslog; syslog.openlog('mine'); syslog.setlogmask(syslog.LOG_UPTO(syslog.LOG_ERR)); syslog.syslog('x')",
        "import syslog; print(syslog.setlogmask(0))",
        true,
    ),
    (
        "timer",
        "import signal; signal.setitimer(signal.ITIMER_PROF, 1000); signal.alarm(1000)",
        "import signal; print(signal.getitimer(signal.ITIMER_PROF)[0] > 0, signal.getitimer(signal.ITIMER_REAL)[0] > 0)",
        true,
    ),
    (
        "handler",
        "import signal; signal.signal(signal.SIGUSR2, lambda *_: None); signal.siginterrupt(signal.SIGUSR2, True)",
        "import signal; print(signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL)",
        true,
    ),
    (
        "signal_by_descriptor",
        "import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pidfd_send_signal(os.pidfd_open(os.getpid()), signal.SIGTERM); signal.signal(signal.SIGTERM, signal.SIG_DFL)",
        "print('there')",
        true,
    ),
    (
        "hooks_of_fork",
        "import os; os.register_at_fork(before=lambda: print('forks', flush=True))",
        "import os
if os.fork() == 0: os._exit(0)
print(os.wait()[1])",
        true,
    ),
    (
        "traced_memory",
        "import tracemalloc; tracemalloc.start()",
        "import sys, tracemalloc; print(tracemalloc.is_tracing())",
        true,
    ),
    (
        "dump_of_stacks",
        "import faulthandler; faulthandler.dump_traceback_later(1000)",
        "import faulthandler; print(faulthandler.is_enabled())",
        true,
    ),
    (
        "trampoline",
        "import sys
try: sys.activate_stack_trampoline('perf')
except ValueError: pass",
        "import sys
try: sys.activate_stack_trampoline('none')
except ValueError: print(sys.is_stack_trampoline_active())",
        true,
    ),
    (
        "folder_and_umask",
        "import os; os.mkdir('deep'); os.chdir('deep'); os.umask(0o077); os.chdir('..'); os.chdir('deep'); up = '../'",
        "import os; print(os.path.basename(os.getcwd()) == 'deep', oct(os.umask(os.umask(0))))",
        false,
    ),
    (
        "limits_of_the_interpreter",
        "import gc, socket, sys, threading
sys.setrecursionlimit(3000); sys.setswitchinterval(0.5); sys.set_int_max_str_digits(5000); sys.setdlopenflags(1)
socket.setdefaulttimeout(9); threading.stack_size(1 << 20); gc.set_threshold(5, 5, 5)",
        "import gc, socket, sys, threading
print(sys.getrecursionlimit(), sys.getswitchinterval(), sys.get_int_max_str_digits(), sys.getdlopenflags())
print(socket.getdefaulttimeout(), gc.get_threshold())",
        false,
    ),
    (
        "output_that_does_not_wait",
        "import fcntl, os; fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_NONBLOCK)",
        "import os; print(os.get_blocking(1))",
        true,
    ),
    (
        "output_that_children_do_not_have",
        "import os; os.set_inheritable(1, False); os.set_inheritable(2, False)",
        "import os, subprocess, sys; print(os.get_inheritable(1)); sys.stdout.flush()
if os.get_inheritable(1): subprocess.run(['echo', 'child'])",
        true,
    ),
    (
        "output_that_children_do_not_have_by_a_device_call",
        "import fcntl, termios; fcntl.ioctl(1, termios.FIOCLEX)",
        "import os, subprocess, sys; print(os.get_inheritable(1)); sys.stdout.flush()
if os.get_inheritable(1): subprocess.run(['echo', 'child'])",
        true,
    ),
    (
        "names",
        "import multiprocessing as m, threading; m.current_process().name = threading.main_thread().name = 'Mine'
m.set_executable('/bin/false')",
        "import multiprocessing as m, multiprocessing.spawn as s, threading
print(m.current_process().name, threading.main_thread().name, s.get_executable() in ('/bin/false', b'/bin/false'))",
        false,
    ),
    (
        "functions_of_sys",
        "import sys; leave = sys.exit; sys.exit = lambda status=0: leave(status)",
        "import sys; print(sys.exit.__module__)",
        false,
    ),
    (
        "output_by_a_function",
        "import sys; write = sys.stdout.write; sys.stdout.write = lambda text: write(text.upper()); sys.stdout.mine = 1",
        "import sys; print('written', hasattr(sys.stdout, 'mine'))",
        false,
    ),
    (
        "defaults_of_modules",
        "import copyreg, locale, logging, ssl, time; logging.Formatter.converter = time.gmtime
ssl._create_default_https_context = ssl._create_unverified_context; locale._override_localeconv = {'grouping': [1]}
copyreg.pickle(complex, lambda number: (complex, (0,)))",
        "import locale, logging, pickle, ssl; print(logging.Formatter.converter.__name__, ssl._create_default_https_context.__name__)
print(locale.localeconv()['grouping'], pickle.loads(pickle.dumps(1j)))",
        false,
    ),
    (
        "start_method",
        "import multiprocessing; multiprocessing.set_start_method('spawn')",
        "import multiprocessing; print(multiprocessing.get_start_method(allow_none=True))",
        false,
    ),
    (
        "variables",
        "import os; os.environ['MINE'] = 'x'; os.putenv('OTHER', 'x')",
        "import os, subprocess; print(os.environ.get('MINE'), subprocess.getoutput('echo $MINE $OTHER'))",
        false,
    ),
    (
        "mask_of_signals",
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
        "import signal; print(signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, []))",
        false,
    ),
];

/// Files by which the scripts wait for each other.
const MEETING: &str = "
def wait_for(name):
    import os, time
    for _ in range(3000):
        if os.path.exists(name): return
        time.sleep(0.01)
    raise TimeoutError(name)
";

/// A script that changes, looks, or both, as its argument says: two at the same time, or one after the other.
fn script(change: &str, look: &str) -> String {
    let indented = |code: &str| code.replace('\n', "\n    ");
    let (change, look) = (indented(change), indented(look));
    format!(
        "import os, sys
{MEETING}
here = os.getcwd()
if sys.argv[1] == 'looks':
    wait_for('changed')
if sys.argv[1] in ('changes', 'alone'):
    {change}
if True:
    {look}
if sys.argv[1] == 'changes':
    open(here + '/changed', 'w').close()
    wait_for(here + '/seen')
if sys.argv[1] == 'looks':
    open('seen', 'w').close()
"
    )
}

fn prepare(source: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("of_process.py"), source).unwrap();
    folder
}

fn plain(folder: &Path, argument: &'static str) -> String {
    let mut python = command(plain_python());
    let python = python.args(["-u", "of_process.py", argument]);
    let ended = run(python.current_dir(folder).stdin(Stdio::null()));
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    ended.stdout
}

/// What `owngil run` prints of the script with these arguments.
fn own(source: &str, backend: &str, n_workers: &str, arguments: [&str; 2]) -> (String, String) {
    let folder = prepare(source);
    let words = ["run", "-k", "-j", n_workers, "--backend", backend];
    let mut command = owngil(words);
    command.args(["of_process.py", ":::"]).args(arguments);
    let ended = run(command.current_dir(folder.path()));
    (ended.stdout, ended.stderr)
}

/// What two scripts print in plain Python, one of which changes something while the other looks.
fn by_plain_python(source: &str) -> (String, String) {
    let folder = prepare(source);
    thread::scope(|scope| {
        let changes = scope.spawn(|| plain(folder.path(), "changes"));
        let looks = plain(folder.path(), "looks");
        (changes.join().unwrap(), looks)
    })
}

/// What is wrong with what owngil gives.
fn check((name, change, look, is_refused): (&str, &str, &str, bool)) -> Vec<String> {
    let source = script(change, look);
    let (changes, looks) = by_plain_python(&source);
    let both = changes + &looks;
    let at_once = own(&source, "auto", "2", ["changes", "looks"]);
    let in_processes = own(&source, "process", "1", ["alone", "late"]);
    let in_interpreters = own(&source, "interpreter", "1", ["alone", "late"]);
    let (stdout, stderr) = &in_interpreters;
    let is_right = match is_refused {
        // Code that only looks may be refused, too.
        true => stderr.contains("error: input 1") && (*stdout == looks || stdout.is_empty()),
        false => *stdout == both,
    };
    let mut wrong = Vec::new();
    for (place, is_right, found) in [
        ("at once", at_once.0 == both, &at_once),
        ("in processes", in_processes.0 == both, &in_processes),
        ("in interpreters", is_right, &in_interpreters),
    ] {
        if !is_right {
            wrong.push(format!("{name}, {place}: {both}{found:?}"));
        }
    }
    wrong
}

#[test]
fn what_one_script_changes_of_the_process_another_does_not_see() {
    let wrong: Vec<String> = thread::scope(|scope| {
        // They wait for each other more than they compute.
        let parts = CHANGES.chunks(7);
        let checks: Vec<_> = parts
            .map(|part| scope.spawn(|| part.iter().copied().flat_map(check).collect::<Vec<_>>()))
            .collect();
        checks
            .into_iter()
            .flat_map(|check| check.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn locks_of_files_exclude_other_scripts_and_not_the_one_that_has_them() {
    let take = "import fcntl, os
kept = open('locked', 'w'); fcntl.lockf(kept.fileno(), fcntl.LOCK_EX)
again = open('locked', 'r+'); fcntl.lockf(again.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
os.lockf(again.fileno(), os.F_TLOCK, 0); print(os.lockf(kept.fileno(), os.F_TEST, 0))";
    let look = "import os, sys
def look():
    with open('locked', 'r+') as file:
        for operation in os.F_TEST, os.F_TLOCK:
            try: print(os.lockf(file.fileno(), operation, 0))
            except OSError as error: print(type(error).__name__)
if sys.argv[1] == 'looks': look()";
    let source = script(take, look);
    let (takes, looks) = by_plain_python(&source);
    let plain = takes + &looks;
    for backend in ["auto", "interpreter", "process"] {
        assert_eq!(
            own(&source, backend, "2", ["changes", "looks"]).0,
            plain,
            "{backend}"
        );
    }
}

/// Waits in one call until the exit function that another has registered has run, in the interpreter that refused it.
const EXITING: &str = r#"
import atexit, os, sys, time
def f(name):
    if name == "refused":
        atexit.register(at_end)
        if os.fork() == 0: os._exit(0)
        return os.waitstatus_to_exitcode(os.wait()[1])
    os.mkdir(name); os.chdir(name); os.umask(0o077); os.environ["ME"] = name; print("begins", name)
    while not os.path.exists("../ended"): time.sleep(0.01)
    print("ends", name)
    return [os.path.basename(os.getcwd()), os.environ["ME"], os.umask(0o077), os.popen("echo $ME $(basename $(pwd))").read()]
def at_end():
    here = os.getcwd()
    os.makedirs("elsewhere", exist_ok=True); os.chdir("elsewhere"); os.umask(0); os.environ["ME"] = "at the end"
    print("at the end")
    try: os.fork() or os._exit(0)
    except RuntimeError as error: print(error)
    os.popen("echo child $ME").read(); sys.stdout.close(); open(here + "/ended", "w").close()
"#;

#[test]
fn exit_functions_of_an_interpreter_that_is_replaced_leave_other_calls_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("exiting.py"), EXITING).unwrap();
    let mut command = owngil(["map", "-k", "-j", "2", "--chunk", "1", "exiting.py:f"]);
    let ended = run(command.args(["a", "refused"]).current_dir(folder.path()));
    assert_eq!(
        ended.stdout, "[\"a\",\"a\",63,\"a a\\n\"]\n0\n",
        "{}",
        ended.stderr
    );
    let refused = "at the end\nfork not supported for isolated subinterpreters\n";
    assert!(ended.stderr.contains(refused), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("begins a\nends a\n"),
        "{}",
        ended.stderr
    );
}
