/* Raises: in its PyInit_, or else when it is executed; and one returns nothing without saying why. */
#include <Python.h>

PyMODINIT_FUNC PyInit_raises_at_once(void) {
    PyErr_SetString(PyExc_ValueError, "no, at once");
    return NULL;
}

PyMODINIT_FUNC PyInit_says_nothing(void) { return NULL; }

static int execute(PyObject *module) {
    PyErr_SetString(PyExc_ValueError, "no, later");
    return -1;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "raises_later", NULL, 0, NULL, slots};

PyMODINIT_FUNC PyInit_raises_later(void) { return PyModuleDef_Init(&definition); }

/* So that the file calls for one phase as well. */
PyMODINIT_FUNC PyInit_is_fine(void) {
    static struct PyModuleDef fine = {PyModuleDef_HEAD_INIT, "is_fine", NULL, -1, NULL};
    return PyModule_Create(&fine);
}
