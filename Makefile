# Two commands do everything: `make demo` and `make test`. Each sets up what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SERVE ?= 1

.PHONY: demo demo-cp2k test serve lint audit benchmark reference kill-test pytorch clean help

help:
	@echo "make demo        set up, run LGPS from its CIF to an activation energy, serve the pages (SERVE=0: end after the result)"
	@echo "make demo-cp2k   the smallest campaign with first-principles labels (CP2K must be installed: apt-get install cp2k openmpi-bin)"
	@echo "make test        set up, run all tests"
	@echo "make serve       set up, start broker, web, worker and reconciler on 127.0.0.1"
	@echo "make pytorch     an environment for DeePMD-kit's PyTorch backend, on a GPU or a CPU (docs/deployment.md)"
	@echo "make reference   kinisi and pymatgen-analysis-diffusion, with which tests and benchmarks compare our D"
	@echo "make lint        ruff"
	@echo "make audit       are there advisories about a pinned dependency? (needs the network)"
	@echo "make benchmark   tests/benchmarks: speed, memory, calibration"
	@echo "make kill-test   200 kills at random moments and between any two writes; the result must be as without"

# What pip says of downloads and of the unpacking after them, and nothing else; what goes wrong goes to standard error, whole.
SHOW_LIFE := sed -u -n \
	-e '/\.metadata/d' \
	-e 's/^ *Downloading \([^ ]*\) (\(.*\))$$/  downloading \1, \2/p' \
	-e 's/^ *Using cached \([^ ]*\) (\(.*\))$$/  \1, \2: known from before/p' \
	-e 's/^Installing collected packages.*/  unpacking all of it, which takes minutes .../p'

# One that was interrupted while it was made has a python without pip: it is made anew. Debian's python3 can make none without python3-venv.
ENVIRONMENT = $(1)/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(1) \
	|| { echo "There is no virtual environment in $(1). On Debian: apt-get install python3-venv; then give the same command again." >&2; exit 1; }

# The constraints file pins every dependency, theirs included.
$(READY): SHELL := /bin/bash
$(READY): .SHELLFLAGS := -o pipefail -c
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("sseweb needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	@$(call ENVIRONMENT,$(VENV))
	@echo "Installing 4 GB: 3 to 5 minutes, on a slow network a quarter of an hour. It goes on where it was if it is interrupted."
	@$(BIN)/python -m pip install --progress-bar off --disable-pip-version-check -c constraints.txt -e '.[test]' | $(SHOW_LIFE)
	touch $@

# DeePMD-kit's PyTorch backend loads with one release of torch alone, which brings CUDA's libraries: an environment of its own.
PYTORCH := .venv-pytorch
pytorch: $(PYTORCH)/.ready
$(PYTORCH)/.ready: SHELL := /bin/bash
$(PYTORCH)/.ready: .SHELLFLAGS := -o pipefail -c
$(PYTORCH)/.ready: pyproject.toml constraints.txt
	@$(call ENVIRONMENT,$(PYTORCH))
	@echo "Installing 8 GB, CUDA's libraries among them."
	@grep -v '^torch==' constraints.txt > $(PYTORCH)/constraints.txt
	@$(PYTORCH)/bin/python -m pip install --progress-bar off --disable-pip-version-check -c $(PYTORCH)/constraints.txt -e '.[$(or $(EXTRA),pytorch)]' \
	  | $(SHOW_LIFE)
	touch $@

demo: $(READY)
	$(BIN)/python manage.py campaign run campaigns/examples/demo.yaml $(if $(filter 0,$(SERVE)),,--serve)

demo-cp2k: $(READY)
	$(BIN)/python manage.py campaign run campaigns/examples/cp2k.yaml

serve: $(READY)
	$(BIN)/python manage.py up

# Two processes: most of the time is engines that start up, on one core each. Tests of one file share what they train.
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Python's advisories about each release of constraints.txt. The network may not allow it: then nothing is known, and that is said.
AUDIT := .venv-audit
PIP_AUDIT := 2.10.1
LOCKED := constraints.txt
audit:
	@test -x $(AUDIT)/bin/python || $(PYTHON) -m venv $(AUDIT)
	@rm -f $(AUDIT)/found.json
	-@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==$(PIP_AUDIT) && \
	  $(AUDIT)/bin/python -m pip_audit --progress-spinner off --no-deps --disable-pip -r $(LOCKED) -f json -o $(AUDIT)/found.json
	@$(AUDIT)/bin/python tests/audit.py $(AUDIT)/found.json

# Other people's estimators of D, to compare ours with.
REFERENCE := $(VENV)/.reference
reference: $(REFERENCE)
$(REFERENCE): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,reference]'
	touch $@

benchmark: $(REFERENCE)
	$(BIN)/python -m pytest tests/benchmarks -s -p no:cacheprovider --override-ini addopts=

kill-test: $(READY)
	$(BIN)/python -m tests.kill_harness --kills 200 --each-point 2

clean:
	rm -rf $(VENV) $(PYTORCH) $(AUDIT) .pytest_cache .ruff_cache
