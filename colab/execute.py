"""Executes notebooks: `python colab/execute.py [FILE ...] [--out=FOLDER]`.

What they show is written to files of the same name in the folder, and never over the notebooks
themselves: one that fails in the middle, or is being edited meanwhile, stays as it is.
"""

import argparse
import os
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


def main(arguments: list[str] | None = None) -> None:
    """Executes what the command line names."""
    parser = argparse.ArgumentParser(
        description="Executes notebooks; their files stay as they are."
    )
    parser.add_argument("files", nargs="*", type=Path, help="by default, all of this folder")
    parser.add_argument(
        "--out", type=Path, help="folder for what they show; by default they are only run"
    )
    options = parser.parse_args(arguments)
    files = options.files or notebooks()
    for file in files:
        if options.out is not None and (options.out / file.name).resolve() == file.resolve():
            parser.error(f"--out={options.out} is the folder of {file}: name another")
    for file in files:
        executed = execute(file)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            nbformat.write(executed, options.out / file.name)
        print(f"{file.name}: done")


if __name__ == "__main__":
    main()
