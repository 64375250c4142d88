# The two commands that matter are `make run` and `make test`. Everything else is in ./dev.
# They install what they miss of packages.txt; none asks for anything when nothing is missing.

PORT ?= 8000
UPSTREAM ?= http://127.0.0.1:9000
FUZZ_SECONDS ?= 60
SEEDS ?= 20000
PYTHON ?= python3

.PHONY: help build run gateway test wheel

help:
	@echo 'make run      build, and start the demonstration on 127.0.0.1:$(PORT) (PORT=9000 for another port)'
	@echo 'make test     build, and run every test: sanitizers, fuzzers ($(FUZZ_SECONDS) s each), $(SEEDS) simulated runs, then the suite'
	@echo 'make build    build the command build/release/bin/tidegate'
	@echo 'make gateway  nginx with tidegate in front of UPSTREAM=$(UPSTREAM), on 127.0.0.1:$(PORT)'
	@echo 'make wheel    build the Python package for $(PYTHON), into dist/ (PYTHON=python3.12 for another CPython)'
	@echo './dev --help  what developers use: one suite, one fuzzer, checks, formatting, benchmarks, coverage'

build:
	@tools/install-packages build
	@cmake --preset release >/dev/null
	@cmake --build build/release --target tidegate

# The server replaces the recipe's shell, so that Ctrl-C reaches it alone, it stops its workers, and
# make ends with it.
run: build
	@exec build/release/bin/tidegate serve --demo --workers 2 --listen 127.0.0.1:$(PORT) --config tidegate.toml

# nginx is not what building needs: it is asked for by name.
gateway:
	@tools/install-packages build gateway
	@cmake --preset release -DTIDEGATE_NGINX=ON >/dev/null
	@cmake --build build/release --target tidegate ngx_http_tidegate_module
	@exec build/release/bin/tidegate gateway --upstream $(UPSTREAM) --workers 2 --listen 127.0.0.1:$(PORT) --config tidegate.toml

# The suite of the release build comes last: its closing line is the verdict.
test:
	@tools/install-packages build gateway test
	@./dev sanitize
	@./dev fuzz --seconds $(FUZZ_SECONDS)
	@./dev simulate --seeds $(SEEDS)
	@./dev test --all

# A wheel needs the tools of the tests, from pip.
wheel:
	@tools/install-packages build test
	@tools/build-wheel $(PYTHON)
