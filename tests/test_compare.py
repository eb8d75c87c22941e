"""Tables of success rates are joined by name, and what is said of their agreement is no more than
they can bear."""

import json
import re
import shutil
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from cousins.cli.main import app
from hypothesis import given, settings
from hypothesis import strategies as st
from test_report import parsed
from typer.testing import CliRunner

from cousins.compare import compare, joined, page, parse_rates, read_rates
from cousins.errors import ResultsError

SIM = "policy,successes,trials\na,180,200\nb,120,200\nc,90,200\nd,150,200\ne,30,200\nf,170,200\n"
REAL = "policy,successes,trials\nf,18,20\na,16,20\nb,10,20\nc,11,20\ng,3,20\nd,14,20\ne,2,20\n"


def told(sim=SIM, real=REAL, **options):
    return compare(parse_rates("sim.csv", sim), parse_rates("real.csv", real), **options)


def cousins(*arguments):
    code = "from cousins.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)],
                          capture_output=True, text=True, check=False)  # fmt: skip


@pytest.fixture
def files(tmp_path):
    (tmp_path / "sim.csv").write_text(SIM)
    (tmp_path / "real.csv").write_text(REAL)
    return ["compare", "--sim", str(tmp_path / "sim.csv"), "--real", str(tmp_path / "real.csv")]


def test_policies_are_joined_by_name():
    found = told()
    [one] = found.agreements
    assert [p.policy for p in one.points] == ["a", "b", "c", "d", "e", "f"]
    assert (one.points[5].sim, one.points[5].real) == (0.85, 0.9)
    assert (found.only_sim, found.only_real) == ((), ("g",))
    assert one.points[0].real_interval == pytest.approx((0.584, 0.919), abs=1e-3)


def test_every_number_has_its_interval():
    [one] = told().agreements
    assert one.pearson.value == pytest.approx(0.958, abs=1e-3)
    assert one.pearson.interval == pytest.approx((0.657, 0.996), abs=2e-3)
    assert one.mmrv.value == pytest.approx(0.3 / 6)
    assert one.kendall.value == pytest.approx(11 / 15)
    assert one.bias.value == pytest.approx(0.025)
    for each in (one.pearson, one.mmrv, one.spearman, one.kendall, one.bias):
        assert each.interval.low <= each.value <= each.interval.high
        assert each.dropped.low <= each.value <= each.dropped.high
    assert one.pearson_noiseless.low >= one.pearson.interval.low
    assert "what does better in the one does better in the other" in one.words


def test_few_trials_leave_more_open_than_many():
    many = [re.sub(r",(\d+),(\d+)", r",\g<1>00,\g<2>00", text) for text in (SIM, REAL)]
    few, sure = told().agreements[0], told(*many).agreements[0]
    assert few.mmrv.value == sure.mmrv.value
    assert np.ptp(few.mmrv.interval) > np.ptp(sure.mmrv.interval)
    assert np.ptp(few.pearson_noiseless) > np.ptp(sure.pearson_noiseless)
    assert np.ptp(few.points[0].real_interval) > np.ptp(sure.points[0].real_interval)


def test_rates_without_trials_are_taken_as_they_are():
    [one] = told(
        "name,success\na,.9\nb,.5\nc,.6\n", "policy;success\na;.8\nb;.7\nc;.3\n"
    ).agreements
    assert one.mmrv.value == pytest.approx(0.26667, abs=1e-5)
    assert one.points[0].sim_interval is None
    assert one.pearson_noiseless is None


def test_a_rate_with_trials_is_as_good_as_the_counts():
    rates = re.sub(r",(\d+),20", lambda m: f",{int(m[1]) / 20},20", REAL).replace(
        "ccesses", "ccess"
    )
    assert told(real=rates.replace("successes", "success")).agreements == told().agreements


@pytest.mark.parametrize(
    ("k", "words"),
    [
        (1, "1 policy is in both: too few for a correlation, which takes 3"),
        (2, "2 policies are in both: too few for a correlation"),
        (3, "3 policies are in both: too few to say how well"),
        (4, "4 policies are in both: too few to say how well"),
    ],
)
def test_what_few_policies_cannot_say_is_not_said(k, words):
    sim = "\n".join(SIM.splitlines()[: k + 1])
    [one] = told(sim).agreements
    assert one.words.startswith(words)
    assert (one.pearson.value is None) == (k < 3)
    assert (one.pearson.interval is None) == (k < 4)
    assert (one.mmrv.value is None) == (k < 2)


def test_one_policy_on_which_all_hangs_is_pointed_out():
    sim = "policy,success\na,.50\nb,.52\nc,.48\nd,.50\ne,.51\nf,.02\n"
    real = "policy,success\na,.60\nb,.55\nc,.62\nd,.61\ne,.52\nf,.03\n"
    [one] = told(sim, real).agreements
    assert one.pearson.value > 0.95
    assert "but that hangs on one of them: without it r is -0." in one.words


def test_where_all_do_alike_nothing_is_claimed():
    same = re.sub(r"\d+,20\n", "10,20\n", REAL)
    [one] = told(real=same).agreements
    assert one.pearson.value is None
    assert "one side gives all of them the same rate" in one.words


def test_tasks_are_told_apart_and_together():
    sim = "task,policy,success,trials\n" + "".join(
        f"{t},p{i},{r},50\n" for t, rates in
        {"lift": (0.9, 0.7, 0.5, 0.3, 0.1), "push": (0.2, 0.3, 0.4, 0.5, 0.6)}.items()
        for i, r in enumerate(rates)
    )  # fmt: skip
    real = sim.replace("push,p4,0.6,50\n", "push,p9,0.6,50\n")
    found = told(sim, real)
    assert [(one.task, one.k) for one in found.agreements] == [("lift", 5), ("push", 4), (None, 4)]
    mean = found.agreements[-1]
    assert mean.points[0].sim == pytest.approx(0.55)
    lift = found.agreements[0].points[0].sim_interval
    push = found.agreements[1].points[0].sim_interval
    assert np.ptp(mean.points[0].sim_interval) < min(np.ptp(lift), np.ptp(push))
    assert (found.only_sim, found.only_real) == (("push/p4",), ("push/p9",))


def test_the_same_seed_gives_the_same_intervals():
    assert told(seed=3) == told(seed=3)
    assert told(seed=3).agreements[0].mmrv.interval != told(seed=4).agreements[0].mmrv.interval


def test_the_intervals_hold_what_other_policies_would_give():
    """MMRV and Kendall's tau of eight policies, tried 20 times on the robot, over the policies that
    there might have been."""
    rng = np.random.default_rng(0)
    sets = []
    for _ in range(60):
        z = rng.standard_normal((2, 8))
        z[1] = 0.8 * z[0] + 0.6 * z[1]
        rate = 1 / (1 + np.exp(-1.3 * z))
        counts = rng.binomial(100, rate[0]), rng.binomial(20, rate[1])
        sim, real = (
            "policy,successes,trials\n" + "".join(f"p{i},{x},{n}\n" for i, x in enumerate(c))
            for c, n in zip(counts, (100, 20), strict=True)
        )
        sets.append(told(sim, real).agreements[0])
    for name in ("mmrv", "kendall"):
        all_of_them = [getattr(one, name) for one in sets]
        middle = np.mean([one.value for one in all_of_them])
        assert np.mean([middle in one.interval for one in all_of_them]) >= 0.9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column policy"),
        ("policy,success\n", "holds no policy"),
        ("who,success\na,1\n", "no column policy"),
        ("policy\na\n", "no column success"),
        ("policy,successes\na,1\n", "successes without trials"),
        ("policy,success,successes,trials\na,1,1,1\n", "both success and successes"),
        ("policy,success,success\na,1,1\n", "'success' is there twice"),
        ("policy,name,success\na,a,1\n", "'policy' is there twice"),
        ("policy,success\na,1\n\na,.5\n", "row 4: policy 'a' is there twice"),
        ("policy,success\na,85\n", "row 2: success is '85': give a rate from 0 to 1"),
        ("policy,success\na,nan\n", "row 2: success is 'nan'"),
        ("policy,success\na,\n", "row 2: success is ''"),
        ("policy,success\n,1\n", "row 2: give a policy"),
        ("policy,success\n\x1b[2J,1\n", "row 2: give a policy"),
        ("policy,successes,trials\na,3,2\n", "row 2: 3 successes in 2 trials"),
        ("policy,successes,trials\na,1,0\n", "row 2: no trial"),
        ("policy,successes,trials\na,1,\n", "row 2: trials is empty"),
        ("policy,successes,trials\na,1.5,2\n", "row 2: successes is '1.5': give a whole number"),
        ("policy,successes,trials\na,1,1e99\n", "row 2: trials is '1e99'"),
        ('policy,success\n"a\n', "row 2: success is ''"),
        ("policy,success\n" + "a" * 200_000 + ",1\n", "no CSV"),
        ("policy,success\n" + "".join(f"p{i},1\n" for i in range(10_001)), "above 10,000 rows"),
    ],
)
def test_a_bad_table_is_one_line_with_its_row(text, words):
    with pytest.raises(ResultsError) as error:
        parse_rates("sim.csv", text)
    assert words in str(error.value)
    assert str(error.value).startswith("sim.csv: ")
    assert "\n" not in str(error.value)


@given(st.text(alphabet="policy,success\n\"';\t0.1ab\r", max_size=80))
@settings(max_examples=200)
def test_no_text_is_worse_than_an_error(text):
    for head in ("", "policy,success\n"):
        with suppress(ResultsError):
            assert parse_rates("x.csv", head + text).rates


def test_tables_that_do_not_go_together_are_refused():
    with pytest.raises(ResultsError, match=r"no policy of sim\.csv is in it"):
        told(real="policy,success\nx,1\n")
    with pytest.raises(ResultsError, match=r"real\.csv: no column task, which sim\.csv has"):
        told(sim="task,policy,success\nlift,a,1\npush,a,1\n")
    many = "policy,success\n" + "".join(f"p{i},1\n" for i in range(501))
    with pytest.raises(ResultsError, match="501 policies"):
        told(many, many)


def evaluation(policy, successes, trials=200, task="lift", **second):
    def one(name, x):
        return {"policy": name, "rate": {"successes": x, "trials": trials, "low": 0, "high": 1}}

    other = one(*second["second"]) if second else None
    return json.dumps({"task": task, "first": one(policy, successes), "second": other, "seed": 0})


def test_evaluations_are_taken_as_they_were_printed(files, tmp_path):
    """In one file or in many, of one policy or of two; their task is the only one."""
    lines = [evaluation("a", 180, second=("b", 120)), evaluation("c", 90), evaluation("d", 150)]
    (tmp_path / "some.json").write_text("\n".join(lines))
    (tmp_path / "e.json").write_text(evaluation("e", 30))
    (tmp_path / "f.json").write_text(evaluation("f", 170))
    arguments = ["compare", *(f"--sim={tmp_path / name}.json" for name in ("some", "e", "f"))]
    arguments += ["--real", files[-1], "--json"]
    [one] = json.loads(CliRunner().invoke(app, arguments).stdout)["agreements"]
    [same] = json.loads(CliRunner().invoke(app, [*files, "--json"]).stdout)["agreements"]
    assert one["task"] == "lift"
    assert {k: v for k, v in one.items() if k != "task"} == {
        k: v for k, v in same.items() if k != "task"
    }


@pytest.mark.parametrize(
    "text",
    ["{", "{}", "[1]", "{}{}", '{"task": "lift"}', evaluation("a", 3, 2), evaluation("a", 0, 0),
     evaluation("", 1), evaluation("a", 1.0), evaluation("a", True), evaluation("a", 1, task=3),
     evaluation("a", 1) + " x", '{"a":' * 10_000],
)  # fmt: skip
def test_what_is_no_evaluation_is_one_line(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ResultsError) as error:
        read_rates(tmp_path / "x.json")
    assert "\n" not in str(error.value)


def test_what_evaluate_prints_is_read(tmp_path):
    from policies import Still, write_pack

    from cousins.evaluation.evaluate import evaluate
    from cousins.evaluation.tell import result

    done = evaluate(write_pack(tmp_path / "pack"), Still(), episodes=3, hardest=0)
    (tmp_path / "x.json").write_text(json.dumps(result(done)))
    [(key, rate)] = read_rates(tmp_path / "x.json").rates.items()
    assert key == ("hold", done.first.policy)
    assert (rate.success, rate.trials) == (done.first.rate.share, 3)


def test_a_policy_in_two_files_is_refused(tmp_path):
    for name in ("x.json", "y.json"):
        (tmp_path / name).write_text(evaluation("a", 3))
    tables = [read_rates(tmp_path / name) for name in ("x.json", "y.json")]
    with pytest.raises(ResultsError, match="policy 'a' at task 'lift' is in another file too"):
        joined(tables)
    with pytest.raises(ResultsError, match="only one of them tells tasks"):
        joined([tables[0], parse_rates("z.csv", SIM)])


def test_the_command_line_tells_it(files):
    done = CliRunner().invoke(app, files)
    assert done.exit_code == 0
    assert re.search(r"Pearson r +0\.958 +0\.657 to 0\.996 +0\.872 to 0\.981", done.stdout)
    assert "only in reality: g" in done.stdout
    found = json.loads(CliRunner().invoke(app, [*files, "--json"]).stdout)
    [one] = found["agreements"]
    assert one["k"] == 6
    assert one["mmrv"]["value"] == pytest.approx(0.05)
    assert len(one["mmrv"]["interval"]) == 2


def test_a_bad_file_exits_1_with_one_line(files, tmp_path):
    (tmp_path / "sim.csv").write_text("policy,success\na,85\n")
    done = cousins(*files)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == (
        f"error: {tmp_path}/sim.csv: row 2: success is '85': give a rate from 0 to 1"
    )
    done = cousins("compare", "--sim", tmp_path / "no.csv", "--real", tmp_path / "real.csv")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    (tmp_path / "sim.csv").write_bytes(b"\xff\xfe\x00")
    assert "no text" in cousins(*files).stderr


@pytest.mark.parametrize("option", [["--level", "1"], ["--seed", "-1"]])
def test_options_that_make_no_sense_exit_2(files, option):
    done = cousins(*files, *option)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_the_page_shows_every_policy_where_it_is(files, tmp_path):
    assert CliRunner().invoke(app, [*files, "--html", str(tmp_path / "x.html")]).exit_code == 0
    html = (tmp_path / "x.html").read_text()
    parser, text = parsed(html)
    assert "6 policies are in both" in text
    assert "Only in reality: g" in text
    assert not {"script", "link", "iframe", "object", "img"} & {tag for tag, _ in parser.tags}
    assert "http" not in html
    dots = [(float(a["cx"]), float(a["cy"])) for t, a in parser.tags if t == "circle"]
    across, up = np.array(dots).T
    [one] = told().agreements
    sim, real = [p.sim for p in one.points], [p.real for p in one.points]
    assert np.corrcoef(across, sim)[0, 1] == pytest.approx(1)
    assert np.corrcoef(up, real)[0, 1] == pytest.approx(-1), "SVG's y points down"


def test_a_page_s_names_are_text():
    hostile = (
        SIM.replace("a,", "<script>alert(1)</script>,", 1),
        REAL.replace("a,", "<script>alert(1)</script>,", 1),
    )
    parser, text = parsed(page.page(told(*hostile)))
    assert "<script>alert(1)</script>" in text
    assert "script" not in [tag for tag, _ in parser.tags]


CHROMIUM = next(
    (p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None
)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page in")
@pytest.mark.parametrize("width", [900, 500])
def test_nothing_runs_over_in_a_browser(tmp_path, width):
    import cv2
    from test_report import browse

    shot = tmp_path / "shot.png"
    page.write(tmp_path / "x.html", told())
    browse(tmp_path / "x.html", shot, f"--window-size={width},1600", f"--screenshot={shot}")
    seen = cv2.imread(str(shot))
    assert seen.shape[1] == width
    assert (seen[:, -8:] == seen[0, -1]).all(), "the margin at the right is empty"
