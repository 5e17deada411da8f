"""Parsers and compilers: markup, code, style sheets, documents."""

from brief import briefly
from exercise import digest, raised


@briefly("nh3")
def nh3(seed):
    import nh3

    return [
        nh3.clean(f"<b onclick='x()'>{seed}</b><script>no()</script>"),
        nh3.escape("<a>"),
        raised(TypeError, nh3.clean, 3),
    ]


@briefly("rjsmin")
def rjsmin(seed):
    import _rjsmin

    return [_rjsmin.jsmin("var a = %d ; // no\nvar b = a  +  1;" % seed), raised(TypeError, _rjsmin.jsmin, 3)]


@briefly("rcssmin")
def rcssmin(seed):
    import _rcssmin

    return [
        _rcssmin.cssmin("a { color : red; } /* no */ b { margin: %dpx }" % seed),
        raised(TypeError, _rcssmin.cssmin, 3),
    ]


@briefly("libsass")
def sass(seed):
    import sass

    style = "$n: %dpx; a { b { width: $n * 2; color: twice(3); } }" % (seed + 1)
    found = sass.compile(string=style, custom_functions={"twice": lambda n: sass.SassNumber(n.value * 2, n.unit)})
    return [found, raised(sass.CompileError, sass.compile, string="a { b: $none; }")[:24]]


@briefly("minify-html")
def minify_html(seed):
    import minify_html

    return [
        minify_html.minify(f"<p>  {seed} <!-- no --> <b> x </b>  </p>", minify_css=True),
        raised(TypeError, minify_html.minify, 3),
    ]


@briefly("css-inline")
def css_inline(seed):
    import css_inline

    page = f"<html><head><style>h1 {{ color: blue; }}</style></head><body><h1>{seed}</h1></body></html>"
    return [css_inline.inline(page), raised(TypeError, css_inline.inline, 3)[:9]]


@briefly("cmarkgfm")
def cmarkgfm(seed):
    import cmarkgfm

    return [
        cmarkgfm.github_flavored_markdown_to_html(f"# a\n\n| x |\n|---|\n| {seed} |\n\n~~no~~"),
        raised(Exception, cmarkgfm.markdown_to_html, 3)[:14],
    ]


@briefly("selectolax")
def selectolax(seed):
    from selectolax.lexbor import LexborHTMLParser

    page = f"<ul><li class=a>one</li><li id=x{seed}>two é</li></ul>"
    return [
        [node.text() for node in LexborHTMLParser(page).css("li")],
        LexborHTMLParser(page).css_first(f"#x{seed}").html,
        raised(Exception, LexborHTMLParser(page).css, "[[")[:12],
    ]


@briefly("html5-parser", "lxml")
def html5_parser(seed):
    from html5_parser import parse

    root = parse(f"<p>one<p id=a>{seed} é", maybe_xhtml=False)
    return [[node.text for node in root.iter("p")], raised(TypeError, parse, 3)[:9]]


@briefly("tree-sitter", "tree-sitter-python")
def tree_sitter(seed):
    import tree_sitter_python
    from tree_sitter import Language, Parser, Query, QueryCursor

    language = Language(tree_sitter_python.language())
    root = Parser(language).parse(b"def f(a):\n    return a + %d\n" % seed).root_node
    names = QueryCursor(Query(language, "(identifier) @name")).captures(root)["name"]
    return [str(root), sorted(node.text.decode() for node in names), raised(Exception, Query, language, "(none")[:14]]


@briefly("tree-sitter-python", "tree-sitter")
def tree_sitter_python(seed):
    import tree_sitter_python
    from tree_sitter import Language, Parser

    root = Parser(Language(tree_sitter_python.language())).parse(b"x = [%d, *y]\nif" % seed).root_node
    return [root.has_error, root.child_count, root.children[0].type]


@briefly("ast-grep-py")
def ast_grep(seed):
    from ast_grep_py import SgRoot

    root = SgRoot(f"print({seed}, a)\nprint(b)", "python").root()
    return [[node.text() for node in root.find_all(pattern="print($$$A)")], raised(Exception, root.find_all)[:9]]


@briefly("libcst")
def libcst(seed):
    import libcst

    class Renamed(libcst.CSTTransformer):
        def leave_Name(self, original, updated):
            return updated.with_changes(value="z") if original.value == "a" else updated

    tree = libcst.parse_module(f"def f(a):\n    return a + {seed}  # kept\n")
    return [tree.visit(Renamed()).code, raised(libcst.ParserSyntaxError, libcst.parse_module, "def (")[:24]]


@briefly("black")
def black(seed):
    import black

    mode = black.Mode(line_length=40)
    return [
        black.format_str(f"x = {{'a':{seed},'b':[1,2,3],'c':some_long_name,'d':another_name}}", mode=mode),
        raised(black.InvalidInput, black.format_str, "def (", mode=mode),
        black.is_compiled() if hasattr(black, "is_compiled") else black.COMPILED,
    ]


@briefly("mypy", threads=False)
def mypy(seed):
    import os
    import tempfile

    from mypy import api

    with tempfile.TemporaryDirectory() as folder:
        stub = os.path.join(folder, "typeshed")
        path = os.path.join(folder, "x.py")
        with open(path, "w") as file:
            file.write(f"def f(a: int) -> str:\n    return a + {seed}\n")
        found, errors, status = api.run([path, "--no-incremental", "--no-error-summary", "--hide-error-context"])
        _, wrong, _ = api.run(["--none"])
        return [
            found.replace(folder, ""),
            errors,
            status,
            wrong.splitlines()[-1:] and "none" in wrong,
            os.path.exists(stub),
        ]


@briefly("librt")
def librt(seed):
    from librt.internal import ReadBuffer, WriteBuffer, read_int, read_str, write_int, write_str

    kept = WriteBuffer()
    write_int(kept, seed)
    write_str(kept, "é" * seed)
    back = ReadBuffer(kept.getvalue())
    return [read_int(back), read_str(back), raised(Exception, read_str, 3)[:9]]


@briefly("pytokens")
def pytokens(seed):
    import pytokens

    found = [token.type.name for token in pytokens.tokenize(f"def f(a):\n    return a + {seed}\n")]
    return [found, raised(pytokens.TokenizeError, list, pytokens.tokenize("'no end"))[:10]]


@briefly("sqlglotc", "sqlglot")
def sqlglotc(seed):
    import sqlglot

    return [
        sqlglot.transpile(f"select a, ifnull(b, {seed}) from t limit 3", read="mysql", write="tsql")[0],
        repr(sqlglot.parse_one("x + 1 > y").find(sqlglot.exp.Add)),
        raised(sqlglot.errors.ParseError, sqlglot.parse_one, "select (")[:20],
    ]


@briefly("Cython")
def cython(seed):
    import os
    import tempfile

    from Cython.Compiler import Errors, Main

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.pyx")
        with open(path, "w") as file:
            file.write(f"cdef int f(int a):\n    return a + {seed}\ndef g(x): return f(x)\n")
        made = Main.compile_single(path, Main.CompilationOptions(Main.default_options, language_level=3), "x")
        with open(os.path.join(folder, "x.c")) as file:
            n = file.read().count("__pyx_f_1x_f")
        return [made.num_errors, n > 2, issubclass(Errors.CompileError, Exception)]


@briefly("coverage")
def coverage(seed):
    from coverage.tracer import CTracer

    made = CTracer()
    made.data, made.should_trace_cache = {}, {}
    return [
        type(made.get_stats()).__name__,
        made.activity(),
        raised(TypeError, setattr, made, "trace_arcs", [1].append) if seed < 0 else seed,
    ]


@briefly("line_profiler")
def line_profiler(seed):
    import line_profiler

    def inner(n):
        total = 0
        for i in range(n):
            total += i
        return total

    made = line_profiler.LineProfiler(inner)
    value = made.runcall(inner, seed + 5)
    hits = [row[1] for rows in made.get_stats().timings.values() for row in rows]
    return [value, len(hits) > 0, raised(ZeroDivisionError, made.runcall, lambda: 1 // 0)]


@briefly("pyinstrument", threads=False)
def pyinstrument(seed):
    import pyinstrument

    made = pyinstrument.Profiler(interval=0.0005)
    with made:
        total = sum(i * i % (seed + 3) for i in range(60_000))
    return [total, made.last_session is not None, raised(ZeroDivisionError, lambda: 1 // 0)]


@briefly("debugpy", loads="other", threads=False)
def debugpy(seed):
    import debugpy
    from debugpy._vendored import vendored

    with vendored("pydevd"):
        import _pydevd_bundle.pydevd_cython as made

    return [hasattr(made, "PyDBFrame") or hasattr(made, "trace_dispatch"), debugpy.is_client_connected(), seed]


@briefly("yara-python")
def yara(seed):
    import yara

    rules = yara.compile(source=f'rule a {{ strings: $a = "n{seed}" condition: #a > 1 }}')
    found = rules.match(data=f"n{seed} and n{seed}")
    return [
        [item.rule for item in found],
        rules.match(data="none"),
        raised(yara.SyntaxError, yara.compile, source="rule {"),
    ]


@briefly("capstone", loads="ctypes")
def capstone(seed):
    import capstone

    made = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    found = [[i.mnemonic, i.op_str] for i in made.disasm(b"\x55\x48\x8b\x05\xb8\x13\x00\x00" + b"\x90" * seed, 0x1000)]
    return [found, raised(capstone.CsError, capstone.Cs, 99, 0)]


@briefly("unicorn", loads="ctypes")
def unicorn(seed):
    from unicorn import UC_ARCH_X86, UC_MODE_32, Uc, UcError, x86_const

    made = Uc(UC_ARCH_X86, UC_MODE_32)
    made.mem_map(0x10000, 0x1000)
    made.mem_write(0x10000, b"\x41\x4a")
    made.reg_write(x86_const.UC_X86_REG_ECX, seed)
    made.reg_write(x86_const.UC_X86_REG_EDX, 9)
    made.emu_start(0x10000, 0x10002)
    return [
        made.reg_read(x86_const.UC_X86_REG_ECX),
        made.reg_read(x86_const.UC_X86_REG_EDX),
        raised(UcError, made.mem_read, 0x90000, 4),
    ]


@briefly("lief")
def lief(seed):
    import sys

    import lief

    lief.logging.disable()
    made = lief.parse(sys.executable)
    return [
        made.format.name,
        len(made.sections) > 10,
        lief.hash(list(b"%d" % seed)) > 0,
        lief.parse([1, 2, 3]) is None,
        raised(TypeError, lief.parse)[:9],
    ]


@briefly("lupa")
def lupa(seed):
    import lupa

    made = lupa.LuaRuntime(unpack_returned_tuples=True)
    made.globals().call = lambda n: n * 2
    add = made.eval("function(a, b) return call(a) + b end")
    return [
        add(seed, 3),
        list(made.table(1, 2, seed).values()),
        raised(lupa.LuaError, made.execute, "error('no')"),
        raised(lupa.LuaSyntaxError, made.eval, "(")[:14],
    ]


@briefly("dukpy")
def dukpy(seed):
    import dukpy

    return [
        dukpy.evaljs("var o = {a: dukpy.n + 1}; o", n=seed),
        dukpy.evaljs("[1, 2, 3].map(function(x) { return x * 2 })"),
        raised(dukpy.JSRuntimeError, dukpy.evaljs, "none()")[:20],
    ]


@briefly("quickjs")
def quickjs(seed):
    import quickjs

    made = quickjs.Context()
    made.add_callable("twice", lambda n: n * 2)
    return [
        made.eval(f"twice({seed}) + [...'abc'].length"),
        made.eval("JSON.stringify({a: [1]})"),
        raised(quickjs.JSException, made.eval, "none()")[:24],
    ]


@briefly("mini-racer", loads="ctypes")
def mini_racer(seed):
    from py_mini_racer import JSEvalException, MiniRacer

    made = MiniRacer()
    found = [
        made.eval(f"[1, 2, {seed}].map(x => x * 2).join()"),
        raised(JSEvalException, made.eval, "none()")[:15],
    ]
    made.close()
    return found


@briefly("JPype1", threads=False)
def jpype(seed):
    import jpype

    return [
        jpype.isJVMStarted(),
        raised(Exception, jpype.startJVM, f"/nowhere/libjvm{seed}.so")[:12],
        raised(Exception, jpype.JClass, "java.lang.String")[:8],
    ]


@briefly("python-calamine")
def calamine(seed):
    import io
    import zipfile

    import python_calamine

    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as file:
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        links = "http://schemas.openxmlformats.org/package/2006/relationships"
        types = "http://schemas.openxmlformats.org/package/2006/content-types"
        file.writestr("[Content_Types].xml", f'<Types xmlns="{types}"/>')
        top = f'<Relationship Id="r0" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
        file.writestr("_rels/.rels", f'<Relationships xmlns="{links}">{top}</Relationships>')
        file.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        file.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{links}"><Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/s.xml"/></Relationships>',
        )
        file.writestr(
            "xl/worksheets/s.xml",
            f'<worksheet xmlns="{main}"><sheetData><row r="1"><c r="A1"><v>{seed}</v></c><c r="B1" t="str"><v>é</v></c></row></sheetData></worksheet>',
        )
    book = python_calamine.load_workbook(io.BytesIO(kept.getvalue()))
    return [
        book.sheet_names,
        book.get_sheet_by_name("S").to_python(),
        raised(Exception, book.get_sheet_by_name, "T")[:20],
    ]


@briefly("reportlab", loads="other")
def reportlab(seed):
    import io

    from reportlab.pdfgen import canvas

    kept = io.BytesIO()
    page = canvas.Canvas(kept, invariant=1)
    page.drawString(70, 700, f"text {seed}")
    page.showPage()
    page.save()
    return [digest(kept.getvalue())]


@briefly("PyMuPDF")
def pymupdf(seed):
    import pymupdf

    made = pymupdf.open()
    made.new_page().insert_text((72, 72), f"text {seed}")
    back = pymupdf.open(stream=made.tobytes(), filetype="pdf")
    pixels = back[0].get_pixmap(dpi=30)
    return [
        back[0].get_text().strip(),
        pixels.width,
        digest(pixels.samples),
        raised(Exception, pymupdf.open, stream=b"no", filetype="pdf")[:12],
    ]


@briefly("pypdfium2", loads="ctypes", threads=False)
def pypdfium2(seed):
    import io

    import pypdfium2

    made = pypdfium2.PdfDocument.new()
    made.new_page(100 + seed, 50)
    kept = io.BytesIO()
    made.save(kept)
    back = pypdfium2.PdfDocument(kept.getvalue())
    pixels = back[0].render(scale=1)
    return [
        len(back),
        list(back[0].get_size()),
        pixels.width,
        raised(pypdfium2.PdfiumError, pypdfium2.PdfDocument, b"no"),
    ]


@briefly("pikepdf")
def pikepdf(seed):
    import io

    import pikepdf

    made = pikepdf.new()
    made.add_blank_page(page_size=(100 + seed, 50))
    made.Root.Note = pikepdf.Dictionary(N=seed, S=pikepdf.String("é"))
    kept = io.BytesIO()
    made.save(kept, deterministic_id=True)
    back = pikepdf.open(io.BytesIO(kept.getvalue()))
    return [
        len(back.pages),
        int(back.Root.Note.N),
        str(back.Root.Note.S),
        digest(kept.getvalue()),
        raised(pikepdf.PdfError, pikepdf.open, io.BytesIO(b"no"))[:8],
    ]


@briefly("fonttools")
def fonttools(seed):
    from fontTools.cu2qu import cu2qu
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens import momentsPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from fontTools.varLib import iup  # noqa: F401

    pen = TTGlyphPen(None)
    for i, point in enumerate([(0, 0), (100 + seed, 0), (50, 100)]):
        (pen.moveTo if i == 0 else pen.lineTo)(point)
    pen.closePath()
    made = FontBuilder(1000)
    made.setupGlyphOrder([".notdef", "a"])
    made.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "a": pen.glyph()})
    moments = momentsPen.MomentsPen()
    moments.moveTo((0, 0))
    moments.lineTo((10 + seed, 0))
    moments.lineTo((0, 10))
    moments.closePath()
    curve = cu2qu.curve_to_quadratic([(0, 0), (10, 20), (30, 20), (40 + seed, 0)], 1)
    return [
        moments.area,
        [[round(v, 3) for v in point] for point in curve],
        raised(Exception, cu2qu.curve_to_quadratic, [(0, 0)], 1)[:10],
    ]


@briefly("uharfbuzz", loads="extension")
def uharfbuzz(seed):
    import uharfbuzz

    kept = uharfbuzz.Buffer()
    kept.add_str(f"abc é {seed}")
    kept.guess_segment_properties()
    return [len(kept.glyph_infos), str(kept.script), kept.direction, raised(Exception, uharfbuzz.Face, 3)[:9]]


@briefly("skia-pathops")
def pathops(seed):
    import pathops

    made = pathops.Path()
    pen = made.getPen()
    for x in (0, 50 + seed):
        pen.moveTo((x, 0))
        for point in ((x + 100, 0), (x + 100, 100), (x, 100)):
            pen.lineTo(point)
        pen.closePath()
    merged = pathops.simplify(made, clockwise=True)
    return [round(merged.area, 3), len(list(merged.segments)), raised(TypeError, pathops.simplify, 3)[:9]]
