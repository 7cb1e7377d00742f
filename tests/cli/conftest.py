import importlib
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from absl import app, flags

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# A run of seconds on the embedded data.
SMALL = [
    "--config.train_split=train[:256]",
    "--config.hidden=(8,)",
    "--config.latent_dim=2",
    "--config.batch_size=32",
    "--config.panels_every=0",
    "--config.evaluation.samples=2",
    "--config.evaluation.examples=20",
]


@pytest.fixture(scope="session")
def start():
    """Starts a command as its console script does, in a folder; nothing is set to quiet it."""

    def run(command, *flags, cwd, **kwargs):
        program = (
            f"import sys; sys.argv[0] = '/usr/bin/tfvae-{command}'\n"
            f"from tfvae.cli.{command} import run; sys.exit(run())"
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "PYTEST"))}
        environment["PYTHONPATH"] = ROOT
        return subprocess.Popen(
            [sys.executable, "-c", program, *flags],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **kwargs,
        )

    return run


@pytest.fixture(scope="session")
def command(start):
    """Runs a command to its end."""

    def run(name, *flags, cwd):
        process = start(name, *flags, cwd=cwd)
        out, err = process.communicate(timeout=500)
        out = re.sub(r"\x1b\[[0-9;]*m|\x08", "", out)
        return SimpleNamespace(code=process.returncode, out=out, err=err)

    return run


@pytest.fixture(scope="session")
def small():
    return list(SMALL)


@pytest.fixture(scope="session")
def test_run(command, tmp_path_factory):
    """What `tfvae-train --config=configs/test.py` does, once for all tests."""
    folder = tmp_path_factory.mktemp("test_run")
    done = command("train", "--config=configs/test.py", "--workdir=run", cwd=folder)
    return SimpleNamespace(folder=folder, workdir=folder / "run", **vars(done))


@pytest.fixture
def flagged(monkeypatch, capsys):
    """Runs a command in this process: for what ends soon."""
    # As somebody who has shared out the cores: TensorFlow has started, it is too late to do so.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")

    def run(name, *arguments):
        sys.modules.pop(f"tfvae.cli.{name}", None)
        monkeypatch.setattr(sys, "argv", [f"tfvae-{name}", *arguments])
        app.define_help_flags()
        before = set(flags.FLAGS)
        try:
            module = importlib.import_module(f"tfvae.cli.{name}")
            with pytest.raises(SystemExit) as stop:
                module.run()
        finally:
            flags.FLAGS.unparse_flags()
            for flag in set(flags.FLAGS) - before:
                delattr(flags.FLAGS, flag)
        captured = capsys.readouterr()
        return SimpleNamespace(code=stop.value.code, out=captured.out, err=captured.err)

    return run
