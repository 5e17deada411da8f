"""A function that numba compiles, by an LLVM that one GIL is to guard."""

NEEDS = ["numba"]
INPUTS = range(5, 13)


def f(x):
    import numba

    @numba.njit
    def total(n):
        s = 0
        for i in range(n):
            s += i
        return s

    return int(total(int(x)))


def check(results):
    assert results == [10, 15, 21, 28, 36, 45, 55, 66], results
