import json
import os
import re
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

import tfvae
from tfvae.distribute import cluster

DOCS = Path(__file__).parent.parent.parent / "docs"
SBATCH = DOCS / "distributed" / "train.sbatch"


@pytest.fixture(scope="module")
def kubernetes():
    documents = yaml.safe_load_all((DOCS / "distributed" / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


def test_the_parts_of_the_kubernetes_file_fit_together(kubernetes):
    service, job = kubernetes["Service"], kubernetes["Job"]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name = job["metadata"]["name"]
    assert service["metadata"]["name"] == pod["subdomain"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert service["spec"]["clusterIP"] == "None"
    (variable,) = container["env"]
    count = job["spec"]["completions"]
    assert count == job["spec"]["parallelism"] == int(variable["value"])
    assert job["spec"]["completionMode"] == "Indexed"
    (port,) = container["ports"]
    assert port["containerPort"] == service["spec"]["ports"][0]["port"]
    (volume,) = pod["volumes"]
    claim = kubernetes["PersistentVolumeClaim"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_kubernetes_file_sets_a_tf_config_that_is_read(kubernetes, tmp_path, monkeypatch):
    (container,) = kubernetes["Job"]["spec"]["template"]["spec"]["containers"]
    fake = tmp_path / "tfvae-train"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$TF_CONFIG" "$@"\n')
    fake.chmod(0o755)
    run = subprocess.run(
        [*container["command"], *container["args"]],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}", "WORKERS": "3",
            "JOB_COMPLETION_INDEX": "2",
        },
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    text, *arguments = run.stdout.splitlines()
    monkeypatch.setenv("TF_CONFIG", text)
    resolver = cluster.worker_resolver()
    hosts = [f"tfvae-{i}.tfvae:2222" for i in range(3)]
    assert resolver.cluster_spec().as_dict() == {"worker": hosts}
    assert resolver.task_id == 2
    assert "--strategy=multi_worker" in arguments


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, False), (75, True), (137, True)])
def test_the_file_for_slurm_goes_back_into_the_queue_where_that_helps(tmp_path, code, again):
    subprocess.run(["bash", "-n", SBATCH], check=True)
    for name, program in [("srun", f"exit {code}"), ("scontrol", "")]:
        fake = tmp_path / name
        fake.write_text(f'#!/bin/sh\necho {name} "$@"\n{program}\n')
        fake.chmod(0o755)
    run = subprocess.run(
        ["bash", SBATCH, "--config.epochs=3"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "17",
            "SLURM_SUBMIT_DIR": "/home/me",
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == code, run.stderr
    srun, *rest = run.stdout.splitlines()
    assert "tfvae-train --config=cifar10 --workdir=/home/me/runs/cifar10" in srun
    assert srun.endswith("--strategy=multi_worker --config.epochs=3")
    assert rest == (["scontrol requeue 17"] if again else [])


def test_the_page_names_a_cluster_that_is_read(monkeypatch):
    page = (DOCS / "distributed.md").read_text()
    (text,) = re.findall(r"TF_CONFIG='(\{.*?\}\})'", page, re.DOTALL)
    text = text.replace("'$i'", "1")
    monkeypatch.setenv("TF_CONFIG", text)
    assert cluster.worker_resolver().task_id == 1
    assert json.loads(text)["cluster"] == cluster.worker_resolver().cluster_spec().as_dict()


def test_the_lines_of_python_run(binary):
    page = (DOCS / "distributed.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    data = tfvae.data.from_arrays(np.tile(binary[:, :1, :1], (1, 8, 8, 1)), batch_size=15)
    names = {"tfvae": tfvae, "keras": keras, "train": data, "test": data}
    exec(compile(block.replace("epochs=20", "epochs=1"), "distributed.md", "exec"), names)
    assert names["vae"].distribute_strategy.num_replicas_in_sync == 2
    assert int(names["vae"].step) == 2
