"""`cousins mine`: it finds what a policy is known to fail on, and gives a pack that holds."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cousins.cli.main import app
from hypothesis import given, settings
from hypothesis import strategies as st
from packs import write_pack
from policies import Steady, Still
from typer.testing import CliRunner

from cousins import pack as packs
from cousins.errors import MiningError, UsageError
from cousins.experts import Expert
from cousins.index import index
from cousins.mining import Search, mine
from cousins.mining.guess import fit
from cousins.mining.search import Proposal
from cousins.mining.space import Points
from cousins.mining.tell import difference
from cousins.recheck import certificates
from cousins.restate import restate
from cousins.tasks.hold import Hold
from cousins.tasks.push import Push
from cousins.variation.axes import Settings

FEW = Settings(shapes=2, swaps=0.0, distractors=0)
ONE = {"threads": 1}


class Homely(Expert):
    """The expert, but that it gives up where its thing stands far from the twin's place."""

    def __call__(self, episodes):
        now, which = episodes.now(), episodes.memory["which"] > 0.5
        twin = np.array(episodes.worlds.layout.position)
        far = np.linalg.norm((now.start[..., :3] - twin)[which][:, :2], axis=1) > 0.12
        return np.where(far[:, None], 0.0, super().__call__(episodes))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("mine") / "p", families=False)


def mined(pack, out, policy=None, **how):
    asked = {"task": Push(object="can_1", limit=2.0), "rollouts": 120, "cousins": 5,
             "settings": FEW, "asked": ONE, "threads": 1, "how": Search(generations=3)}  # fmt: skip
    return mine(pack, policy or Homely(), out=out, **{**asked, **how})


@pytest.fixture(scope="module")
def done(pack, tmp_path_factory):
    return mined(pack, tmp_path_factory.mktemp("mined") / "m")


def test_it_finds_what_the_policy_fails_on(done):
    told = done.mined
    share = [s.successes / s.trials for s in (told.ordinary, told.success)]
    assert share[0] > 0.4
    assert share[1] < 0.5 * share[0]
    assert told.expert.successes / told.expert.trials > 0.7
    way = next(d for d in done.differences if d.name == "can_1: way")
    assert way.mined > way.ordinary
    assert way.effect > 0.5
    assert {d.name for d in done.differences} >= {"the axis layout", "the axis physics"}
    assert 0.9 * 120 <= told.rollouts <= 120
    assert told.expert_rollouts > 0


def test_the_pack_holds_the_hardest_first_and_all_of_it_passes(done):
    read = packs.read(done.path)
    assert packs.check(done.path) == []
    assert certificates(done.path, 10) == (len(done.mined.cousins), [])
    held = index(read)
    assert held.number.tolist() == [c.index for c in read.manifest.mined.cousins]
    assert read.manifest.mined == done.mined
    assert read.manifest.augmented.shapes == FEW.shapes
    assert not done.path.with_name("m.mining").exists()
    each = [c.success for c in done.mined.cousins]
    assert sum(s.trials for s in each) == done.mined.success.trials
    assert all(s.low <= s.successes / s.trials <= s.high for s in each)


def test_the_same_seed_gives_the_same_pack(done, pack, tmp_path):
    again = mined(pack, tmp_path / "again")
    assert again.mined == done.mined
    assert again.differences == done.differences
    one, same = ({str(p.relative_to(d.path)): p.read_bytes() for p in d.path.rglob("*")
                  if p.is_file()} for d in (done, again))  # fmt: skip
    assert one == same


def test_without_an_expert_nothing_is_said_of_feasible(pack, tmp_path):
    out = mined(pack, tmp_path / "m", Steady(-3.0), task=Hold(pushes=2, limit=0.4), rollouts=60,
                cousins=3)  # fmt: skip
    assert out.mined.expert is None
    assert out.mined.expert_ordinary is None
    assert out.mined.expert_rollouts == out.mined.infeasible == 0
    assert all(c.expert is None for c in out.mined.cousins)
    assert out.mined.success.successes < out.mined.success.trials


def test_a_policy_that_never_succeeds_or_never_fails_has_nothing_to_be_mined(pack, tmp_path):
    with pytest.raises(MiningError, match="train it first"):
        mined(pack, tmp_path / "m", Still(), rollouts=60, cousins=3)
    with pytest.raises(MiningError, match="no cousin on which it succeeds"):
        mined(pack, tmp_path / "m", Still(), task=Hold(pushes=0, limit=0.1), rollouts=60, cousins=3)
    assert list(tmp_path.iterdir()) == []


def test_info_says_for_whom_they_were_mined(done):
    told = CliRunner().invoke(app, ["info", str(done.path)])
    assert "mined for what breaks Homely at push" in told.stdout


def test_cousins_that_were_mined_are_not_drawn_anew(done):
    read = packs.read(done.path)
    mass = packs.load_scene(read).assets[0].mass
    before = (done.path / "manifest.json").read_bytes()
    told = {"can_1": {"friction": packs.load_scene(read).assets[0].friction, "mass": mass}}
    with pytest.raises(UsageError, match="mined for what breaks Homely"):
        restate(done.path, told)
    assert (done.path / "manifest.json").read_bytes() == before


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_a_guess_goes_by_what_matters(seed):
    rng = np.random.default_rng(seed)
    traits = rng.normal(size=(300, 40))
    rate = np.where(np.abs(traits[:, 3]) < 0.7, 0.1, 0.9)
    known = fit(traits, rng.binomial(2, rate) / 2, np.full(300, 2.0))
    assert known.weight.argmax() == 3
    assert known.weight.sum() == pytest.approx(1)
    fresh = rng.normal(size=(300, 40))
    seen = known(fresh)
    near, far = np.abs(fresh[:, 3]) < 0.4, np.abs(fresh[:, 3]) > 1.0
    assert seen[near].mean() < seen[far].mean() - 0.3
    assert fit(traits, np.ones(300), np.full(300, 2.0))(fresh) == pytest.approx(1)


@given(seed=st.integers(0, 1000))
def test_the_proposal_goes_where_the_elites_are_and_nowhere_else(seed):
    rng, how = np.random.default_rng(seed), Search()
    prior = Proposal.prior(30, 3)
    points = prior.points(rng, 200, 30)
    assert ((points.uniform > 0) & (points.uniform < 1)).all()
    assert set(points.family) == {0, 1, 2}
    value = points.uniform[:, 0] + 1e-6 * rng.random(200)
    elite = value >= np.sort(value)[-40]
    after = prior.moved(points, elite, how)
    assert after.mean[0] > 0.8
    assert after.spread[0] < 0.9
    assert np.abs(after.mean[1:]).mean() < 0.15
    assert after.share.sum() == pytest.approx(1)
    every = prior.moved(points, np.ones(200, bool), how)
    assert every is prior
    of = Points(points.uniform, np.where(elite, 2, points.family))
    assert prior.moved(of, elite, how).share.argmax() == 2


@given(st.integers(0, 1000))
def test_an_effect_is_told_with_its_sign(seed):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(1, 1, 60), rng.normal(0, 1, 200)
    told, back = difference("x", one, other), difference("x", other, one)
    assert told.effect == pytest.approx(-back.effect)
    assert 0 < told.interval.low < told.effect < told.interval.high
    assert difference("x", np.ones(5), np.ones(9)) is None


def run(*arguments):
    return CliRunner().invoke(app, ["mine", *map(str, arguments)])


POLICY = """
from cousins.experts import Expert
class Homely(Expert):
    def __call__(self, episodes):
        out = super().__call__(episodes)
        far = abs(episodes.now().start[:, 1, 0] + 0.2) > 0.1
        out[far] = 0.0
        return out
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Options of a short run, with a policy in a file."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "homely.py").write_text(POLICY)
    (folder / "axes.yaml").write_text("shapes: 2\nswaps: 0\ndistractors: 0\naxes: {look: 0}\n")
    return ["--policy", f"{folder / 'homely.py'}:Homely", "--axes", folder / "axes.yaml",
            "--set", "object=can_1", "--set", "limit=2.0", "--threads", "1", "-n", "60",
            "-k", "3"]  # fmt: skip


@pytest.fixture(scope="module")
def whole(pack, asked, tmp_path_factory):
    """The pack of such a run, and what it printed."""
    out = tmp_path_factory.mktemp("whole") / "hard"
    return out, run(pack, *asked, "-o", out, "--json")


def test_the_command_tells_what_it_found(whole):
    out, told = whole
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["mined"]["policy"] == "homely.py:Homely"
    assert (found["mined"]["task"], found["mined"]["robot"]) == ("push", "gantry")
    assert found["mined"] == json.loads((out / "manifest.json").read_text())["mined"]
    assert {d["name"] for d in found["differences"]} >= {"the axis layout", "can_1: mass"}
    assert {p.name for p in out.parent.iterdir()} == {"hard"}


def test_a_run_that_was_cut_short_goes_on(pack, asked, whole, tmp_path):
    cut = tmp_path / "cut"
    code = "from cousins.cli.main import main; main()"
    begun = subprocess.Popen(
        [sys.executable, "-c", code, "mine", *map(str, [pack, *asked, "-o", cut])],
        stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    kept, end = tmp_path / "cut.mining", time.monotonic() + 120
    while not list(kept.glob("generation1-*.npz")) and time.monotonic() < end:
        time.sleep(0.02)
    begun.send_signal(signal.SIGINT)
    err = begun.communicate(timeout=60)[1]
    assert begun.returncode == 130, err
    assert err.strip().count("\n") == 0
    assert not cut.exists()
    told = run(pack, *asked, "-o", cut)
    assert told.exit_code == 0, told.output
    assert "cousins that break homely.py:Homely" in told.stdout
    assert (cut / "manifest.json").read_bytes() == (whole[0] / "manifest.json").read_bytes()
    assert not kept.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["-n", "30", "-k", "4"], "10 rollouts for each"),
        (["-k", "0"], "at least 1 cousin"),
        (["--seed", "-1"], "seed"),
        (["--task", "juggle"], "juggle"),
        (["--policy", "nothing"], "no policy"),
        (["--axes", "smell=1"], "no axis"),
        (["-o", "PACK"], "the pack itself"),
        (["--engine", "steam", "--axes", "shape=0"], "steam"),
    ],
)
def test_bad_requests_are_refused_in_one_line(pack, arguments, word, tmp_path):
    told = run(pack, "--policy", "zero", *[pack if a == "PACK" else a for a in arguments])
    assert told.exit_code != 0
    assert isinstance(told.exception, UsageError), told.exception
    assert word in str(told.exception)
    assert "\n" not in str(told.exception)
