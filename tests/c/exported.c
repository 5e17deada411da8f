/* A module that gives its slots, and no definition (PEP 793); SAYS, in slots that others refer to, what is refused. */
#include <Python.h>

#if PY_VERSION_HEX < 0x030F0000
void *NAME(void) { return NULL; }
#else
static PyObject *kept;
static const PySlot slots[];

static PyObject *number_of_references(PyObject *module, PyObject *ignored) {
    for (int i = 0; i < 100000; i++) {
        Py_INCREF(kept);
        Py_DECREF(kept);
    }
    return PyLong_FromSsize_t(Py_REFCNT(kept));
}

static PyObject *finds_module(PyObject *self, PyObject *ignored) {
    PyObject *module = PyType_GetModuleByToken(Py_TYPE(self), (void *)slots);
    void *token = NULL;
    if (!module || PyModule_GetToken(module, &token) < 0) return NULL;
    Py_DECREF(module);
    return PyBool_FromLong(token == slots);
}

static PyMethodDef thing_methods[] = {{"finds_module", finds_module, METH_NOARGS, NULL}, {NULL}};
static PyType_Slot thing_slots[] = {{Py_tp_methods, thing_methods}, {0, NULL}};
static PyType_Spec thing = {"pack.exported.Thing", 0, 0, Py_TPFLAGS_DEFAULT, thing_slots};

static int execute(PyObject *module) {
    if (!kept && !(kept = PyDict_New())) return -1;
    PyObject *type = PyType_FromModuleAndSpec(module, &thing, NULL);
    int status = PyModule_AddObjectRef(module, "Thing", type);
    Py_XDECREF(type);
    return status;
}

static PyMethodDef methods[] = {{"number_of_references", number_of_references, METH_NOARGS, NULL}, {NULL}};
PyABIInfo_VAR(abi_info);
#ifdef SAYS
static PyModuleDef_Slot old[] = {{Py_mod_multiple_interpreters, SAYS}, {0, NULL}};
static PySlot further[] = {PySlot_DATA(Py_mod_slots, old), PySlot_END};
#endif
static const PySlot slots[] = {
    PySlot_STATIC_DATA(Py_mod_abi, &abi_info),
    PySlot_STATIC_DATA(Py_mod_methods, methods),
    PySlot_FUNC(Py_mod_exec, execute),
#ifdef SAYS
    PySlot_DATA(Py_slot_subslots, further),
#endif
    PySlot_END};

PyMODEXPORT_FUNC NAME(void) { return (PySlot *)slots; }
#endif
