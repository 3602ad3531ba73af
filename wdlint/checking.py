"""What `wdlint check` does: files or standard input → results → fixes → report → exit status."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from wdlint import __version__, runner
from wdlint.config import KEYS, ConfigError, Settings, configuration, override, show
from wdlint.discovery import Listing, discover, is_excluded, project_root
from wdlint.folders import SAVED, user_cache
from wdlint.looking import LintSettings
from wdlint.reading.content import UnreadableFile
from wdlint.records import dataclass, field
from wdlint.results import Applicability, FileResult
from wdlint.terminal import coloured, emit, emit_bytes, is_terminal, note, terminal_columns

if TYPE_CHECKING:
    from wdlint.cache import Cache
    from wdlint.findings import Finding, Span
    from wdlint.fixing.apply import Fixed
    from wdlint.models.parameters import Inventory
    from wdlint.optimizers.added import Added
    from wdlint.reading.text import Source
    from wdlint.report import RulePage

T = TypeVar("T")
TEXT_FORMATS = ("full", "concise", "grouped")


class Options(NamedTuple):
    """The options of `wdlint check` as they were given; None where one was not."""

    paths: tuple[str, ...]
    fix: bool
    unsafe_fixes: bool | None
    diff: bool
    fix_only: bool
    show_fixes: bool | None
    select: tuple[str, ...] | None
    extend_select: tuple[str, ...] | None
    ignore: tuple[str, ...] | None
    per_file_ignores: Mapping[str, list[str]] | None
    exclude: tuple[str, ...] | None
    extend_exclude: tuple[str, ...] | None
    force_exclude: bool | None
    respect_gitignore: bool | None
    output_format: str | None
    output_file: str | None
    config: tuple[str, ...]
    isolated: bool
    stdin_filename: str | None
    exit_zero: bool
    exit_non_zero_on_fix: bool
    fail_on: str | None
    statistics: bool
    show_unresolved: bool
    show_files: bool
    show_settings: bool
    add_ignore: str | None
    no_cache: bool
    cache_dir: str | None
    quiet: bool
    verbose: bool
    color: str
    jobs: int | None
    model: str | None
    python: str | None
    policy: str | None


class Run(NamedTuple):
    """One call of the command. `settings` are those of the current folder: they say how to report.

    `saved`: the optimizer classes that the user has probed. `models`: what was built, or None where that failed, by
    what was named and from where.
    """

    options: Options
    settings: Settings
    settings_of: Callable[[str], Settings]
    saved: tuple[Added, ...]
    models: dict[tuple[str, Path], Inventory | None]
    alike: dict[int, LintSettings]  # by the settings that they come of

    @property
    def fixing(self) -> bool:
        """Whether fixes are made, written or shown."""
        return self.options.fix or self.options.fix_only or self.options.diff

    @property
    def applicable(self) -> frozenset[Applicability]:
        """The levels of fixes that are made."""
        unsafe = {Applicability.UNSAFE} if self.settings.unsafe_fixes else set()
        return frozenset({Applicability.SAFE} | unsafe)

    def lint_settings(self, path: str, settings: Settings) -> LintSettings:
        """How to check the file at this absolute path, under the settings of its folder."""
        if settings.per_file_ignores or settings.models:
            return self._lint_settings(path, settings)
        if id(settings) not in self.alike:
            self.alike[id(settings)] = self._lint_settings(path, settings)
        return self.alike[id(settings)]

    def _lint_settings(self, path: str, settings: Settings) -> LintSettings:
        return LintSettings(
            settings.codes(path),
            report_unused=True,
            policy=settings.policy,
            decay=settings.decay,
            no_decay=settings.no_decay,
            built=self._built(settings, path),
            optimizers=(*settings.optimizers, *self.saved),
        )

    def _built(self, settings: Settings, path: str) -> Inventory | None:
        """The model that the command line or the configuration names for a file; built once."""
        named = settings.model(path)
        if self.options.model is not None:
            wanted = (self.options.model, Path.cwd())
        elif named is not None:
            wanted = (named, settings.root)
        else:
            return None
        if wanted not in self.models:
            self.models[wanted] = self._build(*wanted)
        return self.models[wanted]

    def _build(self, spec: str, root: Path) -> Inventory | None:
        from wdlint.models.build import NotBuilt
        from wdlint.models.resolve import inventory

        python = Path(self.options.python) if self.options.python else None
        try:
            return inventory(spec, device=None, python=python, root=root)
        except NotBuilt as error:
            note(f"Warning: {spec} is not built, checked without it: {error}")
            return None

    def fails(self, finding: Finding) -> bool:
        """Whether a finding makes the exit status 1."""
        settings = self.settings_of(os.path.dirname(os.path.abspath(finding.span.filename)))
        return finding.severity.rank >= settings.fail_on.rank


@dataclass(slots=True)
class Outcome:
    """What came of a run so far."""

    results: dict[str, FileResult] = field(default_factory=dict)
    fixed: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    diffs: list[str] = field(default_factory=list)
    failed: bool = False

    def fail(self, message: str) -> None:
        """Say what went wrong; the exit status will be 2."""
        note(f"Error: {message}")
        self.failed = True

    def take(self, filename: str, done: Fixed, *, quiet: bool) -> None:
        """What became of a file that was to be fixed."""
        self.results[filename] = done.result
        if done.error:
            self.fail(f"{filename}: {done.error}")
        elif done.changed:
            self.fixed[filename] = done.fixed
            self.diffs.append(done.diff)
        for finding, reason in () if quiet else done.refused:
            note(f"{filename}:{finding.span.start.row}: {finding.name} not fixed: {reason}")

    def crash(self, filename: str, crash: runner.Crash) -> None:
        """Say that wdlint itself went wrong."""
        self.fail(f"internal error at {filename}: {crash.error} (WDLINT_TRACEBACK=1 shows where)")
        if os.environ.get("WDLINT_TRACEBACK"):
            note(crash.trace)


def check(options: Options, words: Sequence[str] | None = None) -> int:
    """Run `wdlint check`; its exit status. `words` are those of the command line, by which the run is known again.

    Raises ConfigError.
    """
    started = time.monotonic()
    began = time.time_ns()
    gc.disable()  # trees have no cycles, and walking them for some costs as much as parsing
    file, overrides = _overrides(options)
    if file is not None and options.isolated:
        raise ConfigError("--isolated reads no configuration file, and --config names one")
    settings_of = configuration(overrides, file=file, isolated=options.isolated)
    run = Run(options, settings_of(os.getcwd()), settings_of, () if options.isolated else _saved(), {}, {})
    if options.add_ignore is not None and run.fixing:
        raise ConfigError("--add-ignore writes comments instead of fixes: leave out --fix, --fix-only, --diff")
    from_stdin = "-" in options.paths or options.stdin_filename is not None
    if from_stdin and options.add_ignore is not None:
        raise ConfigError("--add-ignore writes files, and standard input is none")
    if from_stdin and (others := [path for path in options.paths if path != "-"]):
        raise ConfigError(f"standard input is checked alone, not with {others[0]}")
    if from_stdin:
        status = check_stdin(run)
    else:
        status = check_files(run, None if words is None else partial(_record, run, words, began))
    if options.verbose:
        note(f"{time.monotonic() - started:.2f} s, configuration: {run.settings.source or 'defaults'}")
    return status


def _saved() -> tuple[Added, ...]:
    """What `wdlint probe --save` has kept."""
    if not os.path.exists(os.path.join(user_cache(), SAVED)):
        return ()
    from wdlint.optimizers import added

    try:
        return added.saved()
    except added.AddedError as error:
        note(f"Warning: probed optimizers are left out: {error}")
        return ()


def _overrides(options: Options) -> tuple[Path | None, dict[str, Any]]:
    """The configuration file named, and the settings given, on the command line."""
    file: Path | None = None
    overrides: dict[str, Any] = {}
    for text in options.config:
        if "=" in text and not os.path.isfile(text):
            overrides |= override(text)
        elif file is not None:
            raise ConfigError(f"--config {text}: there is one configuration file already, {file}")
        elif not os.path.isfile(text):
            raise ConfigError(f"--config {text}: no such file")
        else:
            file = Path(text).absolute()
    given = {
        key: list(value) if isinstance(value, tuple) else value
        for key in KEYS
        if (value := getattr(options, key.replace("-", "_"), None)) is not None
    }
    return file, overrides | given


def check_files(run: Run, record: Callable[[int, Listing, Cache], None] | None = None) -> int:
    """Check the paths named; `record` is called with a run that would say the same again."""
    options, outcome = run.options, Outcome()
    listing = discover(options.paths or (".",), run.settings_of)
    files = listing.files
    for trouble in listing.troubles:
        outcome.fail(f"{trouble.filename}: {trouble.reason}")
    if not files and not listing.troubles and not options.quiet:
        note("Warning: no Python file or notebook found")
    if options.show_files or options.show_settings:
        emit(str(file.path) for file in files if options.show_files)
        for file in files[:1] if options.show_settings else ():
            emit(show(file.settings, Path(file.path)))
        return 2 if outcome.failed else 0
    tasks = [
        runner.Task(file.path, file.filename, file.root, run.lint_settings(file.path, file.settings)) for file in files
    ]
    cache = _cache(options, tasks)
    same = True  # would be said again
    for task, result in _progress(_checked(tasks, options.jobs, cache), len(tasks)):
        match result:
            case runner.Crash():
                outcome.crash(task.filename, result)
            case runner.Lost():
                outcome.results[task.filename] = runner.died(task, result)
                same = False
            case _:
                outcome.results[task.filename] = result
                same = same and not result.partial
    if cache is not None:
        cache.write()
    if options.add_ignore is not None:
        return _add_ignores(run, tasks, outcome)
    if run.fixing:
        _fix_files(run, tasks, outcome)
    status = _finish(run, outcome)
    writes = run.fixing or options.output_file is not None or options.verbose
    if record is not None and cache is not None and same and not writes and not outcome.failed:
        record(status, listing, cache)
    return status


def _record(run: Run, words: Sequence[str], began: int, status: int, listing: Listing, cache: Cache) -> None:
    """Keep what this run depends on and what it has said."""
    from wdlint.recording import record

    paths = [*listing.looked, *(file.path for file in listing.files), *cache.depends_on()]
    record(words, status, began, paths, run.options.paths, run.options.cache_dir)


def _progress(items: Iterable[T], total: int) -> Iterable[T]:
    """The items; with a bar where somebody looks on."""
    if not is_terminal(sys.stderr):
        return items
    from wdlint.progress import progress

    return progress(items, total)


def _cache(options: Options, tasks: list[runner.Task]) -> Cache | None:
    """What earlier runs have kept; None where it is not wanted, or a model is built, which runs other code."""
    if options.no_cache or any(task.settings.built is not None for task in tasks):
        return None
    from wdlint.cache import opened

    return opened(options.cache_dir)


def _checked(
    tasks: list[runner.Task], jobs: int | None, cache: Cache | None
) -> Iterator[tuple[runner.Task, FileResult | runner.Crash | runner.Lost]]:
    """Each task with its result, in their order: known ones from the cache, the others by checking the files."""
    if cache is None:
        yield from runner.check_all(tasks, jobs, depends=False)
        return
    known = {task.filename: result for task in tasks if (result := cache.find(task)) is not None}
    unknown = [task for task in tasks if task.filename not in known]
    checking = runner.check_all(unknown, jobs)
    for task in tasks:
        if task.filename in known:
            yield task, known[task.filename]
            continue
        _, found = next(checking)
        if isinstance(found, FileResult) and not found.partial:
            cache.keep(task, found)
        yield task, found


def _fix_files(run: Run, tasks: list[runner.Task], outcome: Outcome) -> None:
    """One file after the other: few have fixes, and what a fix sees must not depend on the order."""
    from wdlint.fixing.apply import fix_file
    from wdlint.linter import check_source

    for task in tasks:
        result = outcome.results.get(task.filename)
        if result is None or not _fixable(result, run.applicable):
            continue
        lint = partial(check_source, project=runner.project(task.root), settings=task.settings)
        fix = partial(
            fix_file,
            filename=task.filename,
            relint=lint,
            applicability=run.applicable,
            write=not run.options.diff,
        )
        done = _in_time(partial(runner.guarded, fix, Path(task.path)), task.filename)
        if isinstance(done, runner.Crash):
            outcome.crash(task.filename, done)
        elif done is not None:
            outcome.take(task.filename, done, quiet=run.options.quiet)


def _in_time(work: Callable[[], T], filename: str) -> T | None:
    """The result of fixing a file; None, and a word about it, where that takes too long."""
    from wdlint import limits

    try:
        return work()
    except limits.OutOfTime:
        runner.project.cache_clear()  # what was being looked at is half done
        note(f"{filename}: not fixed: takes longer than {limits.SECONDS} seconds of processor time")
        return None


def _fixable(result: FileResult, applicable: frozenset[Applicability]) -> bool:
    return any(finding.fix is not None and finding.fix.applicability in applicable for finding in result.findings)


def _add_ignores(run: Run, tasks: list[runner.Task], outcome: Outcome) -> int:
    """Write a comment beside every finding."""
    from wdlint import suppressions
    from wdlint.fixing import edits
    from wdlint.reading.text import read_source
    from wdlint.suppression_edits import ignores

    files = comments = 0
    for task in tasks:
        result = outcome.results.get(task.filename)
        if result is None or not result.findings:
            continue
        try:
            source = read_source(Path(task.path), task.filename)
            parsed = suppressions.parse(source)
            findings = [finding for finding in result.findings if finding.code != "WD900"]
            wanted = ignores(parsed, findings, run.options.add_ignore or "")
            if wanted:
                edits.write(Path(task.path), source, edits.apply(source.original, wanted, source))
        except (UnreadableFile, edits.NotWritten) as error:
            outcome.fail(f"{task.filename}: no comment written: {error}")
            continue
        files += bool(wanted)
        comments += len(wanted)
    if not run.options.quiet:
        note(f"Wrote {_number(comments, 'ignore comment')} in {_number(files, 'file')}.")
    return 2 if outcome.failed else 0


def check_stdin(run: Run) -> int:
    """Check standard input; with --fix its text goes to standard output, the report to standard error."""
    if sys.stdin is None:
        raise ConfigError("standard input is closed")
    from wdlint.linter import check_source
    from wdlint.reading.text import read_source

    data = sys.stdin.buffer.read()
    outcome = Outcome()
    filename = run.options.stdin_filename or "-"
    path = Path(os.path.abspath(run.options.stdin_filename or "stdin.py"))
    settings = run.settings_of(str(path.parent))
    if run.options.show_files or run.options.show_settings:
        emit([str(path)] if run.options.show_files else [])
        emit(show(settings, path) if run.options.show_settings else [])
        return 0
    rewrites = run.fixing and not run.options.diff
    if settings.force_exclude and is_excluded(path, settings):
        if rewrites:
            emit_bytes(data)
        return 0
    lint_settings = run.lint_settings(str(path), settings)
    root = project_root(path.parent, path.parent)
    lint = partial(check_source, project=runner.project(str(root)), settings=lint_settings)
    source: Source | None = None
    try:
        source = read_source(path, filename, data)
    except UnreadableFile as error:
        result = runner.unreadable(filename, error.reason, error.row, error.column)
        outcome.results[filename] = result if "WD900" in lint_settings.codes else FileResult(filename)
    else:
        checked = runner.guarded(lambda text: runner.within(lambda: lint(text), filename), source)
        if isinstance(checked, runner.Crash):
            outcome.crash(filename, checked)
        else:
            outcome.results[filename] = checked
            if run.fixing:
                data = _fix_text(run, source, lint, outcome)
    if rewrites:
        emit_bytes(data)
    return _finish(run, outcome, source, to_stderr=rewrites)


def _fix_text(run: Run, source: Source, lint: Callable[[Source], FileResult], outcome: Outcome) -> bytes:
    """The bytes of standard input after the fixes."""
    from wdlint.fixing.apply import fix_text
    from wdlint.fixing.edits import NotWritten, encode

    fix = partial(fix_text, relint=lint, applicability=run.applicable)
    done = _in_time(partial(runner.guarded, fix, source), source.filename)
    if done is None:
        return source.raw
    if isinstance(done, runner.Crash):
        outcome.crash(source.filename, done)
        return source.raw
    try:
        data = encode(source, done.texts)
    except NotWritten as error:
        outcome.fail(f"{source.filename}: {error}")
        return source.raw
    outcome.take(source.filename, done, quiet=run.options.quiet)
    return data


def _finish(run: Run, outcome: Outcome, stdin: Source | None = None, *, to_stderr: bool = False) -> int:
    """Report, and the exit status."""
    options = run.options
    fixed = sum(map(len, outcome.fixed.values()))
    summary = f"{_number(fixed, 'finding')} in {_number(len(outcome.fixed), 'file')}."
    if options.diff:
        emit(line for diff in outcome.diffs for line in diff.removesuffix("\n").split("\n"))
        if not options.quiet:
            for line in _consequences(outcome):
                note(line)
            note(f"Would fix {summary}")
        status = 1 if outcome.diffs else 0
    elif options.fix_only:
        if not options.quiet:
            note(f"Fixed {summary}")
        status = 0
    else:
        _report(run, outcome, stdin, to_stderr)
        left = (finding for result in outcome.results.values() for finding in result.findings)
        status = 1 if any(map(run.fails, left)) else 0
    if fixed and options.exit_non_zero_on_fix:
        status = 1
    if options.exit_zero:
        status = 0
    return 2 if outcome.failed else status


def _consequences(outcome: Outcome) -> Iterator[str]:
    """What the fixes that change training change, once for each file."""
    for filename, findings in outcome.fixed.items():
        fixes = ((one.fix, one.span.start.row) for one in findings if one.fix is not None)
        rows = {fix.message: row for fix, row in fixes if fix.applicability is Applicability.UNSAFE}
        for message, row in rows.items():
            yield f"{filename}:{row}: {message}"


def _report(run: Run, outcome: Outcome, stdin: Source | None, to_stderr: bool) -> None:
    options, settings = run.options, run.settings
    as_text = settings.output_format in TEXT_FORMATS
    silent = options.quiet or outcome.failed  # no praise beside an error
    if silent and as_text and not any(result.findings for result in outcome.results.values()):
        return
    from wdlint.report import Report, render

    stream = None if options.output_file else sys.stderr if to_stderr else sys.stdout
    colour = as_text and coloured(options.color, stream)
    report = Report(
        results=tuple(outcome.results.values()),
        lines=_lines(stdin),
        root=Path.cwd(),
        version=__version__,
        pages=_pages,
        fixed=outcome.fixed,
        width=_columns(),
        colour=colour,
        links=colour and is_terminal(stream),
        show_unresolved=options.show_unresolved,
        show_fixes=settings.show_fixes,
        statistics=options.statistics,
        unsafe_fixes=settings.unsafe_fixes,
    )
    lines = render(settings.output_format, report)
    if options.output_file:
        text = "".join(f"{line}\n" for line in lines)
        try:
            Path(options.output_file).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            outcome.fail(f"{options.output_file}: not written: {error.strerror}")
    elif to_stderr:
        for line in lines:
            note(line)
    else:
        emit(lines, utf8=not as_text)


def _pages() -> Mapping[str, RulePage]:
    from wdlint.pages import pages

    return pages()


def _columns() -> int:
    """How wide the terminal is; 100 columns where there is none."""
    try:
        columns = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        columns = 0
    return columns if columns > 0 else terminal_columns() or 100


def _lines(stdin: Source | None) -> Callable[[Span], list[str]]:
    """The text that reports show, read again file by file."""

    @cache
    def cells(filename: str) -> dict[int, list[str]]:
        from wdlint.reading.text import LINE_END, read_source

        if stdin is not None and filename == stdin.filename:
            source = stdin
        else:
            try:
                source = read_source(Path(filename), filename)
            except UnreadableFile:
                return {}
        numbers = [cell.index for cell in source.cells] or [0]
        return {number: LINE_END.split(text) for number, text in zip(numbers, source.original, strict=False)}

    return lambda span: cells(span.filename).get(span.cell or 0, [])


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
