"""The cells of a screen as a PNG. Runs in a worker process, as `emulator` does; knows no bytes of a terminal."""

import io
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

import pyte
from PIL import Image, ImageDraw, ImageFont

from server.terminals.emulator import emulate

CELL_WIDTH, CELL_HEIGHT = 9, 18
MARGIN = 8
_FONT_SIZE = 15
_BASELINE = 14

_BACKGROUND, _TEXT = "#0f1216", "#d7dce2"
_NAMED: Mapping[str, str] = MappingProxyType(
    {
        "black": "#7f8995", "red": "#ff8f85", "green": "#5fd08a", "brown": "#f0b35a", "blue": "#86b1ff",
        "magenta": "#d3a4ff", "cyan": "#6fd3dc", "white": "#d7dce2",
    }
)  # fmt: skip
"""The dashboard's palette (`--term` and `--a0` to `--a7` of its tokens), by pyte's names."""
_BEHIND: Mapping[str, str] = MappingProxyType(
    {
        "black": "#1a1f26", "red": "#6e2a25", "green": "#1c5434", "brown": "#5f4415", "blue": "#24467f",
        "magenta": "#523275", "cyan": "#1d555b", "white": "#4a535e",
    }
)  # fmt: skip
"""The same as backgrounds: darker, so that every text can be read on them."""
_FONTS = Path(__file__).parent / "fonts"
_WIDE_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/opentype/unifont/unifont.otf",
    "/System/Library/Fonts/PingFang.ttc",
)
"""Of the system, for what the font that comes along has not. Where there is none, a box stands for the character."""


def draw(tail: bytes, columns: int, rows: int) -> bytes:
    """Emulate a terminal over the newest 64 KiB and return its screen as a PNG. Raises TimeoutError after 5 s."""
    screen = emulate(tail, columns, rows)
    size = screen.columns * CELL_WIDTH + 2 * MARGIN, screen.lines * CELL_HEIGHT + 2 * MARGIN
    image = Image.new("RGB", size, _BACKGROUND)
    canvas = ImageDraw.Draw(image)
    for row in range(screen.lines):
        _draw_row(image, canvas, screen, row)
    written = io.BytesIO()
    image.quantize(64, dither=Image.Dither.NONE).save(written, "PNG", optimize=False)
    return written.getvalue()


def _draw_row(image: Image.Image, canvas: ImageDraw.ImageDraw, screen: pyte.Screen, row: int) -> None:
    top = MARGIN + row * CELL_HEIGHT
    cells = [(column, screen.buffer[row][column]) for column in range(screen.columns)]
    for (_, behind), run in groupby(cells, key=lambda cell: _colours(cell[1], cursor=_is_cursor(screen, row, cell[0]))):
        if behind != _BACKGROUND:
            held = [column for column, _ in run]
            left = MARGIN + held[0] * CELL_WIDTH
            canvas.rectangle((left, top, left + len(held) * CELL_WIDTH - 1, top + CELL_HEIGHT - 1), behind)
    for column, cell, is_wide in _shown(cells):
        colour, _ = _colours(cell, cursor=_is_cursor(screen, row, column))
        left = MARGIN + column * CELL_WIDTH
        width = CELL_WIDTH * (2 if is_wide else 1)
        glyph = _glyph(cell.data, bold=cell.bold, is_wide=is_wide)
        if glyph is None:
            canvas.rectangle((left + 2, top + 3, left + width - 3, top + CELL_HEIGHT - 5), outline=colour)
        else:
            image.paste(colour, (left, top), glyph)
        for is_drawn, height in ((cell.underscore, _BASELINE + 2), (cell.strikethrough, CELL_HEIGHT // 2)):
            if is_drawn:
                canvas.line((left, top + height, left + width - 1, top + height), colour)


def _shown(cells: list[tuple[int, pyte.screens.Char]]) -> Iterator[tuple[int, pyte.screens.Char, bool]]:
    """Yield each cell that has something to draw, and whether it takes the next one too."""
    for column, cell in cells:
        is_wide = column + 1 < len(cells) and cells[column + 1][1].data == ""
        if cell.data.strip() or cell.underscore or cell.strikethrough:
            yield column, cell, is_wide


def _is_cursor(screen: pyte.Screen, row: int, column: int) -> bool:
    return not screen.cursor.hidden and (screen.cursor.y, screen.cursor.x) == (row, column)


def _colours(cell: pyte.screens.Char, *, cursor: bool) -> tuple[str, str]:
    """Return the colours of the character and of what is behind it."""
    colour = _TEXT if cell.fg == "default" else _colour(cell.fg)
    behind = _BACKGROUND if cell.bg == "default" else _colour(cell.bg, _BEHIND)
    return (behind, colour) if bool(cell.reverse) != cursor else (colour, behind)


def _colour(name: str, named: Mapping[str, str] = _NAMED) -> str:
    plain = named.get(name.removeprefix("bright").removeprefix("bfight"))  # the second is pyte's own spelling
    return plain or f"#{name}"


@lru_cache(maxsize=4096)
def _glyph(text: str, *, bold: bool, is_wide: bool) -> Image.Image | None:
    """Return a mask of the character in its cells, or None if no font has it."""
    fonts = [_font(str(_FONTS / ("DejaVuSansMono-Bold.ttf" if bold else "DejaVuSansMono.ttf")))]
    fonts += [_font(path) for path in _WIDE_FONTS if Path(path).exists()]
    for font in fonts:
        if text.strip() and not _has(font, text[0]):
            continue
        mask = Image.new("L", (CELL_WIDTH * (2 if is_wide else 1), CELL_HEIGHT))
        ImageDraw.Draw(mask).text((0, _BASELINE), text, 255, font, anchor="ls")
        return mask
    return None


@lru_cache(maxsize=8)
def _font(path: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, _FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)


def _has(font: ImageFont.FreeTypeFont, character: str) -> bool:
    return _shape(font, character) != _shape(font, "\U0010ffff")


def _shape(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
