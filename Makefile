# `make test` is what the README names and what .ci/run calls. Each target works in an environment
# that has `pip install -e '.[dev,docs]'`.
PYTHON ?= python

.PHONY: format lint test smoke bench build docs nerfstudio-env

format:  ## rewrite the code in the one form
	ruff format .
	ruff check --fix .

lint:  ## form, likely bugs, types, and imports that point down
	ruff format --check .
	ruff check .
	pyright
	pytest -q tests/test_layers.py

test:  ## everything but what builds, installs or runs for minutes
	pytest -q -n auto --dist loadfile

smoke:  ## the slow tests: wheel, sdist and editable install, each in a fresh environment
	pytest -q -m slow -n auto --dist loadfile

bench:  ## the numbers of the README, each beside its yardstick
	for name in scan augment engines; do $(PYTHON) benchmarks/$$name.py || exit 1; done

build:  ## the wheel and the source distribution, in dist/
	$(PYTHON) -m build

docs:  ## the pages, in site/
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

nerfstudio-env:  ## nerfstudio's own environment, in .nerfstudio/ or $COUSINS_NERFSTUDIO: 4 GB
	$(PYTHON) -m cousins.photos.environment
