"""A callback from C, which cffi makes; older releases take the GIL by calls of their own."""

NEEDS = ["cffi"]
# The oldest that is widely in use, the next with other calls, and the one that is pinned.
VERSIONS = {"cffi": ["1.17.1", "2.0.0", None]}
OPTIONS = [[], ["--extensions", "private"]]
INPUTS = range(12)


def f(x):
    import cffi

    ffi = cffi.FFI()
    ffi.cdef("void qsort(void*, size_t, size_t, int(*)(const void*, const void*));")
    library = ffi.dlopen(None)

    @ffi.callback("int(const void*, const void*)")
    def compare(a, b):
        x, y = ffi.cast("int*", a)[0], ffi.cast("int*", b)[0]
        return (x > y) - (x < y)

    numbers = ffi.new("int[]", [5, 3, 9, int(x)])
    library.qsort(numbers, 4, 4, compare)
    return list(numbers)


def check(results):
    assert results == [sorted([5, 3, 9, x]) for x in INPUTS], results
