"""Pages that PyMuPDF writes and reads."""

NEEDS = ["pymupdf"]
INPUTS = "abcdefgh"


def f(x):
    import pymupdf

    document = pymupdf.open()
    document.new_page().insert_text((50, 72), "hello " + x)
    return document[0].get_text().strip()


def check(results):
    assert results == ["hello " + x for x in INPUTS], results
