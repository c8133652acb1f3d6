# make demo   watch frames travel from cameras to alarms (installs what it needs into .venv)
# make test   run the tests, in several processes      make lint   format, types, import contracts
# make test-costs   the same, one after another, and what each costs in processor seconds
# make check  for daily work, two minutes: lint, and the tests that start no server or process
# make bench  measure the stage on this machine        make bench-inference  the detector alone
# make bench-thresholds   do thresholds keep what they promise, in a simulation and on real images
# make bench-recipe       choose members without the pictures that judge them, and measure the choice
# make bench-stream   the shell on Apache Kafka: cost a frame, scaling, transactions, memory
# make bench-scale    a thousand cameras, simulated from the constants of `stream-inspector plan`
# make bench-latency  defects and good parts from capture to outcome, at 60 % load, on two idle cores
# make bench-engines  what PyTorch, ONNX Runtime and the measured choice say of real images, and how fast
# make bench-models   a worker's start, a change of versions under load, Redis away for a minute
# make bench-console   every page of the console with a million outcomes: time and bytes
# make console-pictures  the pictures of docs/console.md, from a run of the demo
# make chaos  break everything under load and count what is lost (about 25 minutes)
# make cluster-test   the chart on a real Kubernetes control plane with KEDA (built once: 15 minutes)
# make image-check    install an image's packages into an empty environment, and start it there
# make docs   write the generated pages: configuration, messages, metrics
# make clean  remove everything that was made
# Each of the many processes that tests start would compile all of its packages again.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMMA := ,
# Without PyTorch, unless it trains.
TRAINS := $(filter --data% --preset%,$(ARGS))
DEMO := $(VENV)/.demo-$(if $(TRAINS),trains,ready)
TORCH_INDEX ?=# URL of PyTorch's CPU wheels: leaves the libraries of CUDA out
PARALLEL := --dist loadgroup --no-loadscope-reorder # in the order of tests/conftest.py: long tests first

.PHONY: demo test test-costs check cluster-test lint bench bench-inference bench-thresholds bench-recipe bench-stream bench-scale bench-latency bench-engines bench-models bench-console console-pictures chaos image-check schemas metrics docs clean install
.DELETE_ON_ERROR:

install: $(READY)

$(READY): EXTRA := dev
$(DEMO): EXTRA := demo$(if $(TRAINS),$(COMMA)worker)
$(READY) $(DEMO): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "stream-inspector needs Python 3.11 or newer; run: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ($(if $(filter demo,$(EXTRA)),about 0.6 GB,a few minutes$(COMMA) about 6 GB; torch is most of it)) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRA)]' --constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@

demo: $(if $(wildcard $(READY)),$(READY),$(DEMO))
	$(BIN)/stream-inspector demo $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) -n auto $(ARGS)

test-costs: $(READY)
	$(BIN)/python -m pytest -p tests.costs $(ARGS)

check: lint
	$(BIN)/python -m pytest $(PARALLEL) -n logical -m "not integration and not slow" --timeout 60 $(ARGS)

cluster-test: $(READY)
	$(BIN)/python tests/cluster/build.py
	$(BIN)/python -m pytest tests/cluster/test_server_side.py tests/cluster/scenarios.py $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks.stage $(ARGS)

bench-inference: $(READY)
	$(BIN)/python -m benchmarks.inference $(ARGS)

bench-thresholds: $(READY)
	$(BIN)/python -m benchmarks.thresholds $(ARGS)

bench-recipe: $(READY)
	$(BIN)/python -m benchmarks.recipe $(ARGS)

bench-stream: $(READY)
	$(BIN)/python -m benchmarks.stream $(ARGS)

bench-scale: $(READY)
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench-latency: $(READY)
	$(BIN)/python -m benchmarks.latency $(ARGS)

bench-engines: $(READY)
	$(BIN)/python -m benchmarks.engines $(ARGS)

bench-models: $(READY)
	$(BIN)/python -m benchmarks.model_state $(ARGS)

bench-console: $(READY)
	$(BIN)/python -m benchmarks.console $(ARGS)

console-pictures: $(READY)
	$(BIN)/python -m benchmarks.console_pictures $(ARGS)

chaos: $(READY)
	$(BIN)/python -m benchmarks.chaos $(ARGS)

image-check: $(READY)
	$(BIN)/python tests/images/clean_install.py $(ARGS)

schemas: $(READY)
	$(BIN)/python -m schemas.documents.generate

docs: $(READY) metrics
	$(BIN)/python -m workers.config.reference
	$(BIN)/python -m schemas.documents.reference
	$(BIN)/python -m workers.config.chart

metrics: $(READY)
	$(BIN)/python -m workers.runtime.telemetry.metrics.generate

clean:
	rm -rf $(VENV) runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
