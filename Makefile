# What one does with Bullpen from a checkout. Everything is installed into .venv and .cache, nothing elsewhere.
# ARGS are passed on: make up ARGS="--port 8000", make test ARGS="tests/web -x".

PYTHON ?= python3
BIN := .venv/bin
CLAUDE_VERSION := 2.1.329
CLAUDE := .cache/cli/claude-code-$(CLAUDE_VERSION)
CODEX_VERSION := 0.169.0
CODEX := .cache/cli/codex-$(CODEX_VERSION)
GEMINI_VERSION := 0.61.0
GEMINI := .cache/cli/gemini-cli-$(GEMINI_VERSION)

.PHONY: up test test-deps fuzz soak bench lint fmt clean

up: .venv/installed
	@$(BIN)/bullpen up $(ARGS)

test: .venv/installed-dev
	@$(BIN)/python -m pytest -n 2 $(ARGS)

# What the suite tries some hundreds of times, tried tens of thousands of times.
fuzz: .venv/installed-dev
	@ODD_QUERIES=20000 PATH_OPENS=20000 HOLDER_FRAMES=100000 $(BIN)/python -m pytest \
		tests/features/test_search.py tests/storage/test_beneath.py tests/terminals/test_fuzz.py $(ARGS)

# The long forms of what the suite does shortly: hundreds of kills, long faults, many stalled readers. About half an hour.
soak: .venv/installed-dev
	@BULLPEN_SOAK=1 $(BIN)/python -m pytest -s -o faulthandler_timeout=3600 \
		$(or $(ARGS),tests/endurance tests/road/test_server_kills.py)

bench: .venv/installed-dev
	@$(BIN)/python -m benchmarks $(ARGS)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .cache build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# The stamps make a second run quick: only a changed pyproject.toml installs again.
.venv/installed: pyproject.toml | .venv/bin/python
	@echo "Installing Bullpen into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	@echo "Installing Bullpen and what its tests need into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ .venv/installed

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Bullpen needs Python 3.11 or newer. Name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python cannot make a virtual environment here. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

# What some tests need beside Python, on Debian: a browser, Node, and the real agent CLIs, which talk to scripted models
# on this machine alone.
test-deps: $(CLAUDE) $(CODEX) $(GEMINI)
	@missing=""; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v chromedriver >/dev/null || missing="$$missing chromium-driver"; \
	command -v bwrap >/dev/null || missing="$$missing bubblewrap"; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	$(call apt_install)

$(CLAUDE): PACKAGE := @anthropic-ai/claude-code@$(CLAUDE_VERSION)
$(CODEX): PACKAGE := @openai/codex@$(CODEX_VERSION)
$(GEMINI): PACKAGE := @google/gemini-cli@$(GEMINI_VERSION)
$(CODEX): $(CLAUDE)
$(GEMINI): $(CODEX)

# One after the other: they share a folder.
$(CLAUDE) $(CODEX) $(GEMINI):
	@missing=""; \
	command -v node >/dev/null || missing="$$missing nodejs"; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	$(call apt_install)
	npm install --prefix .cache/cli --save-exact --no-audit --no-fund $(PACKAGE)
	@touch $@

define apt_install
if [ -n "$$missing" ]; then \
	command -v apt-get >/dev/null || { echo "Install:$$missing" >&2; exit 1; }; \
	as=""; [ "$$(id -u)" = 0 ] || as="sudo"; \
	$$as apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends $$missing; \
fi
endef
