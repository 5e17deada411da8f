"""Pages that pypdfium2 makes, by a library that ctypes loads and that is for one thread at a time."""

NEEDS = ["pypdfium2"]
INPUTS = range(1, 9)


def f(x):
    import pypdfium2

    document = pypdfium2.PdfDocument.new()
    for _ in range(int(x) * 20):
        document.new_page(200, 300)
    return len(document)


def check(results):
    assert results == [20 * x for x in INPUTS], results
