# `make` or `make help` lists the targets. Each that needs the environment makes it first, which is instant when
# it is there: tools/setup_env.py looks whether settings.ini, constraints.txt and the like have changed.

# A finished .venv keeps the Python it was made with; `make PYTHON=python3.12 setup` makes it anew with another.
PYTHON ?= $(shell test -s .venv/.ready && test -x .venv/bin/python && echo .venv/bin/python || echo python3)
# As in an activated environment, so that `!unet-explorer` in a notebook is this one too.
IN := PATH="$(CURDIR)/.venv/bin:$$PATH"

.PHONY: help venv setup lab test test-slow test-gpu test-wheel demo docs docs-serve docs-quarto bench export notebooks readme clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

venv:
	@$(PYTHON) tools/setup_env.py

setup: venv  ## .venv with everything and git hooks; safe to repeat (TORCH=cpu or cuda: which torch)
	@echo "Ready: make lab opens the lessons, make test checks everything, make help lists the rest."

lab: venv  ## open the lessons in JupyterLab (LAB_ARGS="--no-browser" and the like)
	@$(IN) jupyter lab $(LAB_ARGS) nbs/index.ipynb

test: venv  ## everything CI runs; half an hour on two cores
	@$(IN) python -m pytest $(ARGS)

test-slow: venv  ## the long checks that `make test` leaves out
	@$(IN) python -m pytest -m slow $(ARGS)

test-gpu: venv  ## a graphics card (CUDA, MPS): same results as the processor, and how fast; three minutes
	@$(IN) python -m pytest -n 0 -s -m gpu tests/test_gpu.py $(ARGS)

test-wheel: venv  ## the built wheel by itself, with the oldest and the newest versions
	@$(IN) python -m pytest -n 0 -m "slow or not slow" tests/test_wheel.py $(ARGS)

demo: venv  ## train and report on real images (ARGS="--minutes 1 --out DIR")
	@$(IN) unet-explorer demo $(ARGS)

docs: venv  ## the book as a web site, in _docs/
	@$(IN) python tools/docs.py

docs-serve: venv  ## the same, at http://127.0.0.1:8000
	@$(IN) python tools/docs.py --serve

docs-quarto: venv  ## the same with Quarto, where that is installed
	@command -v quarto >/dev/null || { echo 'no quarto here (quarto.org): make docs does without it'; exit 1; }
	@rm -rf _proc
	@$(IN) python tools/readme.py  # now: of an older README nbdev_docs would have Quarto make another, and leave index_files/
	@$(IN) nbdev_docs

bench: venv  ## the long experiments; writes nbs/results/ (ARGS=NAME for one)
	@$(IN) python bench/run.py $(ARGS)

export: venv  ## notebooks -> unet_explorer/
	@$(IN) nbdev_export

notebooks: export  ## run every lesson and save its outputs (ARGS=nbs/X.ipynb for one)
	@$(IN) python tools/run_notebooks.py $(ARGS)

readme: venv  ## nbs/index.ipynb -> README.md
	@$(IN) python tools/readme.py

clean:  ## remove what can be made again, but for .venv
	@rm -rf _docs _proc index_files build dist .pytest_cache ./*.egg-info
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
