/* A tour of PyInterpreterConfig: an interpreter with each legal setting, what it allows, and its end.
 *
 * tour PYTHON             makes the interpreters one after the other and prints what each allows
 * tour PYTHON own|shared N  has two threads count to N, each in an interpreter of its own
 *
 * What a tutorial easily gets wrong, and what is done here instead:
 *
 * - Py_NewInterpreter() takes no settings: that interpreter shares the GIL, and nothing gets faster.
 * - Py_NewInterpreterFromConfig() leaves the thread attached to the new interpreter. The thread state that was
 *   attached before is still the caller's, to be swapped in again, or to be ended.
 * - A thread that has no thread state makes one of the main interpreter first, to create from. PyGILState_Ensure() is not
 *   for this: it knows the main interpreter alone.
 * - A thread state belongs to the thread that made it. So each thread creates, uses and ends its own interpreter.
 * - Py_EndInterpreter() returns with nothing attached and no GIL held.
 * - A PyInterpreterConfig that is all zeros has no threads, and is refused, for want of the check of extensions.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const PyInterpreterConfig ISOLATED = {
    .use_main_obmalloc = 0,
    .allow_fork = 0,
    .allow_exec = 0,
    .allow_threads = 1,
    .allow_daemon_threads = 0,
    .check_multi_interp_extensions = 1,
    .gil = PyInterpreterConfig_OWN_GIL,
};

static const char *const PROBE =
    "import os, sys, threading\n"
    "\n"
    "# A module that declares, or says by its form, that it can live in the main interpreter alone.\n"
    "REFUSED = '_tracemalloc' if sys.version_info >= (3, 13) else '_ctypes'\n"
    "\n"
    "def attempt(what, work):\n"
    "    try:\n"
    "        print(f'  {what:<12}{work() or \"allowed\"}')\n"
    "    except Exception as error:\n"
    "        print(f'  {what:<12}refused: {error}')\n"
    "\n"
    "def thread(daemon):\n"
    "    started = threading.Thread(target=int, daemon=daemon)\n"
    "    started.start()\n"
    "    started.join()\n"
    "\n"
    "def fork():\n"
    "    child = os.fork()\n"
    "    if child == 0:\n"
    "        os._exit(0)\n"
    "    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
    "    return None if status == 0 else f'allowed, but CPython ends the child ({status})'\n"
    "\n"
    "def execute():\n"
    "    try:\n"
    "        os.execv('/nowhere', ['nowhere'])\n"
    "    except FileNotFoundError:\n"
    "        pass\n"
    "\n"
    "print('  Hello from the sub-interpreter!')\n"
    "attempt('threads', lambda: thread(False))\n"
    "attempt('daemons', lambda: thread(True))\n"
    "attempt('fork', fork)\n"
    "attempt('exec', execute)\n"
    "attempt('extensions', lambda: __import__(REFUSED) and None)\n"
    "sys.stdout.flush()\n";

static void fail(const char *what, PyStatus status)
{
    fprintf(stderr, "%s: %s\n", what, status.err_msg ? status.err_msg : "failed");
    exit(1);
}

/* Makes one with these settings, runs the probe in it, and ends it. The calling thread is attached to the main
 * interpreter before and after. */
static void visit(const char *name, PyInterpreterConfig config)
{
    printf("%s\n", name);
    fflush(stdout);
    PyThreadState *before = PyThreadState_Get();
    PyThreadState *inside = NULL;
    PyStatus status = Py_NewInterpreterFromConfig(&inside, &config);
    if (PyStatus_Exception(status)) {
        printf("  not created: %s\n", status.err_msg);
        return;
    }
    if (PyRun_SimpleString(PROBE) != 0) {
        exit(1);
    }
    Py_EndInterpreter(inside);
    PyThreadState_Swap(before);
}

static void tour(void)
{
    PyInterpreterConfig config = ISOLATED;
    visit("own GIL: what isolates most", config);

    config = ISOLATED;
    config.gil = PyInterpreterConfig_SHARED_GIL;
    visit("shared GIL, all else as before", config);

    config = ISOLATED;
    config.gil = PyInterpreterConfig_DEFAULT_GIL;
    visit("default GIL, which is the shared one", config);

    config = ISOLATED;
    config.allow_threads = 0;
    visit("own GIL, no threads", config);

    config = ISOLATED;
    config.allow_daemon_threads = 1;
    visit("own GIL, daemon threads", config);

    config = ISOLATED;
    config.allow_fork = 1;
    visit("own GIL, fork", config);

    config = ISOLATED;
    config.allow_exec = 1;
    visit("own GIL, exec", config);

    config = ISOLATED;
    config.gil = PyInterpreterConfig_SHARED_GIL;
    config.use_main_obmalloc = 1;
    visit("shared GIL and the main interpreter's allocator", config);

    PyInterpreterConfig legacy = {
        .use_main_obmalloc = 1,
        .allow_fork = 1,
        .allow_exec = 1,
        .allow_threads = 1,
        .allow_daemon_threads = 1,
        .check_multi_interp_extensions = 0,
        .gil = PyInterpreterConfig_SHARED_GIL,
    };
    visit("what Py_NewInterpreter() makes: everything shared and allowed", legacy);

#if PY_VERSION_HEX >= 0x030D0000
    PyInterpreterConfig zeros = {0};
    visit("all zeros", zeros);
#else
    printf("all zeros\n  not created: 3.12 would be left with a thread state without its GIL, and abort at its end\n");
#endif

    /* Not shown: use_main_obmalloc with an own GIL. The documentation forbids it: two GILs would guard one allocator. */
}

struct job {
    int gil;
    long long n;
    PyInterpreterState *main;
    long long sum;
};

static void *count(void *argument)
{
    struct job *job = argument;
    PyThreadState *entrance = PyThreadState_New(job->main);
    PyEval_RestoreThread(entrance);
    PyInterpreterConfig config = ISOLATED;
    config.gil = job->gil;
    PyThreadState *inside = NULL;
    PyStatus status = Py_NewInterpreterFromConfig(&inside, &config);
    if (PyStatus_Exception(status)) {
        fail("creating an interpreter", status);
    }
    /* What it was created from is of no more use. */
    PyThreadState_Swap(entrance);
    PyThreadState_Clear(entrance);
    PyThreadState_DeleteCurrent();
    PyEval_RestoreThread(inside);

    char text[128];
    snprintf(text, sizeof text, "n = 0\nfor i in range(%lld): n += i %% 7\n", job->n);
    PyObject *globals = PyDict_New();
    PyObject *done = globals ? PyRun_String(text, Py_file_input, globals, globals) : NULL;
    PyObject *sum = done ? PyDict_GetItemString(globals, "n") : NULL;
    job->sum = sum ? PyLong_AsLongLong(sum) : -1;
    Py_XDECREF(done);
    Py_XDECREF(globals);
    Py_EndInterpreter(inside);
    return NULL;
}

static void count_on_two(int gil, long long n)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    /* CPython counts on a stack of this size. */
    pthread_attr_setstacksize(&attributes, 16 << 20);
    pthread_t threads[2];
    struct job jobs[2];
    PyThreadState *main_state = PyThreadState_Get();
    for (int i = 0; i < 2; i++) {
        jobs[i] = (struct job){.gil = gil, .n = n, .main = PyThreadState_GetInterpreter(main_state)};
    }
    PyEval_SaveThread();
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], &attributes, count, &jobs[i]) != 0) {
            exit(1);
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    PyEval_RestoreThread(main_state);
    printf("%lld %lld\n", jobs[0].sum, jobs[1].sum);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: tour PYTHON [own|shared N]\n");
        return 2;
    }
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    PyStatus status = PyConfig_SetBytesString(&config, &config.program_name, argv[1]);
    if (!PyStatus_Exception(status)) {
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) {
        fail("starting Python", status);
    }
    if (argc == 4) {
        int is_own = strcmp(argv[2], "own") == 0;
        count_on_two(is_own ? PyInterpreterConfig_OWN_GIL : PyInterpreterConfig_SHARED_GIL, atoll(argv[3]));
    } else {
        tour();
    }
    return Py_FinalizeEx() < 0 ? 1 : 0;
}
