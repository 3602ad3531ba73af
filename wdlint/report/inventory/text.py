"""The decay table for people: as wide as it needs where nobody looks, folded to fit a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from wdlint.models.folding import pattern
from wdlint.models.parameters import Inventory, Parameter, Shape
from wdlint.records import dataclass
from wdlint.report.frame import wrapped
from wdlint.report.inventory.table import TIMES, DecayTable, Fate, Line, Total, differs, origin, remarks
from wdlint.report.place import at, in_memory
from wdlint.report.printable import printable
from wdlint.report.style import Style, Terminal

if TYPE_CHECKING:
    from wdlint.facts.membership import Memberships
    from wdlint.findings import Span

_GAP = "  "
_INDENT = "      "
_COMFORTABLE, _NARROWEST = 32, 20  # for names: columns give way to keep the one, nothing goes below the other
_STYLES: dict[Fate, Style] = {
    Fate.DECAYED: "bold",
    Fate.SPARED: "safe",
    Fate.FROZEN: "frame",
    Fate.OMITTED: "warning",
    Fate.UNDECIDED: "warning",
}


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Line], str]
    right: bool = False


_SHAPE = _Column("shape", lambda line: shape(line.row.first.shape))
_ELEMENTS = _Column("elements", lambda line: number(line.elements), right=True)
_CLASS = _Column("class", lambda line: owner(line.row.first))
_DECAY = _Column("decay", lambda line: decay(line))


def _columns(table: DecayTable) -> list[_Column]:
    found = [
        _Column("parameter", lambda line: line.title),
        _SHAPE,
        _Column("kind", lambda line: line.row.first.kind.value),
        _DECAY,
    ]
    code = table.code
    if code is not None:
        if len(code.optimizers) > 1:
            found.append(_Column("optimizer", lambda line: str(line.membership.optimizer) if line.membership else "-"))
        found.append(_Column("group", group))
        if not in_memory(code.site):
            found.append(_Column("line", lambda line: decided(line, code.site) or "-"))
    return [*found, _ELEMENTS, _CLASS]


def render(table: DecayTable, *, width: int | None, terminal: Terminal, advise: bool = True) -> Iterator[str]:
    """The model, its parameters, the totals of each kind, what else there is to know, and what to do next."""
    yield from _headline(table, width, terminal)
    if table.code is not None:
        yield ""
        for text in optimizers(table.code):
            yield from _wrapped("", text, width, terminal)
    yield ""
    yield from _parameters(table, width, terminal)
    yield ""
    yield from _totals(table, terminal)
    yield ""
    notes = [f"policy {table.policy.name}: {table.policy.summary}", *remarks(table)]
    for text in notes:
        yield from _wrapped("note: ", text, width, terminal)
    if advise and (advice := _advice(table)):
        yield from _wrapped("help: ", advice, width, terminal)


def shape(sizes: Shape | None) -> str:
    """As torch prints it, `?` for what is not known."""
    return "?" if sizes is None else f"[{', '.join('?' if size is None else str(size) for size in sizes)}]"


def number(count: int | None) -> str:
    """With separators, `?` for what is not known."""
    return "?" if count is None else f"{count:,}"


def owner(parameter: Parameter) -> str:
    """The class of the module that holds it, short: `nn.Linear`, `LlamaRMSNorm`."""
    package, _, name = parameter.owner_class.rpartition(".")
    return f"nn.{name}" if package == "torch.nn" else name


def tied(line: Line) -> str:
    """The further names of a row's members, folded like the row."""
    aliases = zip(*(parameter.aliases for parameter in line.row.members), strict=True)
    return ", ".join(pattern(list(names)) for names in aliases)


def decay(line: Line) -> str:
    """`decayed` and the like, of code the number that it sets: `0.1`."""
    found = line.membership
    if found is None or found.decay is None or line.fate is Fate.FROZEN:
        return line.fate.value
    return f"{found.decay:g}"


def group(line: Line) -> str:
    """The number of the group that a parameter is in; `-` where it is in none, or not in the same one in every way."""
    found = line.membership
    return "-" if found is None or found.group is None else str(found.group)


def decided(line: Line, site: Span) -> str:
    """The line that put a parameter into its group, with its file where that is another one than the optimizer's."""
    if line.membership is None:
        return ""
    span = line.membership.decided
    if (span.filename, span.cell) == (site.filename, site.cell):
        return str(span.start.row)
    return f"{span.filename}:{at(span).rpartition(':')[0]}"


def optimizers(code: Memberships) -> Iterator[str]:
    """A line for each optimizer, and one for each of its groups."""
    for index, one in enumerate(code.optimizers):
        place = one.span.filename if in_memory(one.span) else f"{one.span.filename}:{at(one.span).rpartition(':')[0]}"
        yield f"optimizer {index}: {one.name}, {place}" + (
            f", not followed: {one.unresolved}" if one.unresolved else ""
        )
        for number, group in enumerate(one.groups):
            keys = "".join(f", {key}={value}" for key, value in group.keys.items())
            yield f"  group {number}: weight_decay={group.decay}{keys}, {plural(group.tensors, 'tensor')}"


def plural(count: int, word: str) -> str:
    """`1 tensor`, `2 tensors`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def comment(line: Line) -> str:
    """What there is to say of a row besides its cells."""
    said = [f"tied: {tied(line)}"] if line.row.first.aliases else []
    return "; ".join([*said, line.why] if line.why else said)


def model_line(inventory: Inventory) -> str:
    """What the model is and where the list comes from."""
    name = inventory.model_class
    called = inventory.spec if name == inventory.spec else f"{name} ({inventory.spec})"
    return f"{called}, {origin(inventory)}"


def _advice(table: DecayTable) -> str:
    """What to do next; empty where there is nothing."""
    if table.code is not None:
        if in_memory(table.code.site) or not any(differs(ln) or ln.fate is Fate.OMITTED for ln in table.lines):
            return ""
        model = f" --model {table.inventory.spec}" if table.code.named else ""
        return f"`wdlint check {table.code.site.filename}{model}` says what is wrong with it and offers fixes"
    open_ = [line for line in table.lines if line.fate is Fate.UNDECIDED]
    if open_:
        entry = open_[0].row.pattern
        return f'decide what is undecided by `decay` and `no-decay` in [tool.wdlint]: no-decay = ["{entry}"]'
    command = f"wdlint groups {table.inventory.spec} --policy {table.policy.name} --weight-decay 0.1"
    return f"`{command}` writes these groups as code"


def _headline(table: DecayTable, width: int | None, terminal: Terminal) -> Iterator[str]:
    name, _, rest = printable(model_line(table.inventory)).partition(" ")
    lines = wrapped(f"{name} {rest}", width) if width else [f"{name} {rest}"]
    yield lines[0].replace(name, terminal.paint(name, "bold"), 1)
    yield from lines[1:]
    counts = f"{number(table.total().tensors)} parameters, {number(table.total().elements)} elements"
    parts = []
    for fate in Fate:
        total = table.total(fate=fate)
        if total.tensors or fate in (Fate.DECAYED, Fate.SPARED):
            parts.append(f"{total.tensors:,} {fate}{_share(total, table.total())}")
    text = f"{counts}: {', '.join(parts)}"
    yield from wrapped(text, width) if width else [text]


def _share(part: Total, whole: Total) -> str:
    if not part.elements or not whole.elements:
        return ""
    share = 100 * part.elements / whole.elements
    shown = "<0.1" if share < 0.05 else ">99.9" if 99.95 <= share < 100 else f"{share:.3g}"
    return f" ({shown} % of elements)"


def _parameters(table: DecayTable, width: int | None, terminal: Terminal) -> Iterator[str]:
    columns = _columns(table)
    rows = [[printable(column.cell(line)) for column in columns] for line in table.lines]
    comments = [printable(comment(line)) for line in table.lines]
    titles = [column.title for column in columns]
    widths = [max(map(len, cells)) for cells in zip(titles, *rows, strict=True)]
    shown = _fitting(columns, widths, width)
    room = widths[0] if width is None else max(min(widths[0], width - _taken(widths, shown)), _NARROWEST)
    widths[0] = room
    left = None if width is None else width - room - _taken(widths, shown) - len(_GAP)

    def aligned(cells: list[str], style: Style | None = None) -> str:
        padded = []
        for index in shown:
            cell = f"{cells[index]:{'>' if columns[index].right else '<'}{widths[index]}}"
            padded.append(terminal.paint(cell, style) if style and columns[index] is _DECAY else cell)
        return _GAP.join(padded)

    yield terminal.paint(aligned(titles).rstrip(), "bold")
    for line, cells, said in zip(table.lines, rows, comments, strict=True):
        name, *others = _folded(cells[0], room)
        text = aligned([name, *cells[1:]], _style(line))
        beside = bool(said) and (left is None or len(said) <= left)
        yield f"{text}{_GAP}{terminal.paint(said, 'aside')}" if beside else text.rstrip()
        yield from others
        if said and not beside:
            yield from _wrapped(_INDENT, said, width, terminal, "aside")


def _style(line: Line) -> Style:
    """Of a decay; one that the policy would have otherwise stands out."""
    return "warning" if differs(line) else _STYLES[line.fate]


def _fitting(columns: list[_Column], widths: list[int], width: int | None) -> list[int]:
    """The columns that are shown: shapes say the elements, too, and the names need room more than the classes do."""
    shown = list(range(len(columns)))
    for column, room in ((_ELEMENTS, _COMFORTABLE), (_CLASS, _COMFORTABLE), (_SHAPE, _NARROWEST)):
        if width is not None and width - _taken(widths, shown) < min(widths[0], room):
            shown.remove(columns.index(column))
    return shown


def _taken(widths: list[int], shown: list[int]) -> int:
    """By the columns besides the names."""
    return sum(widths[index] + len(_GAP) for index in shown[1:])


def _folded(name: str, room: int) -> list[str]:
    """A name in lines of at most `room` columns where its parts allow, broken after dots and before the count."""
    lines = [""]
    for part in re.findall(rf" {TIMES}.*|[^. ]+\.?|.", name):
        if lines[-1].strip() and len(lines[-1]) + len(part) > room:
            lines.append(_INDENT[: room // 4])
            part = part.lstrip()
        lines[-1] += part
    return lines


def _totals(table: DecayTable, terminal: Terminal) -> Iterator[str]:
    fates = [fate for fate in Fate if fate in (Fate.DECAYED, Fate.SPARED) or table.total(fate=fate).tensors]
    rows = [["kind", "tensors", "elements", *fates]]
    for kind in [*table.kinds, None]:
        total = table.total(kind)
        counts = [f"{table.total(kind, fate).tensors:,}" for fate in fates]
        rows.append([kind or "total", f"{total.tensors:,}", number(total.elements), *counts])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for index, row in enumerate(rows):
        first, *others = (f"{cell:{'>' if n else '<'}{widths[n]}}" for n, cell in enumerate(row))
        text = _GAP.join([first, *others])
        yield terminal.paint(text, "bold") if index in (0, len(rows) - 1) else text


def _wrapped(lead: str, text: str, width: int | None, terminal: Terminal, style: Style | None = None) -> Iterator[str]:
    """`text` behind `lead`, in as many lines as the width asks for."""
    said = printable(text)
    for index, part in enumerate(wrapped(said, width - len(lead)) if width else [said]):
        yield (lead if index == 0 else " " * len(lead)) + (terminal.paint(part, style) if style else part)
