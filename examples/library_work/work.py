"""Work for pure-Python packages, one function each, and the inputs that come with the packages and with this repository."""

import functools
import glob
import os
import sysconfig
from collections import Counter

SEGMENTS = "AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"


def documents(root):
    """Texts in Markdown: this repository's own, and what packages say of themselves."""
    found = glob.glob(os.path.join(root, "*.md")) + glob.glob(os.path.join(root, "*/*.md"))
    found += glob.glob(os.path.join(sysconfig.get_path("purelib"), "*.dist-info", "METADATA"))
    texts = []
    for path in sorted(found):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        # Pieces of about the same length, cut between paragraphs.
        piece = ""
        for paragraph in text.split("\n\n"):
            piece += paragraph + "\n\n"
            if len(piece) > 3_000:
                texts.append(piece)
                piece = ""
    return texts


def queries(path):
    """The queries of a file, for several customers each."""
    with open(path, encoding="utf-8") as file:
        texts = [text.strip() for text in file.read().split(";") if text.strip()]
    return [text.replace("BUILDING", segment) for segment in SEGMENTS for text in texts]


@functools.cache
def _markdown():
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")


def markdown_it(text):
    """The text as HTML."""
    return _markdown().render(text)


def html5lib(html):
    """How often each element is in a document, and how much text."""
    import html5lib

    document = html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False)
    # The tag of a comment is a function.
    counts = Counter(element.tag for element in document.iter() if isinstance(element.tag, str))
    return dict(counts), sum(len(text) for text in document.itertext())


def sqlglot(query):
    """The query in two other dialects, rewritten by the optimizer."""
    import sqlglot
    from sqlglot.optimizer.simplify import simplify
    from sqlglot.optimizer.qualify_tables import qualify_tables

    tree = simplify(qualify_tables(sqlglot.parse_one(query)))
    return tree.sql("duckdb"), tree.sql("spark", pretty=True)
