"""Colours and links of a terminal, as escape sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from wdlint.records import dataclass

Style = Literal["error", "warning", "advice", "bold", "frame", "aside", "safe"]
_CODES: dict[Style, str] = {
    "error": "1;31",
    "warning": "1;33",
    "advice": "1;36",
    "bold": "1",
    "frame": "2",
    "aside": "94",
    "safe": "32",
}


@dataclass(frozen=True, slots=True)
class Terminal:
    """What the place that the report goes to can show."""

    colour: bool
    links: bool

    def paint(self, text: str, style: Style) -> str:
        """`text` in a style, as it is where there are no colours."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text

    def link(self, text: str, path: Path) -> str:
        """`text` as a hyperlink (OSC 8) to a file, as it is where there are no links."""
        if not self.links or not path.is_file():
            return text
        return f"\x1b]8;;{path.absolute().as_uri()}\x1b\\{text}\x1b]8;;\x1b\\"
