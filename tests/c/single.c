/* One phase: the module, its type and its numbers are variables of the shared object. */
#include <Python.h>

static int n_inits;
static long number;
static PyObject *kept;

typedef struct {
    PyObject_HEAD
    long x;
} Point;

static PyObject *point_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    long x = 0;
    if (!PyArg_ParseTuple(arguments, "|l", &x)) return NULL;
    Point *self = (Point *)type->tp_alloc(type, 0);
    if (self) self->x = x;
    return (PyObject *)self;
}

static PyObject *point_reduce(Point *self, PyObject *ignored) {
    return Py_BuildValue("O(l)", Py_TYPE(self), self->x);
}

static PyObject *point_x(Point *self, void *ignored) { return PyLong_FromLong(self->x); }

static PyMethodDef point_methods[] = {{"__reduce__", (PyCFunction)point_reduce, METH_NOARGS, NULL}, {NULL}};
static PyGetSetDef point_getset[] = {{"x", (getter)point_x, NULL, NULL, NULL}, {NULL}};
static PyTypeObject PointType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pack.single.Point",
    .tp_basicsize = sizeof(Point),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = point_new,
    .tp_methods = point_methods,
    .tp_getset = point_getset,
};

static struct PyModuleDef definition;

/* Adds to a number without a lock, and counts references to an object that everybody would share. */
static PyObject *bump(PyObject *module, PyObject *argument) {
    long n = PyLong_AsLong(argument);
    for (long i = 0; i < n; i++) {
        volatile long *place = &number;
        *place = *place + 1;
        Py_INCREF(kept);
        Py_DECREF(kept);
    }
    return Py_BuildValue("ln", number, (Py_ssize_t)Py_REFCNT(kept));
}

/* Whether the module finds itself. */
static PyObject *finds_itself(PyObject *module, PyObject *ignored) {
    return PyBool_FromLong(PyState_FindModule(&definition) == module);
}

static PyMethodDef methods[] = {
    {"bump", bump, METH_O, NULL}, {"finds_itself", finds_itself, METH_NOARGS, NULL}, {NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "single", NULL, -1, methods};

PyMODINIT_FUNC PyInit_single(void) {
    if (n_inits++) {
        PyErr_SetString(PyExc_ImportError, "cannot load module more than once per process");
        return NULL;
    }
    kept = PyList_New(0);
    if (!kept || PyType_Ready(&PointType) < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module && PyModule_AddObjectRef(module, "Point", (PyObject *)&PointType) < 0) Py_CLEAR(module);
    return module;
}
