"""The truth beside a film: where each object is, and what it stands on."""

import json

import mujoco
import numpy as np
import pytest

from cousins import phone
from cousins.mesh import matrix_from_quaternion

TABLE = '<geom name="table" type="box" size=".6 .4 .01" pos="0 0 .71"/>'
FLOOR = '<geom type="plane" size="3 3 .1"/>'


def free(name, geom, at):
    return f'<body name="{name}" pos="{at}"><freejoint/>{geom}</body>'


def cube(name, at, half=0.05):
    return free(name, f'<geom type="box" size="{half} {half} {half}"/>', at)


def truth(*parts, settle=0.0):
    model = mujoco.MjModel.from_xml_string(
        f"<mujoco><worldbody>{''.join(parts)}</worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    for _ in range(round(settle / model.opt.timestep)):
        mujoco.mj_step(model, data)
    mujoco.mj_forward(model, data)
    found = json.loads(json.dumps(phone.truth(model, data)))
    return found, {o["name"]: o for o in found["objects"]}


def bowl(at):
    """A bowl of ten staves and a base, open at the top."""
    parts = ['<geom type="cylinder" size=".04 .004" pos="0 0 .004"/>']
    for k in range(10):
        a = 36 * k
        x, y = 0.062 * np.cos(np.radians(a)), 0.062 * np.sin(np.radians(a))
        parts.append(f'<geom type="box" size=".004 .022 .035" pos="{x} {y} .036"'
                     f' xyaxes="{x} {y} .02 {-y} {x} 0"/>')  # fmt: skip
    return free("bowl", "".join(parts), at)


@pytest.mark.parametrize("settle", [0.0, 0.5])
def test_a_box_on_a_box_on_a_table(settle):
    """Placed exactly, with no force between them yet, and after physics let them sink in."""
    found, by_name = truth(
        FLOOR, TABLE, cube("low", "0 0 .77"), cube("high", ".02 0 .86", 0.04), settle=settle
    )
    assert by_name["low"]["support"] == "table"
    assert by_name["high"]["support"] == "low"
    assert found["supports"] == [{"name": "table", "height": pytest.approx(0.72, abs=1e-3)}]
    assert found["support_height"] == pytest.approx(0.72, abs=1e-6)


@pytest.mark.parametrize("settle", [0.0, 1.0])
def test_a_ball_in_a_bowl_stands_on_the_bowl(settle):
    ball = free("ball", '<geom type="sphere" size=".03"/>', "0.01 0 .7580")
    _, by_name = truth(TABLE, bowl("0 0 .72"), ball, settle=settle)
    assert by_name["ball"]["support"] == "bowl"
    assert by_name["bowl"]["support"] == "table"


def test_what_leans_on_a_wall_stands_on_the_floor():
    wall = '<geom name="wall" type="box" size=".01 1 1" pos="-.01 0 0"/>'
    _, by_name = truth(FLOOR, wall, cube("box", ".05 0 .05"), settle=0.2)
    assert by_name["box"]["support"] == "geom_0"


def test_the_larger_load_decides():
    """A plank on two boxes stands on the one that it lies farther over."""
    plank = free("plank", '<geom type="box" size=".2 .03 .01"/>', ".04 0 .1099")
    _, by_name = truth(FLOOR, cube("a", "-.12 0 .05"), cube("b", ".12 0 .05"), plank, settle=0.3)
    assert by_name["plank"]["support"] == "b"
    assert by_name["a"]["support"] == by_name["b"]["support"] == "geom_0"


def test_a_gap_too_small_to_see_is_bridged_and_the_air_is_not():
    _, by_name = truth(TABLE, cube("near", "0 0 .772"), cube("flying", ".3 0 .85"))
    assert by_name["near"]["support"] == "table"
    assert by_name["flying"]["support"] is None


def test_pose_and_two_heights():
    turned = free("box", '<geom type="box" size=".05 .04 .03"/>', '.1 .2 .75" euler="0 0 30')
    found, by_name = truth(FLOOR, TABLE, turned, cube("down", "1 1 .05"))
    box = by_name["box"]
    assert box["position"] == pytest.approx([0.1, 0.2, 0.75])
    corner = matrix_from_quaternion(np.array(box["quaternion"])) @ [0.05, 0.04, 0.03]
    corner += box["position"]
    assert np.abs(np.array(box["vertices"]) - corner).sum(1).min() < 1e-5
    heights = {s["name"]: s["height"] for s in found["supports"]}
    assert heights == {"table": pytest.approx(0.72), "geom_0": pytest.approx(0, abs=1e-9)}


def test_friction_is_that_of_what_collides():
    geoms = ('<geom type="box" size=".05 .05 .05" friction=".4" group="3"/>'
             '<geom type="box" size=".05 .05 .05" contype="0" conaffinity="0"/>')  # fmt: skip
    _, by_name = truth(TABLE, free("box", geoms, "0 0 .77"))
    assert by_name["box"]["friction"] == pytest.approx(0.4)
