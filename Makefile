# make demo   the main job on speech synthesised on the spot; DEMO=--full for all of it
# make test   the tests
# make docs   the documentation, in site/
# make lite   the wheel for small computers, in dist/
# All set up what they need in $(VENV); PYTHON chooses the interpreter, TESTS=... goes to
# pytest and DEMO=... to the demo.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test,tflite,micro,synth
PACKAGES ?=
DEMO ?=
TESTS ?=

.PHONY: demo test slow lint docs lite clean

demo: $(VENV)/ready
	$(VENV)/bin/rnn2dnn demo --out out $(DEMO)

test: $(VENV)/ready
	$(VENV)/bin/pytest -n 2 --dist loadfile -m "not slow" $(TESTS)

slow: $(VENV)/ready
	OPTIMISED_GRAPHS=1 $(VENV)/bin/pytest -n 2 --dist worksteal -m slow $(TESTS)

lint: $(VENV)/ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

docs: $(VENV)/ready
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -e ".[docs]"
	$(VENV)/bin/mkdocs build --strict

lite:
	$(PYTHON) lite/build_wheel.py --out dist

$(VENV)/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -e ".[$(EXTRAS)]" $(PACKAGES)
	touch $@

clean:
	rm -rf $(VENV) out site
