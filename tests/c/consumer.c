/* One phase, and takes the functions of another extension from its capsule. */
#include <Python.h>

static struct { long (*next)(void); } *functions;

static PyObject *next(PyObject *module, PyObject *ignored) { return PyLong_FromLong(functions->next()); }

static PyMethodDef methods[] = {{"next", next, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "consumer", NULL, 0, methods};

PyMODINIT_FUNC PyInit_consumer(void) {
    functions = PyCapsule_Import("pack.provider.API", 0);
    return functions ? PyModule_Create(&definition) : NULL;
}
