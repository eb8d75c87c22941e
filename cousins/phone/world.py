"""The scene that is filmed: read from a file, and left to settle."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np

from cousins.errors import UsageError


def load(path: str | Path) -> mujoco.MjModel:
    """The model of an MJCF file, or of the model.xml in a folder, as packs and exports are.

    Raises UsageError, with MuJoCo's own reason, for a file that is not there or does not compile.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "model.xml"
    if not file.is_file():
        raise UsageError(f"{file}: no such file; name a scene's MJCF (.xml), or a pack's folder")
    try:
        return mujoco.MjModel.from_xml_path(str(file))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{file}: MuJoCo does not take it: {reason}") from None


def stand(model: mujoco.MjModel, seconds: float = 0.0) -> mujoco.MjData:
    """The model in its initial state, or after so many seconds of physics.

    Raises UsageError where the physics blow up.
    """
    data = mujoco.MjData(model)
    for _ in range(round(seconds / model.opt.timestep)):
        mujoco.mj_step(model, data)
        if (
            not np.isfinite(data.qacc).all()
            or data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number
        ):
            raise UsageError(
                f"the scene does not settle: it blows up after {data.time:.3f} s;"
                " film it with no settling, or separate what interpenetrates"
            )
    mujoco.mj_forward(model, data)
    return data
