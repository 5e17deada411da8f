# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Counts primes in C, without the GIL. What each module that is built from this declares, its own first line says."""


def primes(long below):
    """How many primes are below a number."""
    cdef long n, divisor, found = 0
    cdef bint is_prime
    with nogil:
        for n in range(2, below):
            is_prime = True
            divisor = 2
            while divisor * divisor <= n:
                if n % divisor == 0:
                    is_prime = False
                    break
                divisor += 1
            found += is_prime
    return found
