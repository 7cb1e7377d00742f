"""What is written down of files, with a checksum of the record itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tfvae.errors import UserError
from tfvae.files import checksum, kind_of, read_json, write_whole

__all__ = ["Checksums", "checked", "record_of", "sealed", "unsealed"]

SEAL = "record_sha256"


def sealed(record: dict) -> str:
    """The text of a record: JSON, with the checksum of all the rest in it."""
    return json.dumps({**record, SEAL: _digest(record)}) + "\n"


def unsealed(path: Path) -> dict:
    """Reads a record.

    Args:
        path: The file.

    Returns:
        The record, as it was written.

    Raises:
        UserError: If it is not what was written; the reason without the name.
        OSError: If it cannot be read.
    """
    record = read_json(path)
    if not isinstance(record, dict):
        raise UserError("it is no record")
    seal = record.pop(SEAL, None)
    if seal is None:
        raise UserError("it has no checksum of its own")
    if seal != _digest(record):
        raise UserError("its own checksum is another")
    return record


def _digest(record: dict) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def record_of(path: Path) -> Path:
    """Where the record of a checkpoint stands: beside it."""
    return path.with_suffix(".json")


def checked(path: Path, batches: int | None = None) -> dict:
    """The record of a checkpoint whose bytes are those that were written.

    Args:
        path: The checkpoint.
        batches: Those that its name tells; None where it tells none.

    Returns:
        The record.

    Raises:
        UserError: If the record or the checkpoint is damaged or of another step.
        OSError: If one of them cannot be read.
    """
    kind = kind_of(path)
    if kind not in ("a file", "a link"):
        raise UserError(f"it is {kind or 'not there'}")
    try:
        record = unsealed(record_of(path))
    except FileNotFoundError:
        raise UserError("it has no record beside it") from None
    except UserError as error:
        raise UserError(f"the record beside it: {error}") from None
    if record.get("sha256") != checksum(path):
        raise UserError("its checksum is another")
    if batches is not None and record.get("batches") != batches:
        raise UserError(f"it was written after {record.get('batches')} batches, not {batches}")
    return record


class Checksums:
    """The checksums of a folder's files, in a file of their own.

    For each name the last two are kept: a kill may fall between the checksum, which is written
    first, and the file.

    Args:
        path: The file of checksums.
    """

    def __init__(self, path: Path):
        self.path = path

    def note(self, name: str, digest: str) -> None:
        """Writes down what a file will be.

        Args:
            name: Its name.
            digest: Its checksum.
        """
        known = self._known()
        known[name] = [*[d for d in known.get(name, []) if d != digest][-1:], digest]
        write_whole(self.path, sealed(known))

    def damage(self, path: Path) -> str | None:
        """What is wrong with a file, in words; None where it is the one that was written.

        Args:
            path: The file; one without a checksum passes if it is a file.

        Raises:
            UserError: If the checksums themselves are damaged.
        """
        digests = self._known().get(path.name)
        try:
            digest = checksum(path)
        except UserError as error:
            return str(error)
        except OSError as error:
            return error.strerror or type(error).__name__
        return None if digests is None or digest in digests else "its checksum is another"

    def _known(self) -> dict[str, list[str]]:
        if kind_of(self.path) is None:
            return {}
        try:
            return unsealed(self.path)
        except (UserError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(
                f"{str(self.path)!r} is damaged ({reason}): delete it, and the files beside it "
                "are taken as they are"
            ) from error
