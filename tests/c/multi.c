/* Two phases, and nothing said of interpreters, or (with SAYS) what is refused. The slots cannot be written to. */
#include <Python.h>

static int64_t owner = -1;
static PyObject *kept;

static struct PyModuleDef definition;

/* Whether a type of the module finds the module by its definition. */
static PyObject *finds_module(PyObject *self, PyObject *ignored) {
    PyObject *module = PyType_GetModuleByDef(Py_TYPE(self), &definition);
    if (!module) return NULL;
    return PyBool_FromLong(PyModule_GetDef(module) == &definition && PyObject_HasAttrString(module, "Thing"));
}

static PyMethodDef thing_methods[] = {{"finds_module", finds_module, METH_NOARGS, NULL}, {NULL}};
static PyType_Slot thing_slots[] = {{Py_tp_methods, thing_methods}, {0, NULL}};
static PyType_Spec thing = {"pack.multi.Thing", 0, 0, Py_TPFLAGS_DEFAULT, thing_slots};

static PyObject *number_of_references(PyObject *module, PyObject *ignored) {
    for (int i = 0; i < 100000; i++) {
        Py_INCREF(kept);
        Py_DECREF(kept);
    }
    return PyLong_FromSsize_t(Py_REFCNT(kept));
}

static int execute(PyObject *module) {
    int64_t id = PyInterpreterState_GetID(PyInterpreterState_Get());
    if (owner >= 0 && owner != id) {
        PyErr_SetString(PyExc_ImportError, "Interpreter change detected - this module can only be loaded into one");
        return -1;
    }
    owner = id;
    if (!kept && !(kept = PyDict_New())) return -1;
    PyObject *type = PyType_FromModuleAndSpec(module, &thing, NULL);
    int status = PyModule_AddObjectRef(module, "Thing", type);
    Py_XDECREF(type);
    return status;
}

static PyMethodDef methods[] = {{"number_of_references", number_of_references, METH_NOARGS, NULL}, {NULL}};
static const PyModuleDef_Slot slots[] = {
#ifdef SAYS
    {Py_mod_multiple_interpreters, SAYS},
#endif
    {Py_mod_exec, execute},
    {0, NULL},
};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "multi", NULL, 0, methods, (PyModuleDef_Slot *)slots};

PyMODINIT_FUNC NAME(void) { return PyModuleDef_Init(&definition); }
