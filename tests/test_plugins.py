"""Parts from other packages: found when installed, one clear line when broken."""

import sys

import pytest

from cousins import plugins
from cousins.errors import PluginError


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package of one module, with entry points, where Python looks for packages."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(package, source, **points):
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source)
        folder = tmp_path / f"{module}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {module}:{value}" for name, value in points.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[cousins.captures]", *lines, ""]))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


def test_nothing_installed_brings_nothing():
    assert plugins.load("cousins.captures") == {}


def test_parts_come_by_name_in_order(install):
    install("my-phone", "A = 1\nB = 2\n", zebra="A", ant="B")
    assert list(plugins.load("cousins.captures").items()) == [("ant", 2), ("zebra", 1)]
    assert plugins.load("cousins.engines") == {}


@pytest.mark.parametrize("source", ["import no_such_module", "1 / 0", "class (", "other = 1"])
def test_a_broken_part_is_one_line_that_names_it(install, source):
    install("my-phone", source, lidar="READER")
    with pytest.raises(PluginError) as error:
        plugins.load("cousins.captures")
    message = str(error.value)
    assert "\n" not in message
    assert "'lidar' of package my-phone" in message
    assert "pip uninstall my-phone" in message


def test_two_packages_cannot_bring_one_name(install):
    install("my-phone", "A = 1", lidar="A")
    install("your-phone", "A = 1", lidar="A")
    with pytest.raises(PluginError, match="my-phone and your-phone"):
        plugins.load("cousins.captures")
