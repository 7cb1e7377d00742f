"""Keeps TensorFlow's start-up noise off the user's screen."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings

__all__ = ["import_quietly"]


@contextlib.contextmanager
def _stderr_held():
    """Holds back what is written to the process's stderr; shows it if the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def import_quietly() -> None:
    """Imports TensorFlow and starts its runtime without a word, unless that fails.

    Its C++ libraries write information lines to stderr before any logging level applies, so the
    file descriptor itself is held back meanwhile.
    """
    # C++ errors that matter come as Python exceptions too.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _stderr_held(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow as tf
        import tensorflow_probability  # noqa: F401 - imported for its own lines

        tf.config.list_physical_devices()
        tf.get_logger().setLevel("ERROR")
