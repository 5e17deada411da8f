/* Calls a Python function from threads of its own, which Python does not know, as native thread pools do. */
#include <Python.h>
#include <pthread.h>

static PyObject *function;

static void *work(void *n) {
    PyObject *sum = NULL;
    for (long i = 0; i < (long)n; i++) {
        PyGILState_STATE outer = PyGILState_Ensure(), inner = PyGILState_Ensure();
        PyObject *result = PyObject_CallFunction(function, "l", i);
        Py_XDECREF(sum);
        sum = result;
        PyGILState_Release(inner);
        PyGILState_Release(outer);
    }
    return sum;
}

/* The last results of three threads that each make n calls, and of this one, which releases the GIL meanwhile. */
static PyObject *call(PyObject *module, PyObject *arguments) {
    pthread_t threads[3];
    long n;
    if (!PyArg_ParseTuple(arguments, "Ol", &function, &n)) return NULL;
    PyObject *results = PyList_New(0);
    void *found[4] = {0};
    Py_BEGIN_ALLOW_THREADS
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, work, (void *)n);
    found[3] = work((void *)n);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], &found[i]);
    Py_END_ALLOW_THREADS
    for (int i = 0; i < 4; i++) {
        PyList_Append(results, found[i] ? found[i] : Py_None);
        Py_XDECREF((PyObject *)found[i]);
    }
    return results;
}

static PyMethodDef methods[] = {{"call", call, METH_VARARGS, NULL}, {NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "threaded", NULL, -1, methods};

PyMODINIT_FUNC PyInit_threaded(void) { return PyModule_Create(&definition); }
