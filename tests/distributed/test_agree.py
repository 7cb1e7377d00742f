import json
import os

import numpy as np

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "agree.py")
DIFFERS = "worker 1 of the cluster differs from worker 0: "
# What both are told, each time.
TOLD = {
    "seed": "config.seed is 1 and not 0",
    "batch size": "config.batch_size is 6 and not 8",
    "network": "config.hidden is [5] and not [4]; config.learning_rate is 1.1 and not 0.1",
    "epochs": "config.epochs is 2 and not 1",
    "mistake": "unknown config.recipe 'veg'",
    "data": "a digest of npz:x.npz is ",
    "fit, seed": "the seed is 1 and not 0",
    "fit, momentum": "optimizer.momentum is 0.75 and not 0.625",
    "fit, epochs": "epochs is 2 and not 1",
    "fit, array": "x is float32 (8, 2, 2, 1) of digest ",
    "fit, batches": "x is 1 batches of ",
}


def test_workers_that_are_about_to_differ_are_told_so(run_workers, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 2, 2, 1), np.uint8)
    for index in range(2):
        (tmp_path / str(index)).mkdir()
        np.savez(tmp_path / str(index) / "x.npz", x=images)
        images[17, 1, 1] ^= 1
    done = run_workers(2, [PROGRAM, str(tmp_path)])
    assert [w.code for w in done] == [0, 0], "\n\n".join(w.err[-2500:] for w in done)
    found = [json.loads((tmp_path / f"{index}.json").read_text()) for index in range(2)]
    assert found[0].keys() == found[1].keys() == {*TOLD, "fit"}
    for one in found:
        assert one.pop("fit") == ["nothing", ""]
        for name, (kind, line) in one.items():
            assert kind == ("UserError" if name != "mistake" else kind), line
            assert "\n" not in line
            assert TOLD[name] in line
            assert line.startswith(DIFFERS) or name == "mistake"
    assert not (tmp_path / "run").exists()
