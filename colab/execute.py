"""Executes notebooks and keeps what they show: `python colab/execute.py [FILE ...]`."""

import os
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat

FOLDER = Path(__file__).resolve().parent


def notebooks() -> list[Path]:
    """All notebooks of the folder."""
    return sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path, timeout: int = 900) -> nbformat.NotebookNode:
    """Runs a notebook from its first cell on, and returns it with its outputs, cleaned."""
    notebook = nbformat.read(path, as_version=4)
    paths = [str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with tempfile.TemporaryDirectory() as folder:  # for the files that a notebook writes
        client = nbclient.NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        client.execute(env={**env, "TF_CPP_MIN_LOG_LEVEL": "3"})
    return clean(notebook)


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Takes out what belongs to the machine: the log on stderr, times, kernel."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


if __name__ == "__main__":
    for file in [Path(name) for name in sys.argv[1:]] or notebooks():
        nbformat.write(execute(file), file)
        print(f"{file.name}: done")
