/* An extension that counts in a library that comes with it. NAME is its PyInit_…, COUNT the library's function. */
#include <Python.h>

long COUNT(void);

static PyObject *count(PyObject *module, PyObject *ignored) { return PyLong_FromLong(COUNT()); }

static PyMethodDef methods[] = {{"count", count, METH_NOARGS, NULL}, {NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "counting", NULL, 0, methods};

#ifdef AT_LOAD
/* Runs while the loader loads this file, and has another extension loaded. */
__attribute__((constructor)) static void at_load(void) { Py_XDECREF(PyImport_ImportModule(AT_LOAD)); }
#endif

#ifdef OWN
long counted_by_all;
long OWN(void) { return ++counted_by_all; }
#endif

PyMODINIT_FUNC NAME(void) { return PyModuleDef_Init(&definition); }
