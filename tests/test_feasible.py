"""What an expert could do is kept in the pack, and cousins in which it could not are left out."""

import json

import pytest
from cousins.cli import main as cli
from robotic import robotic_family, write_robotic
from typer.testing import CliRunner

from cousins import pack as packs
from cousins.env import make_vec
from cousins.errors import PackError, UsageError
from cousins.feasible import keep, tried
from cousins.pack import Feasibility, read, write_families, write_feasible


@pytest.fixture
def pack(tmp_path):
    return read(write_robotic(tmp_path / "p"))


def marked(pack, infeasible, task="lift:brick_1"):
    """The pack, as if the expert had done it in all cousins but these."""
    found = tried(pack, task, "gantry", cousins=2, twin=1, tries=1, threads=1)
    entry = found.entry.model_copy(
        update={"tried": tuple(range(6)), "infeasible": tuple(infeasible)}
    )
    write_feasible(pack, [entry])
    return read(pack.path)


def test_what_was_tried_is_told_and_kept(pack):
    found = tried(pack, "lift", "gantry", cousins=4, twin=3, seed=5, threads=1)
    assert found.task == "lift:brick_1"
    assert found.said == "pick up the test object (brick_1)"
    assert (found.twin.successes, found.twin.trials) == (3, 3)
    assert (found.cousins.successes, found.cousins.trials) == (4, 4)
    assert found.twin.low < 1 == found.twin.high
    assert found.failures == {}
    assert found.entry.tried == (0, 2, 3, 5)
    assert found.entry.infeasible == ()
    assert found.entry.settings["object"] == "brick_1"
    keep(pack, [found])
    again = read(pack.path)
    assert again.feasible == (found.entry,)
    keep(again, [tried(again, "lift", "gantry", cousins=1, twin=1, tries=1, threads=1)])
    assert [entry.tried for entry in read(pack.path).feasible] == [(0,)]


def test_the_same_seed_finds_the_same(pack):
    how = {"cousins": 3, "twin": 2, "threads": 1, "limit": 1.45, "tries": 2}
    one, other = (tried(pack, "lift", "gantry", seed=1, worlds=w, **how) for w in (2, 64))
    assert one == other
    assert tried(pack, "lift", "gantry", seed=2, **how).entry.seed == 2


def test_a_cousin_in_which_it_never_succeeds_is_infeasible(pack):
    found = tried(pack, "lift", "gantry", cousins=6, twin=1, tries=2, limit=0.5, threads=1)
    assert found.cousins.successes == 0
    assert found.entry.infeasible == (0, 1, 2, 3, 4, 5)
    assert sum(found.failures.values()) == 7
    assert found.entry.settings["limit"] == 0.5


def test_environments_leave_them_out(pack):
    pack = marked(pack, [1, 4])
    env = make_vec(pack, "lift", 4, feasible=True, threads=1)
    drawn = {int(n) for k in range(8) for n in env.reset(seed=10 * k)[1]["cousin"]}
    assert drawn == {0, 2, 3, 5}
    with pytest.raises(UsageError, match="the expert does lift in none of these cousins"):
        make_vec(pack, "lift", 1, cousins=[1, 4], feasible=True, threads=1)
    for how in ({"height": 0.2}, {"robot": "arm"}, {"object": "can_1"}):
        with pytest.raises(UsageError, match=r"nobody tried lift:\w+ .*--check 1000`$"):
            make_vec(pack, "lift", 1, feasible=True, threads=1, **how)
    assert make_vec(pack, "hold", 2, feasible=True, threads=1).reset(seed=0)


def test_new_cousins_have_been_tried_by_nobody(pack):
    pack = marked(pack, [2])
    write_families(pack.path, [robotic_family(n=3)])
    assert read(pack.path).feasible == ()


def test_a_zip_keeps_it_too(tmp_path):
    pack = read(write_robotic(tmp_path / "p.zip"))
    before = {name: pack.tree.read(name, 1 << 30) for name in pack.tree.sizes}
    write_feasible(pack, [Feasibility(task="lift", robot="gantry", control="delta", tries=1,
                                      seed=0, tried=(0, 1), infeasible=(1,))])  # fmt: skip
    again = read(pack.path)
    assert again.feasible[0].infeasible == (1,)
    assert {name: again.tree.read(name, 1 << 30) for name in before} == before
    assert packs.load_model(again).nbody == packs.load_model(pack).nbody


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "feasible.json: Invalid JSON"),
        ('[{"task": "lift"}]', "feasible.json: 0.robot: Field required"),
        (
            '[{"task": "lift", "robot": "arm", "control": "delta", "tries": 0, "seed": 0,'
            ' "tried": []}]',
            "feasible.json: 0.tries",
        ),
        (
            '[{"task": "li\\u001b[2Jft", "robot": "arm", "control": "delta", "tries": 1, "seed": 0,'
            ' "tried": []}]',
            "feasible.json: 0.task",
        ),
    ],
)
def test_a_spoilt_file_is_told_in_a_line(pack, text, told):
    (pack.path / "feasible.json").write_text(text)
    with pytest.raises(PackError, match=told) as caught:
        read(pack.path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "how", "told"),
    [
        ("hold", {}, "no expert does the task hold"),
        ("lift", {"tries": 0}, "at least 1 try"),
        ("lift:slab_1", {}, "does not suit 'slab_1'"),
        ("lift", {"cousins": -1}, "no number of cousins"),
    ],
)
def test_what_cannot_be_tried_is_told_in_a_line(pack, task, how, told):
    with pytest.raises(UsageError, match=told):
        tried(pack, task, "gantry", **{"twin": 1, "threads": 1, **how})


# The verb


def run(*arguments):
    return CliRunner().invoke(cli.app, ["tasks", *map(str, arguments)])


def test_the_verb_lists_what_a_scene_affords(pack):
    done = run(pack.path)
    assert done.exit_code == 0, done.output
    assert "place_in:can_1:bowl_1" in done.stdout
    assert "put can_1 into the bowl" in done.stdout
    told = json.loads(run(pack.path, "--json", "--task", "sort", "--task", "push").stdout)
    assert {offer["task"] for offer in told["offers"]} == {"sort", "push"}
    assert told["robot"] == "gantry"
    assert "checked" not in told


def test_the_verb_lets_the_expert_try(pack):
    done = run(pack.path, "--task", "lift", "--task", "push:brick_1", "--check", 3, "--set",
               "threads=1")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "100% (89% to 100%) of 32" in done.stdout
    assert "0 of 3" in done.stdout
    kept = read(pack.path).feasible
    assert [(e.task, e.settings["object"]) for e in kept] == [("lift", "brick_1"),
                                                              ("push", "brick_1")]  # fmt: skip
    told = json.loads(run(pack.path, "--task", "reach", "--check", 0, "--json", "--set",
                          "threads=1").stdout)  # fmt: skip
    assert told["checked"][0]["twin"]["share"] == 1.0
    assert told["checked"][0]["cousins"] is None
    assert len(read(pack.path).feasible) == 2


def test_the_verb_says_in_a_line_what_is_wrong(pack, tmp_path):
    for arguments, code, told in (
        ((tmp_path / "nowhere",), 1, "nowhere"),
        ((pack.path, "--robot", "crane"), 2, "robots: arm, gantry"),
        ((pack.path, "--task", "juggle"), 2, "tasks: hold"),
    ):
        done = run(*arguments)
        assert done.exit_code != 0
        assert told in str(done.exception)
        assert getattr(done.exception, "exit_code", code) == code
