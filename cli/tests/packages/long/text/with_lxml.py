"""lxml: parsing, XPath, XSLT, schemas, HTML, events, own classes and functions, errors."""

import io

from lxml import etree, html, objectify

from exercise import digest, in_threads, raised

DISTRIBUTION = "lxml"

SHEET = etree.XSLT(
    etree.XML("""
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:param name="least"/>
  <xsl:template match="/"><list><xsl:apply-templates select="//item[@n &gt; $least]"/></list></xsl:template>
  <xsl:template match="item"><it><xsl:value-of select="concat(@n, '-', .)"/></it></xsl:template>
</xsl:stylesheet>""")
)

SCHEMA = etree.RelaxNG(
    etree.XML("""
<element name="list" xmlns="http://relaxng.org/ns/structure/1.0">
  <oneOrMore><element name="it"><text/></element></oneOrMore>
</element>""")
)


def document(seed):
    root = etree.Element("root", seed=str(seed))
    for i in range(60):
        item = etree.SubElement(root, "item", n=str((i * 7 + seed) % 60))
        item.text = f"text {i} é"
        item.tail = "\n"
    return root


def length(seed):
    return len(etree.tostring(document(seed), encoding="utf-8"))


def work(seed):
    root = document(seed)
    text = etree.tostring(root, pretty_print=True)
    changed = SHEET(root, least=str(seed % 40))
    found = {
        "digest": digest(text, etree.tostring(root, method="c14n")),
        "found": root.xpath("count(//item[@n mod 2 = 1])"),
        "attributes": sorted(root.xpath("//item[contains(., '1')]/@n"), key=int),
        "changed": digest(str(changed)),
        "valid": [SCHEMA.validate(changed), SCHEMA.validate(root), len(SCHEMA.error_log) > 0],
        "threads": in_threads(length, range(seed, seed + 5)),
        "events": [event for event, _ in etree.iterparse(io.BytesIO(text), events=("start", "end"))].count("end"),
        "page": html.fromstring(f"<p>a<b>{seed}</b><br>c &eacute;").text_content(),
        "object": objectify.fromstring(f"<a><b>{seed}</b><b>2</b></a>").b[0] + 1,
    }
    functions = {(None, "double"): lambda _, x: x * 2}
    found["function"] = etree.XPathEvaluator(root, extensions=functions)(f"double({seed})")
    broken = [b"<a><b></a>", b"", b"<a>&unknown;</a>", b"<a x='1' x='2'/>"]
    found["errors"] = [raised(etree.XMLSyntaxError, etree.fromstring, data) for data in broken]
    found["errors"] += [
        raised(etree.XPathEvalError, root.xpath, "//["),
        raised(etree.XPathSyntaxError, etree.XPath, "//["),
        raised(ValueError, root.set, "a", "\0"),
        raised(etree.DocumentInvalid, SCHEMA.assertValid, root),
    ]
    return found
