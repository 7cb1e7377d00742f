"""What the three commands share: parsing, quiet start-up, and errors as one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import app, flags

import tfvae
from tfvae.cli.quiet import import_quietly
from tfvae.errors import UserError

__all__ = ["run_command"]

INTERRUPTED = 130  # what a shell expects after Ctrl-C


def find_config(path: str) -> str:
    """Finds a configuration file: where the path says, or among those that come with the package.

    Args:
        path: Such as `configs/mnist.py`, or `mnist`.

    Returns:
        The path of the file; the one given where there is none, for the message to name it.
    """
    if Path(path).exists():
        return path
    package = Path(tfvae.__file__).parent
    for folder in (package / "configs", package.parent / "configs"):
        found = folder / f"{Path(path).stem}.py"
        if found.exists():
            return str(found)
    return path


def _known_configs() -> list[str]:
    package = Path(tfvae.__file__).parent
    folders = (package / "configs", package.parent / "configs")
    return sorted({p.stem for f in folders for p in f.glob("*.py") if p.stem != "__init__"})


def _resolved(argument: str) -> str:
    """Puts the path of the file in place of the configuration's name."""
    name, equals, value = argument.partition("=")
    if name.lstrip("-") != "config" or not equals:
        return argument
    path = find_config(value)
    if not Path(path).exists():
        raise flags.Error(
            f"no configuration at {value!r}: give the path of a file, or one of "
            f"{', '.join(_known_configs())}"
        )
    return f"{name}={path}"


def _parse(argv: Sequence[str]) -> list[str]:
    """Parses the flags; a mistake in them ends the command with one line."""
    try:
        return flags.FLAGS([_resolved(argument) for argument in argv])
    except flags.Error as error:
        message = str(error)
    except AttributeError as error:
        # How ml_collections says that a field is unknown.
        unknown = re.search(r"\w+", str(error))
        near = re.search(r'Did you mean "(\w+)"', str(error))
        message = f"the configuration has no field {unknown[0]!r}" if unknown else str(error)
        message += f": did you mean {near[1]!r}?" if near else ""
    except Exception as error:  # the configuration file is Python of the user's own
        message = f"cannot read the configuration: {type(error).__name__}: {error}"
    print(f"error: {message}\n--help lists the flags", file=sys.stderr)
    sys.exit(2)


def run_command(main: Callable[[], int | None]) -> None:
    """Runs the main function of a command; a user's mistake ends it with one line.

    Args:
        main: The function; it imports TensorFlow itself, after the flags have been read.
    """

    def guarded(argv: Sequence[str]) -> int | None:
        if len(argv) > 1:
            print(f"error: unexpected argument {argv[1]!r}: flags begin with --", file=sys.stderr)
            return 2
        try:
            import_quietly()
            return main()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            return INTERRUPTED

    app.run(guarded, flags_parser=_parse)
