/* Creates a module while it executes, from a definition that only this file has. */
#include <Python.h>

static PyObject *answer(PyObject *module, PyObject *ignored) { return PyLong_FromLong(42); }

static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef inside = {PyModuleDef_HEAD_INIT, "inside", NULL, 0, methods};
static PyModuleDef_Slot none[] = {{0, NULL}};

#if PY_VERSION_HEX >= 0x030F0000
/* The same of slots without a definition (PEP 793). */
PyABIInfo_VAR(abi);
static PySlot of_slots[] = {
    PySlot_STATIC_DATA(Py_mod_methods, methods), PySlot_STATIC_DATA(Py_mod_abi, &abi), PySlot_END};

static PyObject *make(PyObject *spec) {
    PyObject *made = PyModule_FromSlotsAndSpec(of_slots, spec);
    if (made && PyModule_Exec(made) < 0) Py_CLEAR(made);
    return made;
}
#else
static PyObject *make(PyObject *spec) { return NULL; }
#endif

static int execute(PyObject *module) {
    PyObject *spec = PyObject_GetAttrString(module, "__spec__");
    if (!spec) return -1;
    inside.m_slots = none;
    PyObject *made = PyModule_FromDefAndSpec(&inside, spec);
    Py_DECREF(spec);
    if (!made || PyModule_ExecDef(made, &inside) < 0) {
        Py_XDECREF(made);
        return -1;
    }
    int status = PyModule_AddObjectRef(module, "inside", made);
    Py_DECREF(made);
    if (status < 0 || PY_VERSION_HEX < 0x030F0000) return status;
    spec = PyObject_GetAttrString(module, "__spec__");
    made = make(spec);
    Py_DECREF(spec);
    status = made ? PyModule_AddObjectRef(module, "of_slots", made) : -1;
    Py_XDECREF(made);
    return status;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "inner", NULL, 0, NULL, slots};

PyMODINIT_FUNC PyInit_inner(void) {
    PyModuleDef_Init(&inside);
    return PyModuleDef_Init(&definition);
}
