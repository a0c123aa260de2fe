"""Names and types of files that others gave: cleaned, told by their bytes, and never believed. Pure."""

import re
import unicodedata
from urllib.parse import quote

LONGEST_NAME = 120
_FALLBACK = "file"
_RESERVED = re.compile(r"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
"""Names that mean a device to some systems, with any ending."""
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
TEXT = "text/plain"
OTHER = "application/octet-stream"
SHOWN_INLINE = frozenset({*IMAGES, TEXT})
"""Types that a browser may show by itself; none of them can hold a script."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
_MARKUP = re.compile(rb"<\s*[a-z!?/]", re.IGNORECASE)
_MARKUP_NAMES = re.compile(r"\.(x?html?|shtml|svgz?|xml|xslt?|mht(ml)?|xhtml|rdf|swf|hta)$", re.IGNORECASE)


def clean_name(given: str) -> str:
    """Return a name that is safe to show and to save: the last part of a path, without what no name should hold."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]
    # Categories C*: control characters, line ends, and those that turn the direction of writing.
    name = "".join(character for character in name if unicodedata.category(character)[0] != "C")
    name = " ".join(name.translate(_FORBIDDEN).split()).strip(". ")
    if _RESERVED.match(name):
        name = f"_{name}"
    if len(name) > LONGEST_NAME:
        stem, dot, ending = name.rpartition(".")
        ending = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
        name = name[: LONGEST_NAME - len(ending)] + ending
    return name or _FALLBACK


def media_type_of(head: bytes, name: str, *, is_utf8: bool) -> str:
    """Tell a type by the first bytes. Markup of any kind is just bytes: a browser must not open it."""
    if _MARKUP_NAMES.search(name):
        return OTHER
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if is_utf8 and not _MARKUP.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()):
        return TEXT
    return OTHER


def disposition(name: str, *, inline: bool) -> str:
    """Return a Content-Disposition (RFC 6266): a plain name for old clients, the whole one encoded."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
