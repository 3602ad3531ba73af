"""The commands, in ruff's words. Nothing heavy is imported at the top: `--version` stays quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from wdlint import __version__
from wdlint.arguments import COLOURS, FORMATS, POLICIES, SEVERITIES, split

if TYPE_CHECKING:
    from wdlint.models.build import Device
    from wdlint.optimizers.probe import Device as ProbeDevice

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
SHELLS = ("bash", "zsh", "fish")


class _Check(click.Command):
    """`--add-ignore` takes its reason after `=` only: `--add-ignore src` is a path, as in ruff."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        bare = [index for index, arg in enumerate(options) if arg == "--add-ignore"]
        return super().parse_args(ctx, ["--add-ignore=" if index in bare else arg for index, arg in enumerate(args)])


def _split(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...] | None:
    """Comma lists, each option repeatable; None when it was not given."""
    return split(values) if values else None


def _per_file(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, list[str]] | None:
    table: dict[str, list[str]] = {}
    for pair in _split(ctx, param, values) or ():
        pattern, colon, selector = pair.rpartition(":")
        if not colon or not pattern or not selector:
            raise click.BadParameter(f"{pair!r} is not PATTERN:RULE", ctx, param)
        table.setdefault(pattern, []).append(selector)
    return table or None


@click.group(context_settings=SETTINGS)
@click.version_option(__version__, prog_name="wdlint", message="%(prog)s %(version)s")
def cli() -> None:
    """A linter for weight decay in PyTorch training code."""


@cli.command(cls=_Check)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option("--fix", is_flag=True, help="Write safe fixes.")
@click.option("--unsafe-fixes/--no-unsafe-fixes", default=None, help="Also fixes that change training.")
@click.option("--diff", is_flag=True, help="Show the fixes as a diff and write nothing; exit 1 if there are any.")
@click.option("--fix-only", is_flag=True, help="Fix, and do not report what is left. Implies --fix.")
@click.option("--show-fixes/--no-show-fixes", default=None, help="List what was fixed.")
@click.option(
    "--select",
    multiple=True,
    callback=_split,
    metavar="RULES",
    help="Rules to run: codes, prefixes, names, ALL.",
)
@click.option("--extend-select", multiple=True, callback=_split, metavar="RULES", help="Rules to run besides.")
@click.option("--ignore", multiple=True, callback=_split, metavar="RULES", help="Rules not to run.")
@click.option(
    "--per-file-ignores",
    multiple=True,
    callback=_per_file,
    metavar="PATTERN:RULE",
    help="Rules not to run on some files.",
)
@click.option("--exclude", multiple=True, callback=_split, metavar="PATTERNS", help="Files and folders to leave out.")
@click.option("--extend-exclude", multiple=True, callback=_split, metavar="PATTERNS", help="To leave out besides.")
@click.option(
    "--force-exclude/--no-force-exclude",
    default=None,
    help="Leave them out even if named on the command line.",
)
@click.option(
    "--respect-gitignore/--no-respect-gitignore",
    default=None,
    help="Leave out what git ignores (the default).",
)
@click.option("--output-format", type=click.Choice(FORMATS), default=None, help="How to report. [default: full]")
@click.option("-o", "--output-file", metavar="FILE", help="Report to a file.")
@click.option("--config", multiple=True, metavar="FILE|KEY=VALUE", help="A configuration file, or a setting in TOML.")
@click.option("--isolated", is_flag=True, help="Read no configuration file.")
@click.option("--stdin-filename", metavar="NAME", help="What to call standard input.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is found.")
@click.option("--exit-non-zero-on-fix", is_flag=True, help="Exit 1 if anything was fixed.")
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    default=None,
    help="The least severity to exit 1 for. [default: warning]",
)
@click.option("--statistics", is_flag=True, help="Count the findings of each rule.")
@click.option("--show-unresolved", is_flag=True, help="List what could not be followed.")
@click.option("--show-files", is_flag=True, help="List the files that would be checked.")
@click.option("--show-settings", is_flag=True, help="Show the settings of the first file.")
@click.option("--add-ignore", metavar="[=REASON]", help="Write a `# wdlint: ignore[...]` beside each finding.")
@click.option("--model", metavar="MODEL", help="Build this model and judge every site by its parameters.")
@click.option("--python", metavar="PATH", help="The interpreter that builds it. [default: the project's]")
@click.option("--policy", type=click.Choice(POLICIES), default=None, help="What may be decayed. [default: strict]")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep results of earlier runs.")
@click.option("--cache-dir", metavar="FOLDER", help="Where results are kept. [default: the user's cache directory]")
@click.option("-q", "--quiet", is_flag=True, help="Findings only.")
@click.option("-v", "--verbose", is_flag=True, help="Also which configuration counts, and how long it took.")
@click.option("--color", type=click.Choice(COLOURS), default="auto", help="[default: auto]")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Processes. [default: as many as are worth it]",
)
def check(**options: Any) -> int:
    """Check files and folders (default: the current one; `-` is standard input).

    Exit status: 0 clean, 1 findings, 2 wrong use, broken configuration, or an error of wdlint's own.
    """
    from wdlint.checking import Options, check

    return check(Options(**options), click.get_current_context().obj)


@cli.command()
@click.option("--cache-dir", metavar="FOLDER", help="Where results are kept. [default: the user's cache directory]")
def clean(cache_dir: str | None) -> None:
    """Remove the results that earlier runs have kept."""
    from wdlint import cache

    cache.remove(cache_dir)


@cli.command("rule")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="All rules.")
@click.option("--output-format", type=click.Choice(("text", "json")), default="text", help="[default: text]")
def rule_(name: str | None, every: bool, output_format: str) -> None:
    """Explain a rule, by its name or code."""
    from wdlint.pages import UnknownRule, explain
    from wdlint.terminal import emit, is_terminal

    if (name is None) is not every:
        raise click.UsageError("name one rule, or use --all")
    try:
        emit([explain(name, output_format, is_terminal(sys.stdout))], utf8=output_format == "json")
    except UnknownRule as error:
        raise click.UsageError(str(error)) from None


@cli.command()
def rules() -> None:
    """List the rules."""
    from wdlint.pages import table
    from wdlint.terminal import emit

    emit(table())


_PYTHON = click.option("--python", metavar="PATH", help="The interpreter that builds it. [default: the project's]")
_POLICY = click.option(
    "--policy", type=click.Choice(POLICIES), default=None, help="What may be decayed. [default: strict]"
)
_DEVICE = click.option(
    "--device",
    type=click.Choice(("meta", "cpu", "cuda")),
    default=None,
    help="Build it there. [default: meta; without the library, what wdlint knows of it]",
)


@cli.command("show")
@click.argument("model", metavar="[MODEL]", required=False)
@click.option("--site", metavar="FILE:LINE", help="What the optimizers at this line really do with the model.")
@_POLICY
@_DEVICE
@_PYTHON
@click.option(
    "--output-format", type=click.Choice(("text", "json", "csv", "html")), default="text", help="[default: text]"
)
@click.option("-o", "--output-file", metavar="FILE", help="Write to a file.")
@click.option("--color", type=click.Choice(COLOURS), default="auto", help="[default: auto]")
def show_(
    model: str | None,
    site: str | None,
    policy: str | None,
    device: Device | None,
    python: str | None,
    output_format: str,
    output_file: str | None,
    color: str,
) -> int:
    """Show a model's parameters: what each one is, and whether a policy decays it.

    MODEL: transformers:GPT2LMHeadModel, timm:resnet50, torchvision:resnet50, a folder with a config.json,
    package.module:function or path/file.py:function, where a function or class makes the model. Building runs its
    code, without a network.

    With --site: what the code at a line (of an optimizer, a Trainer, a timm factory) does with each parameter, its
    optimizer, group, decay and the line that put it there. The code is read, not run. Without MODEL it is the model
    that the code names.

    Exit status: 0 shown, 2 not built, no optimizer at that line, wrong use, or an error of wdlint's own.
    """
    from wdlint.showing import Output, Wanted, show, show_site

    wanted, output = Wanted(model, policy, device, python), Output(output_format, output_file, color)
    if site is not None:
        return show_site(site, wanted, output)
    if model is None:
        raise click.UsageError("Missing argument 'MODEL': name a model, or with --site the code that builds one.")
    return show(wanted, output)


@cli.command("groups")
@click.argument("model", metavar="MODEL")
@click.option("--weight-decay", type=float, required=True, metavar="NUMBER", help="For what is decayed.")
@_POLICY
@_DEVICE
@_PYTHON
def groups_(model: str, weight_decay: float, policy: str | None, device: Device | None, python: str | None) -> int:
    """Write the parameter groups of a model as code: plain torch, to paste before the optimizer.

    MODEL is named as for `wdlint show`.

    Exit status: 0 written, 2 not built, wrong use, or an error of wdlint's own.
    """
    from wdlint.showing import Wanted, groups

    return groups(Wanted(model, policy, device, python), weight_decay=weight_decay)


@cli.command("probe")
@click.argument("optimizer", metavar="OPTIMIZER")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--device", type=click.Choice(("cpu", "cuda")), default="cpu", help="Measure it there. [default: cpu]")
@click.option("--python", metavar="PATH", help="The interpreter that runs it. [default: the project's]")
@click.option("--output-format", type=click.Choice(("text", "json", "toml")), default="text", help="[default: text]")
@click.option("--save", is_flag=True, help="Keep it in the user's cache: `check` knows the class from then on.")
@click.option("--color", type=click.Choice(COLOURS), default="auto", help="[default: auto]")
def probe_(
    optimizer: str,
    arguments: tuple[str, ...],
    device: ProbeDevice,
    python: str | None,
    output_format: str,
    save: bool,
    color: str,
) -> int:
    """Measure what an optimizer class does with weight decay, by running it on tiny tensors.

    OPTIMIZER: package.module:Class or path/file.py:Class; KEY=VALUE are arguments of its constructor. This runs the
    class's code, without a network. `--output-format toml` prints what `[tool.wdlint.optimizers]` takes.

    Exit status: 0 measured, 2 not measured, wrong use, or an error of wdlint's own.
    """
    from wdlint.probing import run

    return run(
        optimizer,
        arguments,
        device=device,
        python=python,
        output_format=output_format,
        save=save,
        color=color,
    )


@cli.command("lock")
@click.argument("training", metavar="[TRAINING]", required=False)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and say what moved if the file says otherwise.")
@click.option("-o", "--output", metavar="FILE", default="decay.lock", show_default=True, help="The file.")
@click.option(
    "--device",
    type=click.Choice(("meta", "cpu", "cuda")),
    default=None,
    help="Build it there. [default: meta; the CPU where that fails]",
)
@_PYTHON
def lock_(training: str | None, check: bool, output: str, device: Device | None, python: str | None) -> int:
    """Write down who is decayed by how much: each parameter's decay, optimizer and group, as a file to commit.

    TRAINING: package.module:function or path/file.py:function, of a function that returns a model and its optimizer:
    (model, optimizer), or (model, [one, other]); a dict of them; an object with both, as `model` and `optimizer` or
    `optimizers`, such as a Trainer; or a LightningModule. With --check and none, what the file names. Building runs
    its code, without a network.

    Exit status: 0 written or nothing moved, 1 moved, 2 not built, wrong use, or an error of wdlint's own.
    """
    from wdlint.locking import lock

    return lock(training, check=check, output=output, device=device, python=python)


@cli.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print the completion script of a shell (default: the one in $SHELL)."""
    from click.shell_completion import get_completion_class

    from wdlint.terminal import emit

    shell = shell or os.path.basename(os.environ.get("SHELL", ""))
    found = get_completion_class(shell) if shell in SHELLS else None
    if found is None:
        raise click.UsageError(f"name a shell: {', '.join(SHELLS)}")
    emit([found(cli, {}, "wdlint", "_WDLINT_COMPLETE").source()])


def main(words: Sequence[str]) -> int:
    """Run the command that these words name; its exit status.

    Raises click.ClickException, click.Abort and what the command itself raises.
    """
    status = cli.main(words, prog_name="wdlint", standalone_mode=False, obj=tuple(words))
    return status if isinstance(status, int) else 0
