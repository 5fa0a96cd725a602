# The two commands of the README need Python 3.11 to 3.13, make and a package registry; everything else is fetched here.
.PHONY: help setup demo network test test-live bench bench-full check format lock clean
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
PYTHON ?= python3
RUN := .venv/bin
WORKSPACE := protocols chaincode network client benchmarks
STAMP := .venv/.installed
export FILE

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## fetch uv if it is missing, and install what requirements.lock pins

$(STAMP): requirements.lock Makefile $(addsuffix /pyproject.toml,$(WORKSPACE))
	@PYTHON="$(PYTHON)" UV_VERSION="$(UV_VERSION)" sh network/setup/install.sh $(WORKSPACE)
	@touch $@

demo: setup ## watch a file being sold, four frauds fail, miners train, drones buy computing (FILE=… for a file of yours)
	@$(RUN)/zoneshare demo $(if $(FILE),--file "$$FILE")

network: setup ## start the real network of docker-compose.yaml and set it up (needs Docker; see docs/real-network.md)
	@docker compose up --detach --build || { docker compose logs --no-log-prefix prepare; exit 1; }
	@docker compose logs --follow --no-log-prefix setup
	@$(RUN)/zoneshare network status --dir fabric

test: check ## format check, lint, types, import rule, tests
	$(RUN)/python -m pytest -n 2

test-live: setup ## the tests of a running network, against the real one of ZONESHARE_PROFILE=DIR/profiles/ORG.json
	@test -n "$(ZONESHARE_PROFILE)" || { echo "say ZONESHARE_PROFILE=DIR/profiles/ORG.json" >&2; exit 2; }
	ZONESHARE_PROFILE="$(ZONESHARE_PROFILE)" $(RUN)/python -m pytest tests/live --log-cli-level=INFO

check: setup
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy $(foreach w,$(WORKSPACE),$(w)/zoneshare$(if $(filter client,$(w)),,_$(w))) tests
	$(RUN)/lint-imports

bench: setup ## the papers' tables and figures beside ours, growth, goals: one report in ten minutes (docs/benchmarks.md)
	@rm -rf bench-report
	@$(RUN)/zoneshare bench report --out bench-report

bench-full: setup ## the same as large as the papers have it, for hours; started again it goes on
	@$(RUN)/zoneshare bench report --full --resume --out bench-report-full

format: setup ## put every file into the one format
	$(RUN)/ruff format . && $(RUN)/ruff check --fix .

lock: setup ## solve the versions anew (names and hashes only, so that any registry or mirror serves)
	. .tools/uv.env && "$$UV" lock -q --upgrade && "$$UV" export -q --all-groups --no-emit-workspace --no-annotate --no-header -o requirements.lock

clean: ## remove what setup made
	rm -rf .venv .tools uv.lock .mypy_cache .ruff_cache .hypothesis
