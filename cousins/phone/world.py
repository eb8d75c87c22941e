"""The scene that is filmed: read from a file, and left to settle."""

from __future__ import annotations

from pathlib import Path

import mujoco

from cousins.errors import CousinsError
from cousins.scene import quiet

_BAD = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)


def load(path: str | Path) -> mujoco.MjModel:
    """The model of an MJCF file, or of the model.xml in a folder, as packs and exports are.

    Raises CousinsError, with MuJoCo's own reason, for a file that is not there or does not compile.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "model.xml"
    if not file.is_file():
        raise CousinsError(f"{file}: no such file; name a scene's MJCF (.xml), or a pack's folder")
    try:
        return mujoco.MjModel.from_xml_path(str(file))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise CousinsError(f"{file}: MuJoCo does not take it: {reason}") from None


def stand(model: mujoco.MjModel, seconds: float = 0.0) -> mujoco.MjData:
    """The model in its initial state, or after so many seconds of physics.

    Raises CousinsError where the physics blow up.
    """
    data = mujoco.MjData(model)
    with quiet():
        for _ in range(round(seconds / model.opt.timestep)):
            mujoco.mj_step(model, data)
            if any(data.warning[kind].number for kind in _BAD):
                raise CousinsError(
                    "the scene does not settle: its physics blow up; film it with no settling, or"
                    " separate what interpenetrates"
                )
    mujoco.mj_forward(model, data)
    return data
