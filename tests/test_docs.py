"""What the pages promise is there: every verb and option, every link, every target of make."""

import re
from pathlib import Path

import pytest
import typer
from cousins.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
VERBS = dict(typer.main.get_command(app).commands)


def sections(page: str) -> dict[str, str]:
    """The command line's page by verb."""
    parts = re.split(r"^## cousins (\w+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_verb_has_a_section_and_no_section_is_left_over():
    assert list(sections((ROOT / "docs/cli.md").read_text())) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_described(verb):
    text = sections((ROOT / "docs/cli.md").read_text())[verb]
    told = set(re.findall(r"`(-[\w-]+)", text)) - {"--json", "--help"}
    real = {o for p in VERBS[verb].params for o in p.opts if o.startswith("-")} - {
        "--json",
        "--help",
    }
    assert told == real


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for link in links:
        target = link.partition("#")[0]
        if target and "://" not in target:
            assert (page.parent / target).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_that_pages_show_exist(page):
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL))
    for verb in re.findall(r"(?:^|[\s/])cousins ([a-z]+)", blocks):
        assert verb in VERBS
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"(?:^|&& )make (\w+)", blocks, re.MULTILINE):
        assert target in targets
