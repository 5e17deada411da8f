"""Three kinds of work for threads, interpreters and processes."""

import threading


def compute(n):
    """Pure Python that touches nothing of anybody else: the steps of Collatz's rule, for some numbers."""
    steps = 0
    for start in range(1, n):
        while start != 1:
            start = start // 2 if start % 2 == 0 else 3 * start + 1
            steps += 1
    return steps


_catalogues = {}
_making = threading.Lock()


def catalogue(n):
    """A large structure that is only read. Threads of one interpreter share it; each interpreter has its own."""
    # Threads that come first together would each make one.
    with _making:
        if n not in _catalogues:
            _catalogues[n] = {
                f"item {k}": {"price": k % 997, "tags": (f"tag {k % 13}", f"tag {k % 31}")} for k in range(n)
            }
        return _catalogues[n]


def read(seed, n, size):
    """Looks `n` items up, all over the catalogue."""
    items = catalogue(size)
    total = 0
    for _ in range(n):
        seed = (seed * 1103515245 + 12345) % 2147483648
        item = items[f"item {seed % size}"]
        total += item["price"] + len(item["tags"][0])
    return total


def allocate(n):
    """Makes many small objects, and lets them go."""
    total = 0
    for k in range(n):
        row = {"number": k, "text": str(k), "parts": [k, k + 1, (k, k * 0.5)]}
        total += len(row["text"]) + len(row["parts"])
    return total
