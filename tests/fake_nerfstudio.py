"""A stand-in for nerfstudio's commands: the same arguments, files and output, in a second.

What it prints and the files that it writes were recorded from version 1.1.5. MODE says how it
fails; CALLS is a file to which each call adds its arguments as a line of JSON; WORLD holds the
mesh that it "finds", in the world of the views.
"""

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

MODE, CALLS, WORLD = "FAKE_NERFSTUDIO_MODE", "FAKE_NERFSTUDIO_CALLS", "FAKE_NERFSTUDIO_WORLD"
HEAD = (
    "/env/site-packages/nerfstudio/field_components/activations.py:32: FutureWarning: "
    "`torch.cuda.amp.custom_fwd(args...)` is deprecated.\n"
    "[09:23:19] Using --data alias for --data.pipeline.datamanager.data   train.py:234\n"
    "Step (% Done)       Train Iter (time)    ETA (time)           \n"
    "--------------------------------------------------------------\n"
)
MEMORY = "RuntimeError: [enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate"
MEMORY += " memory: you tried to allocate 536870912 bytes. Error code 12 (Cannot allocate memory)"
TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n'


def install(folder: Path) -> Path:
    """The commands in `folder`/bin. Returns `folder`."""
    (folder / "bin").mkdir(parents=True)
    for name in ("ns-train", "ns-export"):
        file = folder / "bin" / name
        file.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
        file.chmod(0o755)
    python = folder / "bin" / "python"
    python.write_text('#!/bin/sh\ncase "$*" in *version*) echo 1.1.5;; *) echo cpu;; esac\n')
    python.chmod(0o755)
    return folder


def train(arguments):
    method, rest = arguments[0], arguments[1:]
    split = rest.index("nerfstudio-data")
    assert method in ("nerfacto", "depth-nerfacto")
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name, kind in {
        "data": Path, "output-dir": Path, "experiment-name": str, "timestamp": str, "vis": str,
        "machine.device-type": str, "max-num-iterations": int, "steps-per-save": int,
        "steps-per-eval-batch": int, "steps-per-eval-image": int, "steps-per-eval-all-images": int,
        "logging.steps-per-log": int, "logging.local-writer.max-log-size": int,
        "mixed-precision": str, "pipeline.model.camera-optimizer.mode": str,
        "pipeline.model.near-plane": float, "pipeline.model.num-nerf-samples-per-ray": int,
        "pipeline.datamanager.train-num-rays-per-batch": int,
        "pipeline.model.implementation": str, "pipeline.model.far-plane": float,
        "pipeline.model.background-color": str, "pipeline.model.num-levels": int,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--pipeline.model.num-proposal-samples-per-ray", type=int, nargs="+")
    for name, kind in {
        "load-dir": Path, "pipeline.model.log2-hashmap-size": int,
        "pipeline.model.proposal-weights-anneal-max-num-iters": int,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=kind)
    own = {
        "optimizers.fields.scheduler.max-steps": int,
        "optimizers.fields.scheduler.lr-final": float,
        "optimizers.proposal-networks.scheduler.max-steps": int,
        "optimizers.proposal-networks.scheduler.lr-final": float,
    }
    if method == "depth-nerfacto":
        own = {
            "pipeline.model.depth-loss-mult": float, "pipeline.model.should-decay-sigma": str,
            "pipeline.model.sigma-decay-rate": float, "pipeline.model.depth-sigma": float,
            "pipeline.model.starting-depth-sigma": float,
        }  # fmt: skip
    for name, kind in own.items():
        parser.add_argument(f"--{name}", type=kind)
    given = vars(parser.parse_args(rest[:split]))
    views = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("eval-mode", "center-method", "orientation-method", "auto-scale-poses"):
        views.add_argument(f"--{name}", required=True)
    views.add_argument("--depth-unit-scale-factor", required=True)
    views = vars(views.parse_args(rest[split + 1 :]))
    assert list(views.values()) == ["all", "none", "none", "False", "1.0"], views

    told = json.loads((given["data"] / "transforms.json").read_text())
    for frame in told["frames"]:
        head = (given["data"] / frame["file_path"]).read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", head[16:]) == (told["w"], told["h"])
        deep = "depth_file_path" in frame
        assert deep == (method == "depth-nerfacto")
        assert not deep or (given["data"] / frame["depth_file_path"]).exists()
    run = given["output_dir"] / given["experiment_name"] / method / given["timestamp"]
    steps = run / "nerfstudio_models"
    steps.mkdir(parents=True, exist_ok=True)
    (run / "config.yml").write_text("!!python/object:nerfstudio.engine.trainer.TrainerConfig\n")
    first = 0
    if given["load_dir"]:
        first = 1 + max(int(f.stem[5:]) for f in given["load_dir"].glob("step-*.ckpt"))
    last = first + given["max_num_iterations"] - 1
    print(HEAD, end="", flush=True)
    mode = os.environ.get(MODE, "")
    for step in range(first, last + 1, max(given["logging.steps_per_log"], 1)):
        share = 100 * step / (last + 1)
        print(f"{step} ({share:.2f}%)         29 s, 635.202 ms     4 m, 56 s            166.89    ")
        sys.stdout.flush()
        if mode == "hang":
            child = subprocess.Popen(["sleep", "600"])
            Path(os.environ[CALLS]).with_suffix(".pids").write_text(f"{os.getpid()} {child.pid}")
            time.sleep(600)
        if mode == "half" and step >= last // 2:
            save(steps, step)
            sys.exit("RuntimeError: half way")
    if mode == "fail":
        sys.exit(TRACE + "RuntimeError: operator torchvision::nms does not exist")
    if mode == "memory":
        sys.exit(TRACE + MEMORY)
    if mode == "killed":
        os.kill(os.getpid(), 9)
    if mode == "disk":
        sys.exit(TRACE + "OSError: [Errno 28] No space left on device: 'out'")
    transform = {"transform": told["applied_transform"], "scale": told["applied_scale"]}
    (run / "dataparser_transforms.json").write_text(json.dumps(transform))
    if mode != "no checkpoint":
        save(steps, last)
    print("╭────── \U0001f389 Training Finished \U0001f389 ──────╮")


def save(steps, step):
    for old in steps.iterdir():
        old.unlink()
    with zipfile.ZipFile(steps / f"step-{step:09d}.ckpt", "w") as file:
        file.writestr("archive/data.pkl", "")


def export(arguments):
    assert arguments[0] == "poisson"
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name, kind in {
        "load-config": Path, "output-dir": Path, "num-points": int, "remove-outliers": str,
        "normal-method": str, "texture-method": str,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, required=True)
    for name in ("center", "rotation", "scale"):
        parser.add_argument(f"--obb-{name}", type=float, nargs=3, required=True)
    given = parser.parse_args(arguments[1:])
    mode = os.environ.get(MODE, "")
    run = given.load_config.parent
    assert list((run / "nerfstudio_models").glob("step-*.ckpt"))
    assert given.texture_method == "point_cloud"
    assert given.normal_method == "open3d"
    if mode == "no export":
        sys.exit("✅ Done loading checkpoint\nRuntimeError: no points")
    if mode == "no end":
        time.sleep(600)
    told = json.loads((run / "dataparser_transforms.json").read_text())
    world = json.loads(Path(os.environ[WORLD]).read_text())
    rows, scale = told["transform"], told["scale"]
    vertices = [[scale * (sum(r[i] * v[i] for i in range(3)) + r[3]) for r in rows]
                for v in world["vertices"]]  # fmt: skip
    faces = [] if mode == "empty" else world["faces"]
    if mode == "nan":
        vertices[0][0] = float("nan")
    given.output_dir.mkdir(exist_ok=True)
    with (given.output_dir / "poisson_mesh.ply").open("wb") as file:
        head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n"
        head += "".join(f"property double {axis}\n" for axis in "xyz")
        head += f"element face {len(faces)}\nproperty list uchar uint vertex_indices\nend_header\n"
        file.write(head.encode())
        for vertex in vertices:
            file.write(struct.pack("<3d", *vertex))
        for face in faces:
            file.write(struct.pack("<B3I", 3, *face))
    if mode == "no mesh":
        shutil.rmtree(given.output_dir)
    if mode == "damaged":
        (given.output_dir / "poisson_mesh.ply").write_bytes(head.encode()[:60])
    print("✅ Saving Mesh")


if __name__ == "__main__":
    command = Path(sys.argv[0]).name
    with open(os.environ[CALLS], "a") as calls:
        calls.write(json.dumps([command, *sys.argv[1:]]) + "\n")
    {"ns-train": train, "ns-export": export}[command](sys.argv[1:])
