"""Names and bytes that mean harm: what a browser, a shell or a file system might take for something else."""

SCRIPT = "<script>fetch('/api/tokens');document.title='RAN';alert(1)</script>"
_SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=\'RAN\'">{SCRIPT}</svg>'
_HTML = f"<!doctype html><html><body onload=\"document.title='RAN'\">{SCRIPT}</body></html>"

BAD_NAMES = (
    "../../escaped", "..\\..\\escaped", "/etc/passwd", "C:\\windows\\system32\\x.dll", "..", ".", "...", "/", "\\",
    "a\x00.txt", "\x00", "a\r\nSet-Cookie: x=1", "a\nb", "a\tb", "x" * 300, "x" * 300 + ".txt", "é" * 300, "端" * 200,
    "invoice\u202egpj.exe", "\u200f\u202b", "CON", "con.txt", "nul", "LPT1.log", "aux.", "com1", 'quote".txt',
    "semi;colon=1.txt", "percent%2e%2e%2f.txt", "<img src=x onerror=alert(1)>.txt", "name with  spaces .txt", ".hidden",
    "-rf", "$(id).txt", "`id`.txt", "a|b>c", "file.txt.", "file.txt ", "\u2028\u2029x", "%00.html", "😀.png",
)  # fmt: skip

_PNG = b"\x89PNG\r\n\x1a\n"
_GIF = b"GIF89a/*"
POLYGLOTS = (
    ("a.html", _HTML.encode()), ("a.htm", _HTML.encode()), ("a.xhtml", _HTML.encode()), ("a.svg", _SVG.encode()),
    ("a.svgz", b"\x1f\x8b" + _SVG.encode()), ("a.xml", b"<?xml version='1.0'?>" + _SVG.encode()),
    ("a.txt", _HTML.encode()), ("a.png", _HTML.encode()), ("a.png", _PNG + _HTML.encode()), ("a", _SVG.encode()),
    ("a.gif", _GIF + b"*/=1;document.title='RAN';//"), ("a.js", b"document.title='RAN'"),
    ("a.mjs", b"export default 1"),
    ("a.css", b"*{background:url(javascript:1)}"), ("a.jpg", b"\xff\xd8\xff\xe0" + _HTML.encode()),
    ("a.webp", b"RIFF\x00\x00\x00\x00WEBP" + _HTML.encode()), ("a.pdf", b"%PDF-1.7\n" + _HTML.encode()),
    ("a.txt", b"\xef\xbb\xbf" + _HTML.encode()), ("a.txt", b"   \n\t" + _HTML.encode()),
    ("a.txt", _HTML.encode("utf-16")), ("a.txt", b"+ADw-script+AD4-document.title='RAN'+ADw-/script+AD4-"),
    ("a.mht", b"MIME-Version: 1.0\nContent-Type: text/html\n\n" + _HTML.encode()), ("a.swf", b"FWS\x0a" + bytes(40)),
    ("a.wasm", b"\x00asm\x01\x00\x00\x00"), ("a.webmanifest", b'{"start_url":"javascript:1"}'),
    ("a.hta", _HTML.encode()),
    ("a.zip", b"PK\x03\x04" + _HTML.encode()), ("a.xsl", b"<xsl:stylesheet/>"), ("a.html.txt", _HTML.encode()),
    ("a.txt.html", b"just text"), ("sw.js", b"self.addEventListener('fetch',()=>{})"),
    ("a.json", b'{"a": "</script>"}'),
)  # fmt: skip
"""Bytes that are one thing to one reader and another to the next. A script that runs changes the title to RAN."""
