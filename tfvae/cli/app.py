"""What the three commands share: parsing, help, quiet start-up, and errors as one line."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import app, flags

import tfvae
from tfvae.cli.listing import width
from tfvae.cli.quiet import import_quietly
from tfvae.errors import LostWorkerError, UserError, readable_errors, unknown_name

__all__ = ["known_configs", "run_command"]

INTERRUPTED = 130  # what a shell expects after Ctrl-C
TRY_AGAIN = PREEMPTED = 75  # after SIGTERM: "a temporary failure" in sysexits.h
VERSION = ("--version", "-version")
HELP = ("--help", "-help", "-h", "--helpshort")


def _config_folders() -> list[Path]:
    package = Path(tfvae.__file__).parent
    return [package / "configs", package.parent / "configs"]


def known_configs() -> list[str]:
    """The names of the configurations that come with the package."""
    folders = _config_folders()
    return sorted({p.stem for f in folders for p in f.glob("*.py") if p.stem != "__init__"})


def find_config(path: str) -> str:
    """Finds a configuration file: where the path says, or among those that come with the package.

    Args:
        path: Such as `configs/mnist.py`, or `mnist`.

    Returns:
        The path of the file.

    Raises:
        UserError: If there is no such file.
    """
    if Path(path).is_file():
        return path
    if str(Path(path).parent) in (".", "configs"):
        for folder in _config_folders():
            found = folder / f"{Path(path).stem}.py"
            if found.is_file():
                return str(found)
    unknown = unknown_name("configuration", Path(path).stem, known_configs())
    raise UserError(f"no file {path!r}: {unknown}")


def _resolved(argv: Sequence[str]) -> list[str]:
    """Puts the path of the file in place of the configuration's name."""
    arguments = list(argv)
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name.startswith(("--config.", "-config.")) and not re.fullmatch(r"-+[\w.\[\]]+", name):
            field = name.partition(".")[2]
            raise UserError(
                f"the configuration has no field {field!r}: did you mean "
                f"{field.replace('-', '_')!r}?"
            )
        if name in ("--config", "-config"):
            if equals:
                arguments[i] = f"{name}={find_config(value)}"
            elif i + 1 < len(arguments):
                arguments[i + 1] = find_config(arguments[i + 1])
    return arguments


def _parse(argv: Sequence[str]) -> list[str]:
    """Parses the flags; a mistake in them ends the command with one line."""
    try:
        return flags.FLAGS(_resolved(argv))
    except (flags.Error, UserError) as error:
        message = str(error)
    except AttributeError as error:
        # ml_collections raises this for an unknown field.
        unknown = re.search(r"\w+", str(error))
        near = re.search(r'Did you mean "(\w+)"', str(error))
        message = f"the configuration has no field {unknown[0]!r}" if unknown else str(error)
        message += f": did you mean {near[1]!r}?" if near else ""
    except Exception as error:  # the configuration file is the user's Python code
        message = f"cannot read the configuration: {type(error).__name__}: {error}"
    print(f"error: {' '.join(message.split())}\n--help lists the flags", file=sys.stderr)
    sys.exit(2)


def _help(title: str, holders: Sequence[flags.FlagHolder]) -> str:
    """The command's own flags; absl would list those of the file that was started."""
    lines = [*textwrap.wrap(title.replace("`", ""), width()), ""]
    for holder in holders:
        flag = flags.FLAGS[holder.name]
        lines.append(f"  --{flag.name}" + ("" if flag.default is None else f"={flag.value}"))
        lines += textwrap.wrap(
            flag.help, width(), initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    lines += ["  --version", "      Prints the version."]
    if "config" in flags.FLAGS:
        lines += [
            "  --list, --list=NAME",
            *textwrap.wrap(
                "Prints the names of all recipes, datasets, likelihoods, posteriors, priors, "
                "objectives and configurations; or what one of them takes.",
                width(),
                initial_indent=" " * 6,
                subsequent_indent=" " * 6,
            ),
            "",
            *textwrap.wrap(f"Configurations: {', '.join(known_configs())}", width()),
        ]
    return "\n".join(lines)


def run_command(main: Callable[[], int | None], title: str, *holders: flags.FlagHolder) -> None:
    """Runs the main function of a command; a user's mistake ends it with one line.

    Args:
        main: The function; it imports TensorFlow itself, after the flags have been read.
        title: What the command is called and does, for its help.
        *holders: The command's flags, in the order of its help.
    """
    if any(argument in HELP for argument in sys.argv[1:]):
        print(_help(title, holders))
        sys.exit(0)
    if any(argument in VERSION for argument in sys.argv[1:]):
        print(f"tfvae {tfvae.__version__}")
        sys.exit(0)

    def guarded(argv: Sequence[str]) -> int | None:
        if len(argv) > 1:
            print(f"error: unexpected argument {argv[1]!r}: flags begin with --", file=sys.stderr)
            return 2
        try:
            import_quietly()
            with readable_errors():
                return main()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return TRY_AGAIN if isinstance(error, LostWorkerError) else 1
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            return INTERRUPTED

    app.run(guarded, flags_parser=_parse)
