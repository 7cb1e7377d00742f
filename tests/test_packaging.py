import ast
import importlib
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import tfvae

ROOT = Path(__file__).parent.parent
# What is imported under another name than it is installed under.
IMPORTED_AS = {"absl-py": "absl", "scikit-learn": "sklearn"}


def run(*command, **kwargs):
    """Runs a command as a user would: nothing of this process's settings for TensorFlow or make."""
    own = ("TF_", "MAKE", "MFLAGS", "PYTHONPATH", "PYTHONWARNINGS")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    environment.update(kwargs.pop("env", {}))
    return subprocess.run(
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=120,
        **kwargs,
    )


@pytest.fixture(scope="module")
def metadata():
    """What setup.py hands to setuptools."""
    patch = pytest.MonkeyPatch()
    taken = {}
    with patch.context() as patched:
        patched.chdir(ROOT)
        patched.setattr(setuptools, "setup", lambda **kwargs: taken.update(kwargs))
        runpy.run_path(str(ROOT / "setup.py"))
    return taken


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what `pip install .` puts into site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    done = run(sys.executable, "setup.py", "-q", "build_py", "--build-lib", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder


def test_metadata(metadata):
    assert metadata["name"] == "tfvae"
    assert metadata["version"] == tfvae.__version__
    assert metadata["license"] == "Apache-2.0"
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def test_python_versions(metadata):
    allowed = SpecifierSet(metadata["python_requires"])
    versions = [f"3.{minor}" for minor in range(8, 17)]
    assert [v for v in versions if v in allowed] == ["3.10", "3.11", "3.12", "3.13"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(metadata["classifiers"]))
    assert named == ["3.10", "3.11", "3.12", "3.13"]


def test_every_import_is_required_and_every_requirement_is_used(metadata):
    imported = set()
    for file in (ROOT / "tfvae").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    imported -= {*sys.stdlib_module_names, "tfvae"}
    names = [Requirement(r).name for r in metadata["install_requires"]]
    required = {IMPORTED_AS.get(name, name).replace("-", "_") for name in names}
    # tf.summary, which writes the logs, imports it; TensorFlow does not bring it.
    assert imported == required - {"tensorboard"}


@pytest.mark.parametrize("extra", ["docs", "gpu", "notebooks", "test"])
def test_extras_are_requirements(metadata, extra):
    requirements = [Requirement(r) for r in metadata["extras_require"][extra]]
    assert len(requirements) > 0
    assert extra != "gpu" or requirements[0].extras == {"and-cuda"}


@pytest.mark.parametrize("command", ["train", "evaluate", "sample"])
def test_console_scripts_resolve(metadata, command):
    scripts = dict(s.split("=") for s in metadata["entry_points"]["console_scripts"])
    assert len(scripts) == 3
    module, function = scripts[f"tfvae-{command}"].split(":")
    # In a process of its own: each command defines its flags when it is imported.
    program = f"import {module} as m; print(callable(m.{function}))"
    done = run(sys.executable, "-c", program, env={"PYTHONPATH": str(ROOT)})
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_everything_is_installed(installed):
    sources = {p.relative_to(ROOT) for p in (ROOT / "tfvae").rglob("*.py")}
    configs = {Path("tfvae/configs") / p.name for p in (ROOT / "configs").glob("*.py")}
    assert {p.relative_to(installed) for p in installed.rglob("*.py")} == sources | configs
    assert len(configs) > 5


def test_an_installed_command_finds_the_configs(installed, tmp_path):
    program = (
        "import tfvae.cli.app as app\n"
        "for name in ['configs/mnist.py', 'digits']: print(app.find_config(name))"
    )
    environment = {"PYTHONPATH": str(installed)}
    done = run(sys.executable, "-c", program, env=environment, cwd=tmp_path)
    folder = installed / "tfvae" / "configs"
    assert done.stdout.split() == [str(folder / "mnist.py"), str(folder / "digits.py")], done


def test_importing_says_nothing(tmp_path):
    done = run(sys.executable, "-c", "import tfvae", env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_reading_a_configuration_starts_no_tensorflow(tmp_path):
    # The commands import it with its noise held back, and set its threads first.
    program = "import configs.mnist, sys; print('tensorflow' in sys.modules)"
    done = run(sys.executable, "-c", program, env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    assert done.stdout.split() == ["False"], done


@pytest.mark.parametrize("name", tfvae.__all__)
def test_public_names_are_there(name):
    assert getattr(tfvae, name) is not None
    assert name in dir(tfvae)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="vea"):
        tfvae.vea  # noqa: B018
    for wrong in ("Vae", "vea"):
        with pytest.raises(AttributeError, match="did you mean 'VAE'"):
            getattr(tfvae, wrong)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tfvae.vea")


def test_ci_entry_can_be_run():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert run("bash", "-n", script).returncode == 0


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
class TestMake:
    def make(self, tmp_path, *arguments, **env):
        return run("make", f"VENV={tmp_path / 'venv'}", *arguments, cwd=ROOT, env=env)

    def test_says_what_it_does(self, tmp_path):
        done = self.make(tmp_path)
        for line in ("make train", "make test", "make clean"):
            assert line in done.stdout
        assert not (tmp_path / "venv").exists()

    def test_says_which_python_is_missing(self, tmp_path):
        (tmp_path / "bin").mkdir()
        for tool in ("make", "sh", "touch"):
            (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
        none = self.make(tmp_path, "train", PATH=str(tmp_path / "bin"))
        wrong = self.make(tmp_path, "train", "PYTHON=/not/there/python")
        for done, reason in [(none, "none was found"), (wrong, "/not/there/python is none")]:
            assert done.returncode == 2
            message, error = done.stderr.splitlines()
            assert message.startswith("tfvae needs Python 3.10, 3.11, 3.12 or 3.13")
            assert reason in message
            assert error.startswith("make: ***")
            assert done.stdout == ""
        assert not (tmp_path / "venv").exists()

    def test_installs_again_only_when_setup_changed(self, tmp_path):
        venv = tmp_path / "venv"
        (venv / "bin").mkdir(parents=True)
        for stamp in ("created", "installed", "installed-test"):
            (venv / stamp).touch()
        assert "Installing" not in self.make(tmp_path, "--dry-run", "train").stdout
        assert "Installing" not in self.make(tmp_path, "--dry-run", "test").stdout
        changed = self.make(tmp_path, "--dry-run", "--what-if=setup.py", "train").stdout
        assert "Installing" in changed
        assert "-m venv" not in changed
        assert changed.index("pip install") < changed.index("tfvae-train --config=")
