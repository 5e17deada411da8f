/* Attaches in every way that libraries do: nested, detached, on threads of its own, in their last moments, and by
   counting in the thread state itself, as cffi did before 2.1. */
#include <Python.h>
#include <pthread.h>
#include <time.h>

#if PY_VERSION_HEX < 0x030D0000
#define PyThreadState_GetUnchecked _PyThreadState_UncheckedGet
#endif

int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle;

static PyObject *function;
static pthread_key_t key;
static long n_calls;

static void call(void) {
    PyObject *result = PyObject_CallNoArgs(function);
    if (result) n_calls += PyLong_AsLong(result);
    else PyErr_Print();
    Py_XDECREF(result);
}

static void ensured(void) {
    PyGILState_STATE state = PyGILState_Ensure();
    if (!PyGILState_Check()) Py_FatalError("not attached");
    call();
    PyGILState_Release(state);
}

/* Attaches by itself where the thread has a state, and releases all the same. */
static void counted(void) {
    PyThreadState *state = PyGILState_GetThisThreadState();
    PyGILState_STATE before;
    if (state) {
        state->gilstate_counter++;
        before = state == PyThreadState_GetUnchecked() ? PyGILState_LOCKED : PyGILState_UNLOCKED;
        if (before == PyGILState_UNLOCKED) PyEval_RestoreThread(state);
    } else {
        before = PyGILState_Ensure();
        /* Keeps it, until the thread ends. */
        PyGILState_GetThisThreadState()->gilstate_counter++;
    }
    call();
    PyGILState_Release(before);
}

static void kept_no_longer(void) {
    PyThreadState *state = PyGILState_GetThisThreadState();
    PyEval_RestoreThread(state);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}

static void nested(void (*inner)(void)) {
    PyGILState_STATE outer = PyGILState_Ensure();
    inner();
    Py_BEGIN_ALLOW_THREADS
    if (PyGILState_Check()) abort();
    inner();
    PyGILState_STATE middle = PyGILState_Ensure();
    Py_BEGIN_ALLOW_THREADS
    inner();
    Py_END_ALLOW_THREADS
    inner();
    PyGILState_Release(middle);
    inner();
    Py_END_ALLOW_THREADS
    inner();
    PyGILState_Release(outer);
    inner();
}

static void last_moment(void *again) {
    nested(ensured);
    /* A key's destructor may come several times. */
    if (again == &key) pthread_setspecific(key, &n_calls);
}

static void *foreign(void *how) {
    switch (*(char *)how) {
    case 'n': nested(ensured); break;
    case 'c':
        counted();
        nested(counted);
        kept_no_longer();
        break;
    case 'k': nested(ensured); /* fall through */
    case 'K': pthread_setspecific(key, &key); break;
    case 't': nested(ensured); /* fall through */
    case 'T': __cxa_thread_atexit_impl(last_moment, NULL, &__dso_handle); break;
    }
    return NULL;
}

/* In this thread ("N", "C"), or in one of its own, detached or while this one is. */
static PyObject *run(PyObject *module, PyObject *arguments) {
    const char *how;
    if (!PyArg_ParseTuple(arguments, "Os", &function, &how)) return NULL;
    n_calls = 0;
    if (*how == 'N') nested(ensured);
    else if (*how == 'C') { counted(); nested(counted); }
    else {
        Py_BEGIN_ALLOW_THREADS
        pthread_t thread;
        pthread_create(&thread, NULL, foreign, (void *)how);
        pthread_join(thread, NULL);
        Py_END_ALLOW_THREADS
    }
    return PyLong_FromLong(n_calls);
}

/* So that another interpreter's thread may call into this one. */
static PyObject *keep(PyObject *module, PyObject *given) {
    Py_INCREF(function = given);
    n_calls = 0;
    return PyLong_FromVoidPtr(nested);
}

static PyObject *call_at(PyObject *module, PyObject *arguments) {
    PyObject *address, *by;
    if (!PyArg_ParseTuple(arguments, "OO", &address, &by)) return NULL;
    void (*there)(void (*)(void)) = (void (*)(void (*)(void)))PyLong_AsVoidPtr(address);
    there((void (*)(void))PyLong_AsVoidPtr(by));
    return PyLong_FromLong(n_calls);
}

static PyObject *ways(PyObject *module, PyObject *ignored) {
    return Py_BuildValue("(NN)", PyLong_FromVoidPtr(ensured), PyLong_FromVoidPtr(counted));
}

static void *there[2];
static volatile int came_back;

static void *go_there(void *ignored) {
    PyGILState_STATE state = PyGILState_Ensure();
    ((void (*)(void (*)(void)))there[0])((void (*)(void))there[1]);
    came_back = 1;
    PyGILState_Release(state);
    return NULL;
}

/* Calls into a copy whose interpreter has ended, on a thread that is attached to this one. */
static PyObject *call_ended(PyObject *module, PyObject *arguments) {
    PyObject *address, *by;
    pthread_t thread;
    if (!PyArg_ParseTuple(arguments, "OO", &address, &by)) return NULL;
    there[0] = PyLong_AsVoidPtr(address);
    there[1] = PyLong_AsVoidPtr(by);
    Py_BEGIN_ALLOW_THREADS
    pthread_create(&thread, NULL, go_there, NULL);
    struct timespec wait = {0, 300000000};
    nanosleep(&wait, NULL);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(came_back);
}

static PyObject *where(PyObject *module, PyObject *ignored) {
    return PyLong_FromVoidPtr(PyInterpreterState_Get());
}

static PyObject *counts(PyObject *module, PyObject *ignored) { return PyLong_FromLong(n_calls); }

static void *release(void *how) {
    if (how) PyGILState_Release(PyGILState_Ensure());
    PyGILState_Release(PyGILState_UNLOCKED);
    return NULL;
}

/* Breaks the rule, here or on a thread of its own. */
static PyObject *release_only(PyObject *module, PyObject *where) {
    const char *how = PyUnicode_AsUTF8(where);
    if (*how == 'h') PyGILState_Release(PyGILState_LOCKED);
    else if (*how == 'd') PyGILState_Release(PyGILState_UNLOCKED);
    else {
        pthread_t thread;
        Py_BEGIN_ALLOW_THREADS
        pthread_create(&thread, NULL, release, *how == 'a' ? "after" : NULL);
        pthread_join(thread, NULL);
        Py_END_ALLOW_THREADS
    }
    Py_RETURN_NONE;
}

static int pending(void *unused) { return n_calls++, 0; }

static PyObject *add_pending(PyObject *module, PyObject *ignored) {
    return PyLong_FromLong(Py_AddPendingCall(pending, NULL));
}

static PyMethodDef methods[] = {
    {"add_pending", add_pending, METH_NOARGS, NULL},
    {"run", run, METH_VARARGS, NULL},
    {"keep", keep, METH_O, NULL},
    {"call_at", call_at, METH_VARARGS, NULL},
    {"ways", ways, METH_NOARGS, NULL},
    {"call_ended", call_ended, METH_VARARGS, NULL},
    {"where", where, METH_NOARGS, NULL},
    {"counts", counts, METH_NOARGS, NULL},
    {"release_only", release_only, METH_O, NULL},
    {NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "states", NULL, -1, methods};

PyMODINIT_FUNC PyInit_states(void) {
    if (pthread_key_create(&key, last_moment)) return NULL;
    return PyModule_Create(&definition);
}
