"""A library of a package's own, which cffi loads: a refusal, but for one that is the system's."""

NEEDS = ["cffi"]
VERSIONS = {"cffi": ["1.17.1", "2.0.0", None]}
INPUTS = range(6)


def prepare():
    import glob
    import shutil
    import sysconfig

    # Any library will do that is not the system's own.
    (found, *_) = glob.glob(sysconfig.get_path("purelib") + "/_cffi_backend*.so")
    shutil.copy(found, "libown.so")


def f(x):
    import os

    import cffi

    ffi = cffi.FFI()
    ffi.cdef("double cos(double);")
    ffi.dlopen("./libown.so")
    is_worker_process = os.getppid() != int(os.environ["RUNNER"])
    return is_worker_process, ffi.dlopen("libm.so.6").cos(0.0)


def check(results):
    assert results == [[True, 1.0]] * len(INPUTS), results
