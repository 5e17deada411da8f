"""Cases of the standard library: text, and code about code."""

import ast
import collections
import colorsys
import configparser
import csv
import difflib
import dis
import email.message
import email.policy
import fnmatch
import hashlib
import html
import html.parser
import http.cookies
import importlib
import inspect
import io
import json
import keyword
import logging
import os
import pathlib
import pprint
import re
import shlex
import string
import sys
import tempfile
import textwrap
import tokenize
import tomllib
import types
import typing
import unittest
import urllib.parse
import warnings
import zipfile

from . import case, one_at_a_time
from .classes import Colour, Point


# Text


@case()
def json_round_trip():
    data = {"a": [1, 2.5, -0.0, None, True], "ünï": "☃\ud83d\ude00", "deep": {"x": [[], {}]}, "big": 2**70, "nan": float("inf")}
    text = json.dumps(data, sort_keys=True, indent=1)
    return text, json.loads(text), json.loads('{"a": 1, "a": 2}', object_pairs_hook=list), json.dumps("\x00\u2028", ensure_ascii=False)


@case((r"(?P<year>\d{4})-(\d\d)", "on 2024-05-06 and 1999-12"), (r"(\w+)\s\1", "the the cat"), (r"(?<=a)b+?(?!c)", "abbb abc ab"))
def regular_expressions(pattern, subject):
    compiled = re.compile(pattern)
    found = compiled.search(subject)
    return [
        compiled, compiled.findall(subject), found and (found.span(), found.groups(), found.groupdict()),
        compiled.sub(lambda m: f"<{m[0]}>", subject), compiled.split(subject), re.escape("a.b*c"), re.subn("[aeiou]", "_", subject),
    ]


@case()
def string_and_textwrap():
    paragraph = "The quick brown fox jumps over the lazy dog, again and again and again. " * 3
    template = string.Template("$who owes $$${amount} to ${who}")
    return [
        textwrap.wrap(paragraph, 30), textwrap.shorten(paragraph, 40), textwrap.dedent("  a\n    b\n"), textwrap.indent("a\nb", "> "),
        template.substitute(who="eve", amount=3), template.safe_substitute(), string.capwords("hello  world"),
        list(string.Formatter().parse("{a!r:>{w}} b")),
    ]


@case()
def differences():
    a, b = "one\ntwo\nthree\nfour\n".splitlines(True), "zero\none\ntree\nfour\n".splitlines(True)
    matcher = difflib.SequenceMatcher(None, "abxcd", "abcd")
    return [
        list(difflib.unified_diff(a, b, "a", "b")), list(difflib.ndiff(a, b)), matcher.get_opcodes(), matcher.ratio(),
        difflib.get_close_matches("appel", ["ape", "apple", "peach"]),
    ]


@case()
def csv_files():
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, ["name", "note"], quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    writer.writerow({"name": 'quote " here', "note": "two\nlines, with comma"})
    text = out.getvalue()
    return text, list(csv.reader(io.StringIO(text))), list(csv.reader(["a;b;'c;d'"], delimiter=";", quotechar="'"))


@case()
def configuration_files():
    parser = configparser.ConfigParser()
    parser.read_string("[DEFAULT]\nroot = /srv\n[site]\npath = %(root)s/www\nport : 80\nflag = yes\n")
    toml = tomllib.loads('title = "x"\nwhen = 2024-05-06T07:08:09Z\n[a.b]\nn = [1, 2.5, 0xff]\n[[rows]]\nx = 1\n')
    return dict(parser["site"]), parser.getint("site", "port"), parser.getboolean("site", "flag"), toml


@case()
def html_and_urls():
    class Links(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = []

        def handle_starttag(self, tag, attrs):
            self.found.append((tag, attrs))

    links = Links()
    links.feed('<p class=x>see <a href="/a?b=1&amp;c=2">here</a><br/>')
    parts = urllib.parse.urlsplit("https://user:pw@example.org:8080/päth;p?q=1&q=2#frag")
    return [
        html.escape("<a & 'b'>"), html.unescape("&lt;&eacute;&#128512;&unknown;"), links.found, tuple(parts), parts.port,
        urllib.parse.parse_qs(parts.query), urllib.parse.quote("a b/ü"), urllib.parse.urljoin("http://a/b/c", "../d"),
        urllib.parse.urlencode({"k": ["v w", "é"]}, doseq=True),
    ]


@case()
def xml_trees():
    import xml.etree.ElementTree as tree

    root = tree.fromstring('<root xmlns:x="urn:x"><item n="1">text &amp; <b>bold</b> tail</item><x:item/></root>')
    items = [(item.tag, item.attrib, item.text, [child.tail for child in item]) for item in root]
    added = tree.SubElement(root, "new", {"k": 'quote"'})
    added.text = "ünï"
    return items, tree.tostring(root, encoding="unicode"), root.find("item/b").text


@case(("<root><unclosed></root>",))
def xml_that_is_malformed(text):
    import xml.etree.ElementTree as tree

    return tree.fromstring(text)


@case()
def xml_documents():
    import xml.dom.minidom

    document = xml.dom.minidom.parseString("<a><b c='1'>t</b><!-- note --></a>")
    return document.documentElement.toxml(), document.getElementsByTagName("b")[0].getAttribute("c")


@case()
def xml_events():
    import xml.sax

    class Handler(xml.sax.ContentHandler):
        def __init__(self):
            super().__init__()
            self.seen = []

        def startElement(self, name, attrs):
            self.seen.append((name, dict(attrs)))

    handler = Handler()
    xml.sax.parseString(b"<a><b c='1'/></a>", handler)
    return handler.seen


@case()
def email_messages():
    message = email.message.EmailMessage(policy=email.policy.default)
    message["Subject"], message["From"] = "Grüße", "Zoë <zoe@example.org>"
    message.set_content("héllo\n")
    parsed = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    return message.as_string(), parsed["subject"], parsed["from"].addresses[0].display_name, parsed.get_content()


@case()
def small_text_modules():
    cookie = http.cookies.SimpleCookie("a=1; b=two")
    return [
        shlex.split("a 'b c' d\\ e"), shlex.join(["x y", "z"]), fnmatch.filter(["a.py", "b.txt"], "*.py"), keyword.iskeyword("match"),
        {name: morsel.value for name, morsel in cookie.items()}, colorsys.rgb_to_hsv(0.2, 0.4, 0.6), pprint.pformat({"k": list(range(30))}, width=40),
    ]


# Logs, warnings, tests


@case()
def logs():
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(funcName)s:%(message)s"))
    logger = logging.Logger("corpus", logging.INFO)
    logger.addHandler(handler)
    logger.info("value %d", 3)
    logger.debug("not shown")
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("failed")
    text = out.getvalue()
    return text.splitlines()[:2], text.splitlines()[-1], logging.getLogger().level, logger.isEnabledFor(10)


@case()
@one_at_a_time
def warning_filters():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("first", DeprecationWarning)
        warnings.warn("second", stacklevel=2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.warn("raised", UserWarning)
    except UserWarning as error:
        return [(w.category.__name__, str(w.message), w.lineno > 0) for w in caught], str(error)


class Tests(unittest.TestCase):
    def test_passes(self):
        self.assertEqual(1 + 1, 2)

    def test_fails(self):
        with self.subTest(n=1):
            self.assertIn("x", "abc")

    def test_errors(self):
        raise KeyError("in a test")

    @unittest.skip("not now")
    def test_skipped(self):
        pass


@case()
@one_at_a_time
def unit_tests():
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Tests)
    result = unittest.TextTestRunner(io.StringIO(), verbosity=2).run(suite)
    return result.testsRun, [str(test) for test, _ in result.failures + result.errors], len(result.skipped), result.errors[0][1].splitlines()[-1]


@case()
@one_at_a_time
def mocks():
    from unittest import mock

    with mock.patch("colorsys.yiq_to_rgb", return_value="mocked") as patched:
        colour = colorsys.yiq_to_rgb(0, 0, 0)
    stand_in = mock.Mock(spec=["method"])
    stand_in.method(1, a=2)
    return colour, patched.call_count, tuple(stand_in.method.call_args), colorsys.yiq_to_rgb is not patched


@case()
@one_at_a_time
def documentation_tests():
    import doctest

    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n2\n>>> 2 * 2\n5\n", {}, "example", "file", 0)
    out = []
    return doctest.DocTestRunner(verbose=False).run(test, out=out.append), "Expected:\n    5\nGot:\n    4\n" in "".join(out)


# Code about code


@case()
def inspection():
    def function(a, /, b: int = 2, *args, c, **kwargs) -> str:
        """Its text."""

    signature = inspect.signature(function)
    bound = signature.bind(1, c=3)
    bound.apply_defaults()
    frame = inspect.currentframe()
    return [
        str(signature), bound.arguments, inspect.getdoc(function), inspect.getsource(Point), frame.f_code.co_name,
        [p.kind.name for p in signature.parameters.values()], inspect.isgeneratorfunction(inspection), inspect.cleandoc("  a\n    b"),
        [name for name, _ in inspect.getmembers(Colour, lambda m: isinstance(m, Colour))],
    ]


@case()
def syntax_trees():
    tree = ast.parse("def f(x: int = 1):\n    return [y**2 for y in range(x) if y % 2] or -x")

    class Double(ast.NodeTransformer):
        def visit_Constant(self, node):
            return ast.copy_location(ast.Constant(node.value * 2), node)

    changed = ast.fix_missing_locations(Double().visit(tree))
    namespace = {}
    exec(compile(changed, "<tree>", "exec"), namespace)
    return ast.dump(ast.parse("a.b[1:2]"), indent=1), ast.unparse(changed), namespace["f"](4), ast.literal_eval("{'a': (1, -2.5, None)}")


@case()
def bytecode():
    code = compile("x = [i for i in range(3)]\ntry:\n    f(x)\nexcept E as e:\n    pass", "<code>", "exec")
    return [(i.opname, i.argrepr if "0x" not in i.argrepr else "") for i in dis.get_instructions(code)], dis.stack_effect(dis.opmap["NOP"])


@case()
def tokens():
    source = b"# -*- coding: utf-8 -*-\nx = f'{y!r}' + 0x1F  # note\n"
    return [(tokenize.tok_name[t.type], t.string, t.start) for t in tokenize.tokenize(io.BytesIO(source).readline)]


@case()
def type_hints():
    class Movie(typing.TypedDict, total=False):
        name: typing.Required[str]
        year: "int"

    class Sized(typing.Protocol):
        def __len__(self) -> int: ...

    def f(x: list["int"], *, y: typing.Annotated[str, "note"] = "") -> typing.Literal["a"]: ...

    return [
        repr(typing.get_type_hints(f, include_extras=True)), repr(typing.get_type_hints(Movie)), sorted(Movie.__required_keys__),
        typing.get_origin(dict[str, int]), typing.get_args(typing.Callable[[int], str]), typing.cast("int", "x"),
        isinstance([], typing.runtime_checkable(Sized)),
    ]


@case()
@one_at_a_time
def dynamic_imports():
    with tempfile.TemporaryDirectory() as folder:
        name = "owngil_corpus_module"
        pathlib.Path(folder, f"{name}.py").write_text("VALUE = [1]\nimport json as other\ndef __getattr__(name):\n    return name.upper()\n")
        with zipfile.ZipFile(os.path.join(folder, "packed.zip"), "w") as archive:
            archive.writestr("owngil_corpus_packed/__init__.py", "from .part import X")
            archive.writestr("owngil_corpus_packed/part.py", "X = __name__, __package__")
        entries = [folder, os.path.join(folder, "packed.zip")]
        sys.path[:0] = entries
        try:
            module = importlib.import_module(name)
            packed = importlib.import_module("owngil_corpus_packed")
            module.VALUE.append(2)
            again = importlib.reload(module)
            return module.VALUE, again is module, module.anything, module.other is json, packed.X, module.__spec__.name
        finally:
            for entry in entries:
                sys.path.remove(entry)
            for loaded in (name, "owngil_corpus_packed", "owngil_corpus_packed.part"):
                sys.modules.pop(loaded, None)
            importlib.invalidate_caches()


@case()
def modules_of_ones_own():
    module = types.ModuleType("made", "Its text.")
    exec("x = 1\ndef f():\n    global x\n    x += 1\n    return x", module.__dict__)
    return module.f(), module.f(), module.x, module.__doc__, module.f.__globals__ is vars(module)


@case()
def prime_numbers():
    """Work of the kind that people run in parallel."""
    sieve = bytearray([1]) * 20_000
    for i in range(2, 142):
        if sieve[i]:
            sieve[i * i :: i] = bytes(len(range(i * i, len(sieve), i)))
    primes = [i for i in range(2, len(sieve)) if sieve[i]]
    return len(primes), primes[-3:], hashlib.md5(repr(primes).encode()).hexdigest()


@case()
def word_counts():
    words = re.findall(r"\w+", textwrap.dedent(sys.modules[__name__].__doc__) * 50)
    counts = collections.Counter(map(str.lower, words))
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
