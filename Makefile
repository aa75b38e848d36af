# make          set up .venv and run the bundled review
# make test     set up .venv and run the tests (under 10 minutes on 2 cores)
# make test-long the checks that take longer
# make report   run the bundled review, and make results/report.html of it
# make bench    measure it beside the R script that is its peer
# make lock     write requirements.txt anew from requirements.in

PYTHON ?= python3
CORES ?= 4
READY = .venv/ready

.PHONY: run report test test-long bench lock

run: $(READY)
	.venv/bin/snakemake --cores $(CORES)

report: run
	.venv/bin/snakemake --report results/report.html --report-stylesheet workflow/report/report.css

test: $(READY)
	.venv/bin/python -m pytest

test-long: $(READY)
	.venv/bin/python -m pytest -m long

bench: $(READY)
	.venv/bin/python benchmarks/run.py

lock: $(READY)
	.venv/bin/python -m pip install --quiet pip-tools
	.venv/bin/python -m piptools compile --quiet --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file requirements.txt requirements.in

$(READY): requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	touch $(READY)
