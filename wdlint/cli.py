"""The entry point. Nothing is imported before it is needed: a run that can be told again needs next to nothing."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command that `sys.argv` names: every end is an exit status and, if need be, a message."""
    try:
        status = _run(sys.argv[1:])
    except KeyboardInterrupt:
        status = _stopped("interrupted", 130)
    except Exception as error:
        status = _failed(error)
    sys.exit(status)


def program() -> None:
    """The command. A check ends at once: taking the interpreter apart takes as long as telling a run again."""
    try:
        main()
    except SystemExit as end:
        if sys.argv[1:2] != ["check"] or not isinstance(end.code, int):
            raise
        for stream in filter(None, (sys.stdout, sys.stderr)):
            try:
                stream.flush()
            except (OSError, ValueError):
                raise end from None
        os._exit(end.code)


def _run(words: list[str]) -> int:
    if words[:1] == ["check"]:
        from wdlint import replay

        status = replay.again(words)
        if status is not None:
            return status
        from wdlint.arguments import plain

        options = plain(words[1:])
        if options is not None:
            from wdlint.checking import Options, check

            return check(Options(**options), words)
    from wdlint import commands

    return commands.main(words)


def _failed(error: Exception) -> int:
    from wdlint.config import ConfigError
    from wdlint.terminal import OutputError

    if isinstance(error, ConfigError | OutputError):
        return _stopped(f"Error: {error}", 2)
    from click import Abort, ClickException

    if isinstance(error, ClickException):
        error.show()
        return 2
    if isinstance(error, Abort):
        return _stopped("interrupted", 130)
    if os.environ.get("WDLINT_TRACEBACK"):
        raise error
    kind = type(error).__name__
    return _stopped(f"Error: internal error: {kind}: {error} (WDLINT_TRACEBACK=1 shows where)", 2)


def _stopped(message: str, status: int) -> int:
    from wdlint.terminal import note

    note(message)
    return status
