# Each target does all of its set-up; a second run of that costs a second.

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-mysql test-long check fuzz sim faults bench

# make's own default, so that a shell's variable of this name is not taken for it.
SECONDS := 60

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## everything that is needed, once: packages, Envoy, drivers, the filters and the brain built
	@setup/setup.sh servers drivers

demo: ## the whole idea on real parts, live; CHECK=1 asserts it and prints one JSON line
	@setup/setup.sh servers
	@CHECK=$(CHECK) node --import tsx demo/main.ts

test: setup ## every test, from the parsers to the end-to-end drills on real databases
	@node --import tsx test/run.ts --built

test-mysql: ## the optional suite on MySQL 8.0, which is fetched for it (553 MB)
	@setup/setup.sh servers drivers mysql
	@node --import tsx test/run.ts --built mysql

test-long: setup ## what takes long: 1 GB through it, rows of 64 MB
	@node --import tsx test/run.ts --built long

check: ## format, lint, types, who may import whom, generated files
	@setup/setup.sh
	@test/check.sh

fuzz: ## every parser and state machine under a fuzzer, SECONDS=60 a target; fails where something is found
	@setup/setup.sh
	@node --import tsx test/fuzz/run.ts --seconds $(SECONDS)

sim: ## schedules of clients and faults for the shipped ledger and election, SEEDS=10000; FROM=1 EVENTS=1000 JOBS=4 KEEP=1; the last line is JSON
	@setup/setup.sh sim
	@SEEDS=$(SEEDS) FROM=$(FROM) EVENTS=$(EVENTS) JOBS=$(JOBS) node build/sim/test/simulation/main.js $(if $(KEEP),--keep)

faults: setup ## floods with a fault in the middle of each, on the real parts; the database judges, the last line is JSON
	@node --import tsx test/faults/main.ts

bench: SECONDS := 4
bench: ## Sluice beside plain Envoy, direct, Traefik and PgBouncer; ROUNDS=5 SECONDS=4, some ten minutes; ROUNDS=2 SECONDS=1 for a look
	@setup/setup.sh servers bench
	@ROUNDS=$(ROUNDS) SECONDS=$(SECONDS) IDLE=$(IDLE) node --import tsx test/bench/main.ts
