"""Bundled data is found by name, and nothing outside it is."""

import pytest

from cousins import resources
from cousins.errors import UsageError


def test_an_asset_is_found():
    assert resources.asset("video/hevc.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("name", ["", "nonsense", "../pyproject.toml", "/etc/hostname"])
def test_an_unknown_name_lists_what_there_is(name):
    with pytest.raises(UsageError, match="video"):
        resources.asset(name)


def test_every_sample_is_found():
    for name in resources.samples():
        assert resources.sample(name).exists()
    with pytest.raises(UsageError, match="no bundled sample 'nonsense'"):
        resources.sample("nonsense")
