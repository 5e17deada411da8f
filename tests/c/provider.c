/* Gives others its functions through a capsule. */
#include <Python.h>

static long number;
static long next(void) { return ++number; }
static struct { long (*next)(void); } functions = {next};

static int execute(PyObject *module) {
    PyObject *capsule = PyCapsule_New(&functions, "pack.provider.API", NULL);
    int status = PyModule_AddObjectRef(module, "API", capsule);
    Py_XDECREF(capsule);
    return status;
}

static PyObject *value(PyObject *module, PyObject *ignored) { return PyLong_FromLong(number); }

static PyMethodDef methods[] = {{"value", value, METH_NOARGS, NULL}, {NULL}};
static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "provider", NULL, 0, methods, slots};

PyMODINIT_FUNC PyInit_provider(void) { return PyModuleDef_Init(&definition); }
