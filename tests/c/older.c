/* Counts references as code does that was compiled for a Python before 3.12: in place, whatever the object. */
#include <Python.h>

/* Takes a reference to the object and gives it up, that often. */
static PyObject *hold(PyObject *module, PyObject *arguments) {
    PyObject *object;
    long n;
    if (!PyArg_ParseTuple(arguments, "Ol", &object, &n)) return NULL;
    volatile Py_ssize_t *count = (volatile Py_ssize_t *)object;
    for (long i = 0; i < n; i++) {
        *count = *count + 1;
        *count = *count - 1;
        if (*count == 0) _Py_Dealloc(object);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"hold", hold, METH_VARARGS, NULL}, {NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "older", NULL, 0, methods};

PyMODINIT_FUNC PyInit_older(void) { return PyModuleDef_Init(&definition); }
