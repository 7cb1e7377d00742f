import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def tf_config(count, chiefs):
    hosts = [f"127.0.0.1:{port}" for port in free_ports(count)]
    jobs = {"chief": hosts[:chiefs], "worker": hosts[chiefs:]}
    jobs = {kind: of for kind, of in jobs.items() if of}
    for kind, of in jobs.items():
        for index in range(len(of)):
            task = {"cluster": jobs, "task": {"type": kind, "index": index}}
            yield {"TF_CONFIG": json.dumps(task)}


def slurm(count):
    free = next(p for p in range(15000, 31000, 16) if all(map(is_free, range(p, p + count))))
    for index in range(count):
        yield {
            "SLURM_JOB_ID": str((free - 15000) // 16),
            "SLURM_PROCID": str(index),
            "SLURM_STEP_NUM_TASKS": str(count),
            "SLURM_STEP_NODELIST": "localhost",
            "SLURM_STEP_TASKS_PER_NODE": str(count),
        }


def is_free(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


# Who sets the variables that say what the cluster is; the first process is the chief.
MANAGERS = {
    "workers": lambda count: tf_config(count, 0),
    "chief and workers": lambda count: tf_config(count, 1),
    "slurm": slurm,
}


@pytest.fixture(scope="session")
def start_workers():
    """Starts a command in processes that are a cluster on loopback."""
    started = []

    def start(count, arguments, *, manager="workers", cwd=None):
        processes = []
        for variables in MANAGERS[manager](count):
            environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
            environment |= {
                "PYTHONPATH": ROOT, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1",
                **variables,
            }  # fmt: skip
            processes.append(
                subprocess.Popen(
                    [sys.executable, *arguments], cwd=cwd, env=environment, text=True,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                )
            )  # fmt: skip
        started.extend(processes)
        return processes

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()


def ended(processes, timeout=560):
    """The exit code and the output of each process."""
    done = []
    for process in processes:
        out, err = process.communicate(timeout=timeout)
        out = re.sub(r"\x1b\[[0-9;]*m|\x08", "", out)
        done.append(SimpleNamespace(code=process.returncode, out=out, err=err))
    return done


@pytest.fixture(scope="session")
def run_workers(start_workers):
    """Runs a command in the processes of a cluster to its end."""
    return lambda *args, **kwargs: ended(start_workers(*args, **kwargs))


@pytest.fixture(scope="session")
def wait_for_workers():
    return ended


@pytest.fixture(scope="session")
def program():
    """The module that the workers run."""
    path = os.path.join(HERE, "program.py")
    spec = importlib.util.spec_from_file_location("distributed_program", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
