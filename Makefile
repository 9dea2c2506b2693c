# Needs Python 3.11 or 3.12 and make; everything else is installed below .venv and the cache folder.
PYTHON ?= python3
TRAFFIC = .venv/bin/traffic
RUN = .venv/bin/python -m
TWO = $(RUN) pytest --numprocesses=2
UNIT = $(TWO) --dist=worksteal tests/unit

SCANNED = specs quality ml ingestion lakehouse benchmarks airflow/dags airflow/plugins airflow/serve.py superset/*.py deploy

.PHONY: help install demo test test-quick test-spark test-stack test-backup test-s3 test-cluster test-images test-apps test-dags test-chaos test-accidents superset airflow speckit lint docs test-docs test-wheel bench chaos fuzz soak clean

help:  ## show this
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.venv/installed: pyproject.toml uv.lock
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	.venv/bin/uv sync --quiet --frozen
	touch $@

install: .venv/installed  ## install the locked dependencies into .venv

demo: install  ## the whole lakehouse on two weeks of New York traffic
	$(TRAFFIC) demo

lint: install  ## style, types, import rules, specs and the files made of them, workflows, secrets
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(TRAFFIC) specs check
	$(TRAFFIC) specs build --check
	.venv/bin/bandit --quiet --recursive --configfile pyproject.toml --severity-level medium $(SCANNED)
	.venv/bin/zizmor --offline --no-progress --quiet .github
	git ls-files -z | xargs -0 .venv/bin/detect-secrets-hook --exclude-files 'uv\.lock$$|(artifacts|pins)\.yaml$$'

test-quick: install  ## tests without a JVM that take no seconds, under a minute in all
	$(UNIT) -m "not slow"

test-spark: install  ## tests on one Spark session
	$(RUN) pytest tests/spark

test-stack: install  ## tests on the real servers
	$(RUN) pytest tests/stack

test-backup: install  ## a copy of a running lakehouse goes on elsewhere, and so does an older release's lake
	$(RUN) pytest tests/backup

VERSITYGW ?= v1.8.0

# Debian 12's Go is too old for it.
.venv/bin/versitygw: | .venv/installed
	command -v go > /dev/null || .venv/bin/uv sync --quiet --frozen --inexact --group go
	PATH="$$PATH:$(CURDIR)/.venv/bin" GOBIN="$(CURDIR)/.venv/bin" go install "github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW)"

test-s3: install .venv/bin/versitygw  ## the whole pipeline on a bucket of a real S3 server, killed in the middle
	$(RUN) pytest tests/s3

test-cluster: install  ## the stream on a Spark cluster of two workers; worker, lander and driver are killed
	$(RUN) pytest tests/cluster

test-images: install  ## the images, built and the core ones started, where Docker's or podman's engine runs
	$(RUN) pytest tests/images

.traffic/demo/lake:
	$(MAKE) demo

superset/.venv/installed: superset/pyproject.toml superset/uv.lock .venv/installed
	cd superset && ../.venv/bin/uv sync --quiet --frozen
	touch $@

superset: superset/.venv/installed  ## Trino and Superset on the tables of TRAFFIC_HOME, with the dashboards of superset/assets
	$(TRAFFIC) up --with trino --with superset

airflow/.venv/installed: airflow/pyproject.toml airflow/uv.lock .venv/installed
	cd airflow && ../.venv/bin/uv sync --quiet --frozen
	touch $@

airflow: airflow/.venv/installed  ## Kafka, MLflow and Airflow with the DAGs of airflow/dags, on the tables of TRAFFIC_HOME
	$(TRAFFIC) up --with airflow

# Spec Kit's environment is not below specs/: the YAML files there are all of our fingerprint.
.specify/.venv/installed: specs/speckit/pyproject.toml specs/speckit/uv.lock .venv/installed
	cd specs/speckit && UV_PROJECT_ENVIRONMENT=$(CURDIR)/.specify/.venv ../../.venv/bin/uv sync --quiet --frozen
	touch $@

INTEGRATION ?= generic
AGENT_OPTIONS = $(if $(filter generic,$(INTEGRATION)),--integration-options="--commands-dir .specify/agent/commands")
SPECIFY = .specify/.venv/bin/specify

speckit: .specify/.venv/installed  ## Spec Kit with our extension, preset and workflow: INTEGRATION=generic, or the agent's name
	$(SPECIFY) init --here --force --non-interactive --ignore-agent-tools --script sh --integration $(INTEGRATION) $(AGENT_OPTIONS)
	$(SPECIFY) extension add --dev specs/speckit/extension --force
	$(SPECIFY) preset remove traffic > /dev/null 2>&1 || true
	$(SPECIFY) preset add --dev specs/speckit/preset
	$(SPECIFY) workflow add --dev specs/speckit/workflow

.venv/groups: .venv/installed
	.venv/bin/uv sync --quiet --frozen --inexact --group docs --group notebook
	touch $@

docs: .venv/groups  ## docs/ as a site in build/docs, without a network once built
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict --quiet

test-docs: .venv/groups  ## the site, and every block of README and docs that is marked to run
	$(RUN) pytest tests/docs

test-wheel: install  ## the wheel, installed far from the repository, and its demo
	$(RUN) pytest tests/wheel

test-dags: airflow/.venv/installed  ## the DAGs on a real Airflow, on a small lake
	$(RUN) pytest tests/dags

test-apps: superset/.venv/installed .venv/groups .traffic/demo/lake  ## Trino and Superset, on the demo's tables
	$(RUN) pytest tests/apps

test-chaos: install  ## a kill at every failpoint, a million arbitrary records
	$(RUN) pytest tests/chaos/test_chaos.py

test-accidents: install  ## more than a kill: disk full, clock, lost checkpoint, registry down, a restart by itself, ...
	$(RUN) pytest tests/chaos/test_scenarios.py tests/chaos/test_supervised.py

test: lint  ## style and all tests, but for the slow groups test-chaos, test-accidents, test-dags, test-apps, test-docs, test-wheel, test-backup, test-s3, test-cluster, test-images
	$(UNIT)
	$(TWO) --dist=loadgroup --ignore=tests/unit --ignore=tests/apps --ignore=tests/dags --ignore=tests/docs --ignore=tests/chaos --ignore=tests/backup --ignore=tests/s3 --ignore=tests/cluster --ignore=tests/images --ignore=tests/wheel/test_demo.py

bench: install  ## what the README and docs say of speed
	$(TRAFFIC) bench landing
	$(TRAFFIC) bench freshness

CYCLES ?= 50
SEED ?= 1
RECORDS ?= 1000000
MINUTES ?= 30

chaos: install  ## kill, restart, audit: CYCLES=50 SEED=1; goes on where it was interrupted
	$(RUN) tests.chaos --cycles $(CYCLES) --seed $(SEED)

fuzz: install  ## arbitrary bytes through decode and verdict: RECORDS=1000000 SEED=1; goes on too
	$(RUN) tests.chaos.fuzz --records $(RECORDS) --seed $(SEED)

soak: install  ## MINUTES=30 of live load: memory, files and freshness must stay flat
	$(TRAFFIC) bench soak --minutes $(MINUTES)

clean:  ## remove what was installed and what the demo left
	rm -rf .venv .traffic build superset/.venv airflow/.venv
