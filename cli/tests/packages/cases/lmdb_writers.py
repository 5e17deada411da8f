"""Counts in one LMDB environment, which a process may open once."""

NEEDS = ["lmdb"]
INPUTS = range(40)


def f(x):
    import lmdb

    with lmdb.open("shared.lmdb", map_size=1 << 24) as environment:
        for _ in range(20):
            with environment.begin(write=True) as transaction:
                n = int(transaction.get(b"n", b"0"))
                transaction.put(b"n", b"%d" % (n + 1))


def check(results):
    import lmdb

    with lmdb.open("shared.lmdb") as environment, environment.begin() as transaction:
        found = transaction.get(b"n")
    assert found == b"800", found
