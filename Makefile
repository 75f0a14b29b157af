# tapedeck: build, test, check. `make help` explains every target.
#
# Objects are in build/<variant>/obj, programs in build/<variant>/bin; build/bin is the release variant's.
# A folder's sources are all that it has; `make check` compares them with what git knows.

VARIANT ?= release
B := build/$(VARIANT)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
FUZZ_SECONDS ?= 60
SOAK_KILLS ?= 200
SOAK_SECONDS ?= 600
SOAK_MINUTES ?= 10
PREFIX ?= /usr/local
TAPEDECK_CAPTURES ?= $(or $(wildcard ../shared/captures),build/captures)
export TAPEDECK_CAPTURES

# ---- sources (docs/architecture.md explains the folders) -------------------------------------------

# Of a folder with a folder inside it: its own files, and that folder's.
LIBRARIES := base base/json pack schema book embed format archive remote tape recorder/capture export/parquet
PROGRAMS := base/cli wire replay/play replay/cut replay/serve replay recorder/pipeline recorder/tap recorder/import recorder/merge recorder \
            export regress/drift regress sim view verbs
sources = $(sort $(foreach m,$(1),$(wildcard $(m)/*.c $(m)/*.cc)))
SRC_core := $(call sources,$(LIBRARIES))
SRC_programs := $(call sources,$(PROGRAMS))

# One program each; all of them share testing/.
SRC_tests := $(sort $(wildcard tests/*/test_*.c tests/*/*/test_*.c))
SRC_fuzz := $(sort $(wildcard tests/fuzz/fuzz_*.c))
SRC_testing := $(sort $(wildcard tests/testing/*.c))
# Programs with one function replaced: tests/wrapped/<program>_<name>.c.
SRC_wrapped := $(sort $(wildcard tests/wrapped/*.c))
PROGRAM_recorder := tapedeck-record
PROGRAM_replay := tapedeck-replay
PROGRAM_sim := tapedeck-sim
PROGRAM_verbs := tapedeck
WRAP_recorder_few_threads := pthread_create
WRAP_recorder_hung_names := getaddrinfo
WRAP_recorder_moved_clock := clock_real
WRAP_recorder_slow_disk := td_io_sync
WRAP_replay_broken_action := decoder_decode
WRAP_replay_broken_scale := decoder_decode
WRAP_replay_broken_side := decoder_decode
WRAP_replay_few_threads := pthread_create
WRAP_sim_few_threads := pthread_create
WRAP_truth_broken_book := book_apply
WRAP_verbs_few_threads := pthread_create
# Compares a recording with what a simulated exchange sent; the demo runs it, too.
SRC_truth := tests/truth/compare.c
# Compares the ledger of archives with the complement of what was covered.
SRC_coverage := $(sort $(wildcard tests/coverage/*.c))
# Programs with one more, made-up exchange.
# Both ends of the wire as programs that echo, for tests/conformance/play.mjs, and a program that writes
# Parquet files, for other readers.
SRC_conformance := $(sort $(wildcard tests/conformance/*.c))
# Programs of other libraries, which link none of the tree.
SRC_interop := $(sort $(wildcard tests/interop/*.c))
# The benchmarks link our libraries; limits/ link only what they measure.
SRC_bench := $(sort $(wildcard benchmarks/*.c))
SRC_limits := $(sort $(wildcard benchmarks/limits/*.c benchmarks/limits/*.cc))
SRC_all := $(SRC_core) $(SRC_programs) $(SRC_tests) $(SRC_fuzz) tests/fuzz/corpus_main.c $(SRC_testing) \
           $(SRC_wrapped) $(SRC_truth) $(SRC_coverage) $(SRC_conformance) $(SRC_interop) $(SRC_bench) $(SRC_limits)

# ---- compiler -------------------------------------------------------------------------------------

# make's own defaults are cc and g++ of whatever kind.
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
CXX := $(if $(filter default,$(origin CXX)),g++,$(CXX))
IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
AR_release := $(if $(IS_CLANG),ar,gcc-ar)
AR_tool := $(if $(filter default,$(origin AR)),$(or $(AR_$(VARIANT)),ar),$(AR))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla -Wformat=2 -Wundef -Wswitch-enum -Wpointer-arith -Wwrite-strings
WARNINGS_CXX := -Wall -Wextra -Wshadow -Wconversion
# Fat objects, so that the installed library links without this very compiler, which clang before 17 cannot make;
# -fPIC for the shared one.
FLAGS_release := -O2 -g -DNDEBUG $(if $(IS_CLANG),,-flto=auto -ffat-lto-objects) -fPIC -fvisibility=hidden
FLAGS_debug := -Og -g -fPIC
FLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
FLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
              -fno-sanitize-recover=all
FLAGS_cov := -O0 -g --coverage

VARIANT_FLAGS := $(or $(FLAGS_$(VARIANT)),$(error unknown VARIANT '$(VARIANT)': release, debug, asan, tsan, fuzz or cov))

CPPFLAGS_ALL := -I. -Iembed/include -D_GNU_SOURCE $(CPPFLAGS)
CFLAGS_ALL := -std=c17 $(WARNINGS) $(VARIANT_FLAGS) -pthread $(WERROR) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 $(WARNINGS_CXX) $(VARIANT_FLAGS) -pthread $(WERROR) $(CXXFLAGS)
# Nearly 200 programs are linked for the tests: lld or gold, if installed, take a third of ld's time.
LINKER_debug = $(firstword $(foreach l,lld gold,$(if $(wildcard $(addsuffix /ld.$(l),$(subst :, ,$(PATH)))),$(l))))
LINKER := $(addprefix -fuse-ld=,$(LINKER_$(VARIANT)))
LDFLAGS_ALL := $(VARIANT_FLAGS) -pthread $(LINKER) $(LDFLAGS)

LIBS_core := -lsimdjson -lzstd -lsqlite3 -ldeflate -lz -lxxhash -lcrypto -lm
LIBS_wire := -lssl -lcrypto
LIBS_cli := -lyaml
# The page's server. Only programs that have it need the library. (libcurl is loaded when it is used.)
LIBS_view := -Wl,--push-state,--as-needed -lwebsockets -Wl,--pop-state
# Decoders of users, libcurl (dlopen); a library of its own before glibc 2.34.
LIBS_replay := -ldl

# ---- objects, libraries, programs -----------------------------------------------------------------

obj = $(patsubst %,$(B)/obj/%.o,$(basename $(1)))
OBJ_all := $(call obj,$(SRC_all))

LIB_core := $(B)/libtapedeck.a
LIB_programs := $(B)/libprograms.a
LIB_testing := $(B)/libtesting.a
LIBS_own := $(LIB_programs) $(LIB_core)
# The dynamic linker looks for each name in every library before the name's own: those with the most names are first.
LIBS := -lcrypto -lstdc++ -lsqlite3 $(LIBS_view) $(LIBS_wire) $(LIBS_cli) $(LIBS_replay) $(LIBS_core)

BIN_names := tapedeck tapedeck-record tapedeck-replay tapedeck-sim
BINS := $(addprefix $(B)/bin/,$(BIN_names))
TRUTH_BIN := $(B)/tests/truth/compare
COVERAGE_BIN := $(B)/tests/coverage/compare

.PHONY: all deb check-deb force sources unit captures tests-build threads-build fuzz-build bench-build help deps demo test suite docs pictures golden-update \
        check check-quick check-fresh check-format check-structure check-wrap check-laws check-cppcheck check-tidy check-instructions \
        check-release check-asan check-tsan instructions-update format \
        bench fuzz soak sweep mutations install uninstall clean distclean
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SECONDEXPANSION:
MAKEFLAGS += --no-builtin-rules
SUBMAKE = @$(MAKE) --no-print-directory -s

##@ Everyday

## all: build the programs into build/bin (VARIANT=release|debug|asan|tsan|fuzz|cov)
all: $(BINS) $(TRUTH_BIN) $(if $(filter release,$(VARIANT)),build/bin) $(if $(filter release debug,$(VARIANT)),$$(LIB_shared))

build/bin: $(BINS)
	@mkdir -p build && ln -sfn $(VARIANT)/bin build/bin

COMPILE_C = @mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
# A library that is missing: one clear line instead of an error of the compiler.
$(B)/libraries:
	@mkdir -p $(@D)
	@missing=; \
	for header in openssl/ssl.h sqlite3.h zstd.h libdeflate.h zlib.h xxhash.h yaml.h simdjson.h libwebsockets.h curl/curl.h; do \
	    echo "#include <$$header>" | $(CXX) $(CPPFLAGS_ALL) -std=c++17 -x c++ -fsyntax-only - 2>/dev/null || missing="$$missing $$header"; \
	done; \
	[ -z "$$missing" ] || { echo "make: these headers are missing:$$missing. 'make deps' installs their packages (Debian, Ubuntu), or names them."; exit 1; }
	@touch $@
# Objects of other flags are compiled again.
$(B)/flags: force | $(B)/libraries
	@mkdir -p $(@D)
	$(file >$@.now,$(CC) $(CXX) $(AR_tool) $(VARIANT_FLAGS) $(CPPFLAGS) $(CFLAGS) $(CXXFLAGS) $(LDFLAGS))
	@cmp -s $@.now $@ || cp $@.now $@
$(B)/obj/%.o: %.c $(B)/flags
	$(COMPILE_C)
$(B)/obj/%.o: %.cc $(B)/flags
	@mkdir -p $(@D) && $(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -MMD -MP -c $< -o $@

# The documents of families, as C.
# Lists of families begin with Bybit's.
FAMILY_FILES := $(sort $(wildcard schema/bybit/*.yaml)) $(sort $(filter-out schema/bybit/%,$(wildcard schema/*/*.yaml)))
$(B)/obj/schema/family_texts.c: schema/compile-families $(FAMILY_FILES)
	@mkdir -p $(@D) && schema/compile-families $(FAMILY_FILES) >$@.$$$$ && mv $@.$$$$ $@
$(B)/obj/schema/family_texts.o: $(B)/obj/schema/family_texts.c schema/family_texts.h $(B)/flags
	@$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

$(LIB_core): $(call obj,$(SRC_core)) $(B)/obj/schema/family_texts.o
# The page of `view`, as C. Renamed when it is whole, because a make inside this one may need it at the same time.
PAGE_FILES := $(sort $(wildcard view/web/*.html view/web/*.css view/web/*.js view/web/*.svg))
$(B)/obj/view/page_files.c: view/compile-page $(PAGE_FILES)
	@mkdir -p $(@D) && view/compile-page $(PAGE_FILES) >$@.$$$$ && mv $@.$$$$ $@
$(B)/obj/view/page_files.o: $(B)/obj/view/page_files.c view/page.h $(B)/flags
	@$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

$(LIB_programs): $(call obj,$(filter-out verbs/tapedeck%,$(SRC_programs))) $(B)/obj/view/page_files.o
$(LIB_testing): $(call obj,$(SRC_testing))
$(LIBS_own) $(LIB_testing):
	@mkdir -p $(@D) && rm -f $@
	$(AR_tool) rcs $@ $^

LINK = @mkdir -p $(@D) && $(CXX) $(LDFLAGS_ALL)
$(BINS): $(B)/bin/%: $(B)/obj/verbs/%.o $(LIBS_own)
	$(LINK) -o $@ $^ $(LIBS)

# ---- tests, fuzz targets, benchmarks ---------------------------------------------------------------

TEST_BINS := $(patsubst tests/%.c,$(B)/tests/%,$(SRC_tests)) \
             $(patsubst tests/fuzz/fuzz_%.c,$(B)/tests/fuzz/corpus_%,$(SRC_fuzz))
$(B)/tests/%: $(B)/obj/tests/%.o $(LIB_testing) $(LIBS_own)
	$(LINK) -o $@ $^ -lcmocka $(LIBS)

# A fuzz target as a plain test (its corpus, and small changes to it), and under the fuzzer.
$(B)/tests/fuzz/corpus_%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/fuzz/corpus_main.o $(LIB_testing) \
                          $(LIBS_own)
	$(LINK) -o $@ $^ -lcmocka $(LIBS)
FUZZ_BINS := $(patsubst %.c,$(B)/%,$(filter tests/fuzz/fuzz_$(FUZZ_ONLY)%,$(SRC_fuzz)))
$(B)/tests/fuzz/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(LIB_testing) $(LIBS_own)
	$(LINK) -fsanitize=fuzzer -o $@ $^ -lcmocka $(LIBS)

$(TRUTH_BIN): $(call obj,$(SRC_truth)) $(LIBS_own)
	$(LINK) -o $@ $^ $(LIBS)
$(COVERAGE_BIN): $(call obj,$(SRC_coverage)) $(LIBS_own)
	$(LINK) -o $@ $^ $(LIBS)

# Link-time optimisation would bind a name before it is wrapped.
WRAPPED_BINS := $(patsubst tests/%.c,$(B)/tests/%,$(SRC_wrapped))
MAIN_OF_wrapped = $(if $(filter truth_%,$*),$(call obj,$(SRC_truth)),$(B)/obj/verbs/$(PROGRAM_$(firstword $(subst _, ,$*))).o)
$(B)/tests/wrapped/%: $(B)/obj/tests/wrapped/%.o $$(MAIN_OF_wrapped) $(LIBS_own)
	$(LINK) -fno-lto -Wl,--wrap=$(WRAP_$*) -o $@ $^ $(LIBS)

CONFORMANCE_BINS := $(patsubst tests/%.c,$(B)/tests/%,$(SRC_conformance))
$(CONFORMANCE_BINS): $(B)/tests/%: $(B)/obj/tests/%.o $(LIBS_own)
	$(LINK) -o $@ $^ $(LIBS)

INTEROP_BINS := $(patsubst tests/%.c,$(B)/tests/%,$(SRC_interop))
$(INTEROP_BINS): $(B)/tests/%: $(B)/obj/tests/%.o
	$(LINK) -o $@ $^ -lwebsockets

BENCH_BINS := $(patsubst benchmarks/%,$(B)/bench/%,$(basename $(SRC_bench) $(SRC_limits)))
$(B)/bench/limits/%: $(B)/obj/benchmarks/limits/%.o
	$(LINK) -o $@ $^ -Wl,--as-needed -lwebsockets $(LIBS)
$(B)/bench/%: $(B)/obj/benchmarks/%.o $(LIBS_own)
	$(LINK) -o $@ $^ $(LIBS)

## unit: build and run the unit tests only (VARIANT=debug by habit; T=name runs those that match)
# Only those that match are built, so that one's own tests run while others' do not compile.
UNIT_BINS := $(foreach t,$(TEST_BINS),$(if $(findstring $(or $(T),/),$(t)),$(t)))
unit: $(UNIT_BINS) | captures
	@node tests/run.mjs $(B)/tests-out $^

# Recorded captures are not part of the tree: without them the simulated exchange makes some.
captures: $(filter build/captures/%,$(TAPEDECK_CAPTURES)/simulated)
build/captures/simulated: tests/simulate-captures $(wildcard sim/*.c) $(FAMILY_FILES)
	$(SUBMAKE) -j$(JOBS) VARIANT=$(VARIANT) all
	@echo "captures: simulating some"
	@$< $(B)/bin $(@D)

tests-build: $(COVERAGE_BIN) $(TEST_BINS) $(WRAPPED_BINS) $(CONFORMANCE_BINS) $(INTEROP_BINS)
fuzz-build: $(FUZZ_BINS)
bench-build: $(BENCH_BINS)

-include $(OBJ_all:.o=.d)

##@ First steps

## help: this list
help:
	@awk '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
	      /^## / { text = substr($$0, 4); at = index(text, ":"); \
	               printf "  %-11s %s\n", substr(text, 1, at - 1), substr(text, at + 2) }' Makefile

## deps: install the packages that are missing (apt, with sudo where needed)
deps:
	@.ci/deps build test

## demo: simulated exchange over TLS -> record -> replay -> a report, in half a minute (the first time it builds, too)
demo:
	@.ci/deps build
	@[ -e build/bin ] || echo "demo: building the programs, which takes two minutes of CPU time"
	$(SUBMAKE) -j$(JOBS) VARIANT=release all
	@docs/examples/demo.sh build/bin build/demo

## test: the whole suite, with assertions on; ends with "N passed, N failed"
test:
	@.ci/deps build test
	$(SUBMAKE) -j$(JOBS) VARIANT=debug all tests-build
	$(SUBMAKE) VARIANT=debug suite

# The programs that end-to-end tests drive, and the tests: without those that UNIT and E2E leave out.
BIN = $(B)/bin
E2E = $(sort $(wildcard tests/e2e/*/*.test.mjs))
UNIT = $(TEST_BINS)
suite: captures
	@tests/npm/install || echo "tests that need npm packages are skipped"
	@TAPEDECK_WRAPPED=$(abspath $(B)/tests/wrapped) TAPEDECK_BIN=$(abspath $(BIN)) \
	    node tests/run.mjs $(B)/tests-out $(UNIT) $(E2E)

##@ Before a change is done

# What the strict gate reads: our own sources, not what builds or tests generate.
LINT_C = $(filter %.c,$(SRC_core) $(SRC_services) $(SRC_programs))
LINT_FORMAT = $(shell git ls-files '*.c' '*.h' '*.cc')
# JavaScript, in the page, tests, benchmarks and examples; tests/check/faults has no extension.
FORMAT_JS = $(shell git ls-files '*.js' '*.mjs') tests/check/faults
PRETTIER = build/npm/node_modules/.bin/prettier --log-level warn

## docs: write docs/topics.md from the rows that decode, and the man pages' options from --help
docs: all
	@node tests/e2e/operate/topics_page.mjs $(B)/bin
	@node tests/e2e/operate/man_options.mjs $(B)/bin

## pictures: make docs/pictures again from simulated archives (needs Chromium; minutes)
pictures: all
	@.ci/deps test
	@tests/npm/install
	@node docs/pictures/make.mjs $(B)/bin

## golden-update: write what decoding the golden frames gives now; read the diff before you commit it
golden-update: $(B)/tests/schema/test_golden
	@TAPEDECK_GOLDEN_UPDATE=1 $< && git status --short tests/golden

## check-quick: what a change needs before it is committed: format, structure, the tests of what changed since main (BASE=ref); 3 minutes
check-quick:
	@.ci/deps build test check
	@tests/check/quick $(BASE)

## check: the strict gate, 40 minutes: format, structure, laws, analysers, instructions a frame, suite under ASan+UBSan and TSan
check:
	@.ci/deps build test check fuzz bench
	$(SUBMAKE) check-format check-structure check-wrap check-laws check-cppcheck check-tidy
	$(SUBMAKE) check-instructions
	$(SUBMAKE) check-release
	$(SUBMAKE) check-asan
	$(SUBMAKE) check-tsan
	@echo "check: all passed"

## check-fresh: demo and test in clones on bare Debian 12 and 13, as root and as a user, and without npm (as root; an hour)
check-fresh:
	@command -v debootstrap >/dev/null || apt-get install -y --no-install-recommends debootstrap
	@tests/check/fresh $(FRESH)

check-format:
	@tests/npm/install
	@clang-format --dry-run --Werror $(LINT_FORMAT) && $(PRETTIER) --check $(FORMAT_JS) && \
	    echo "check: format ok" || { echo "check: run 'make format'"; exit 1; }

# Every source that is built, for tests/check/structure.
sources:
	@printf '%s\n' $(SRC_all)

check-structure:
	@tests/check/structure-test
	@tests/check/structure && tests/check/faults --check && echo "check: structure ok"

check-laws:
	@tests/check/laws && echo "check: laws ok"

check-wrap:
	@tests/check/wrap && echo "check: wrap ok"

check-cppcheck:
	@tests/check/lint cppcheck $(LINT_C) && echo "check: cppcheck ok"

check-tidy:
	@tests/check/lint tidy $(LINT_C) && echo "check: clang-tidy ok"

# Built by gcc alone: a compiler cache may leave out link-time optimisation.
MEASURED = build/measured
BUILD_MEASURED = $(SUBMAKE) -j$(JOBS) VARIANT=release B=$(MEASURED) CC=gcc CXX=g++ \
                 $(BIN_names:%=$(MEASURED)/bin/%) $(MEASURED)/lib/$(SONAME) bench-build
check-instructions:
	@.ci/deps build test bench
	$(BUILD_MEASURED)
	@node benchmarks/instructions.mjs $(MEASURED) && echo "check: instructions ok"

# The commit says why the numbers changed.
instructions-update:
	$(BUILD_MEASURED)
	@node benchmarks/instructions.mjs $(MEASURED) --write

# Warnings of the optimised build count as errors; then the programs that users run, in the tests that go through all of them.
E2E_release = operate/commands_in_docs operate/install record/all_families_match_truth record/recording_matches_truth \
              replay/python_package
check-release:
	$(SUBMAKE) -j$(JOBS) VARIANT=release WERROR=-Werror all
	$(SUBMAKE) VARIANT=debug suite BIN=build/release/bin UNIT= E2E='$(E2E_release:%=tests/e2e/%.test.mjs)'

# What a program prints about itself is left out: a sanitizer finds nothing new there. So is what compiles or installs.
E2E_text = operate/archive_argument operate/commands_in_docs operate/install operate/json_members operate/log_lines \
           operate/man_pages operate/mistyped_words operate/output_fits_80_columns operate/shell_completions \
           operate/tables_and_colours record/blocked_output regress/canonical_hashes replay/conditions replay/decoded_messages
check-asan:
	$(SUBMAKE) -j$(JOBS) VARIANT=asan WERROR=-Werror all tests-build
	$(SUBMAKE) VARIANT=asan suite TEST_TIMEOUT_S=1200 TAPEDECK_LONG=1 \
	    E2E='$(filter-out $(E2E_text:%=tests/e2e/%.test.mjs),$(E2E))'

# Tests that run threads: of the recorder, of replay and export with -j, of serve, and the unit tests of what they share.
E2E_threads = export/csv_and_jsonl export/hftbacktest export/parquet_rows hostile/process_limits operate/days operate/monitoring \
              record/all_families_match_truth record/bad_frames_and_disconnects record/configuration_disk_signals \
              record/durability_lag record/gaps_of_late_frames record/heal record/import record/independent_feeds record/on_segment record/replace record/resnapshot record/retention \
              record/recorded_frames_unchanged record/recorder_faults record/recording_matches_truth record/reload record/survives_kill \
              regress/baselines regress/drift regress/user_decoders replay/status_line serve/http_control \
              serve/late_subscriber_snapshots serve/recorded_session_repeats serve/terminal_keys tap/relayed_unchanged view/hostile_requests
UNIT_threads = $(filter $(addprefix $(B)/tests/,base/test_ring base/test_workers base/cli/test_line_writer export/% format/test_segment_reader \
               fuzz/corpus_archive remote/% replay/play/% recorder/% regress/% tape/% wire/%),$(TEST_BINS))
threads-build: $(UNIT_threads) $(WRAPPED_BINS) $(CONFORMANCE_BINS)
check-tsan:
	$(SUBMAKE) -j$(JOBS) VARIANT=tsan all threads-build
	$(SUBMAKE) VARIANT=tsan suite TEST_TIMEOUT_S=1200 UNIT='$$(UNIT_threads)' E2E='$(E2E_threads:%=tests/e2e/%.test.mjs)'

## format: rewrite the sources, C with clang-format, JavaScript with prettier
format:
	@.ci/deps test check
	@tests/npm/install
	@clang-format -i $(LINT_FORMAT)
	@$(PRETTIER) --write $(FORMAT_JS)

##@ Longer runs

## bench: our paths beside their limits, in one run; a table, and build/bench/results.jsonl
bench:
	@.ci/deps build test bench
	$(SUBMAKE) -j$(JOBS) VARIANT=release all bench-build
	@node benchmarks/run.mjs build/release build/bench

## fuzz: fuzz every parser for FUZZ_SECONDS each (default 60) under ASan+UBSan; FUZZ_ONLY=NAME: only those
fuzz:
	@.ci/deps build fuzz
	$(SUBMAKE) -j$(JOBS) VARIANT=fuzz CC=clang CXX=clang++ fuzz-build
	@tests/fuzz/run build/fuzz/tests/fuzz $(FUZZ_SECONDS) $(FUZZ_ONLY)

## soak: what all verbs answer after each kind of event, as a table; then SOAK_KILLS times kill -9 (default 200), one archive throughout, and other faults; a table of what was tried and
##       what was lost; then SOAK_MINUTES (default 10) of reloads, rotations, prunes, replacements and kills;
##       then all families at once for SOAK_SECONDS (default 600); then ccxt and a browser on serve; then an export in Slurm;
##       then faults planted in a copy of the product, each of which a test must find
soak: export TEST_TIMEOUT_S = 3600
soak:
	@.ci/deps build test soak
	@tests/npm/install
	$(SUBMAKE) -j$(JOBS) VARIANT=release all build/release/tests/wrapped/recorder_moved_clock \
	    build/release/tests/wrapped/recorder_slow_disk build/release/tests/coverage/compare
	@TAPEDECK_BIN=build/bin node tests/e2e/operate/answers_matrix.mjs
	@tests/e2e/soak build/release/bin $(SOAK_KILLS)
	@TAPEDECK_SESSION_SECONDS=$(SOAK_SECONDS) TAPEDECK_SESSION_RATE=60 tests/e2e/run build/bin record/all_families
	@TAPEDECK_ALL_CLIENTS=1 tests/e2e/run build/bin serve/exchange_clients
	@TAPEDECK_SLURM=1 tests/e2e/run build/bin export/slurm
	@node tests/e2e/record/kill_at_each_io_call.mjs build/bin
	@TAPEDECK_BIN=build/bin node tests/e2e/record/long_session.mjs $(SOAK_MINUTES)
	@tests/check/faults

## sweep: every disk that power cuts, kills, I/O errors and full disks can leave, memory that runs out; minutes to an hour
FAULT_BINS := $(patsubst tests/%.c,build/release/tests/%,$(filter tests/fault/%,$(SRC_tests)))
sweep:
	@.ci/deps build test
	$(SUBMAKE) -j$(JOBS) VARIANT=release $(FAULT_BINS)
	@for t in $(FAULT_BINS); do TAPEDECK_SWEEP=full $$t || exit 1; done

## mutations: drop, repeat, swap and alter frames of the captures and of every simulated family; a table of what replay finds.
##       MUTATIONS_CORPUS=DIR: over the frames kept there, to compare two builds
mutations: all
	@.ci/deps build test
	@TAPEDECK_BIN=build/bin node tests/e2e/replay/mutations.mjs $(or $(MUTATIONS_CORPUS),build/mutations)

##@ On this machine

# libtapedeck, for programs of users (tests/e2e/operate/install.test.mjs builds some): embed/ and what it needs, in one
# object whose only global symbols are tapedeck_*.
VERSION = $(shell sed -n 's/.*TAPEDECK_VERSION "\(.*\)"/\1/p' base/version.h)
SONAME = libtapedeck.so.$(word 1,$(subst ., ,$(VERSION)))
LIBS_embed = -lyaml -lsimdjson -lzstd -lsqlite3 -ldeflate -lz -lxxhash -lcrypto -ldl
EMBED = $(B)/lib/tapedeck.o
LIB_static = $(B)/lib/libtapedeck.a
LIB_shared = $(B)/lib/$(SONAME)
$(EMBED): $(call obj,$(addprefix embed/,reader.c archive.c tape.c tape_books.c tape_wait.c)) $(LIB_core)
	@mkdir -p $(@D)
	ld -r --force-group-allocation -o $@ $^
	objcopy -w --keep-global-symbol='tapedeck_*' -R '.gnu.lto_*' -R '.gnu.debuglto_*' $@
$(LIB_static): $(EMBED)
	@rm -f $@
	$(AR_tool) rcs $@ $<
$(LIB_shared): $(EMBED)
	$(CXX) -shared -pthread -Wl,-soname,$(SONAME),-z,defs,--as-needed $(LDFLAGS) -o $@ $< $(LIBS_embed)

# Any of these may have spaces in its name.
LIBDIR ?= $(PREFIX)/lib
DEST = $(DESTDIR)$(PREFIX)
DEST_LIB = $(DESTDIR)$(LIBDIR)
INCLUDE = $(DEST)/include/tapedeck
PUBLIC_HEADERS = $(wildcard embed/include/tapedeck/*.h)
PAGES = $(wildcard docs/man/*.1)
PAGES_7 = $(wildcard docs/man/*.7)
# Where python3 looks: Debian's below /usr without its version; below a virtual environment and ~/.local in
# site-packages.
PYTHON_VERSION = $(shell python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null || echo python3)
PYTHON_DIR = $(DEST_LIB)/$(if $(filter /usr,$(PREFIX)),python3,$(PYTHON_VERSION))/$(if \
    $(filter /usr /usr/local,$(PREFIX)),dist,site)-packages/tapedeck
# Where each shell looks for the completions of a program.
BASH_DIR = $(DEST)/share/bash-completion/completions
ZSH_DIR = $(DEST)/share/zsh/site-functions
FISH_DIR = $(DEST)/share/fish/vendor_completions.d

## install: copy programs, library, headers, man pages and completions below PREFIX (/usr/local; LIBDIR: PREFIX/lib), DESTDIR in front
install: all $(LIB_static) $(LIB_shared)
	install -D -t "$(DEST)/bin" $(BINS)
	install -D -m 644 -t "$(DEST_LIB)" $(LIB_static) $(LIB_shared)
	ln -sf $(SONAME) "$(DEST_LIB)/libtapedeck.so"
	install -D -m 644 -t "$(DEST)/share/man/man1" $(PAGES)
	install -D -m 644 -t "$(DEST)/share/man/man7" $(PAGES_7)
	install -D -m 644 -t "$(PYTHON_DIR)" $(addprefix embed/python/tapedeck/,__init__.py __init__.pyi py.typed)
	install -D -m 644 -t "$(INCLUDE)" $(PUBLIC_HEADERS)
	install -d "$(DEST_LIB)/pkgconfig" "$(BASH_DIR)" "$(ZSH_DIR)" "$(FISH_DIR)"
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(subst $(PREFIX)/,$${prefix}/,$(LIBDIR))' 'Name: tapedeck' \
	    'Version: $(VERSION)' \
	    'Description: decoders, rules, order books and archives of exchange WebSocket feeds' \
	    'Cflags: -I"$${prefix}/include"' 'Libs: -L"$${libdir}" -ltapedeck' \
	    'Libs.private: $(LIBS_embed) -lstdc++ -lm -pthread' > "$(DEST_LIB)/pkgconfig/tapedeck.pc"
	for p in $(BIN_names); do \
	    sed "s/PROGRAM/$$p/g" base/cli/completions.bash > "$(BASH_DIR)/$$p" && \
	    sed "s/PROGRAM/$$p/g" base/cli/completions.zsh > "$(ZSH_DIR)/_$$p" && \
	    sed "s/PROGRAM/$$p/g" base/cli/completions.fish > "$(FISH_DIR)/$$p.fish" || exit 1; \
	done

## deb: build a Debian package of HEAD's programs, manual pages and systemd units into build/deb
deb:
	@.ci/deps build deb
	@rm -rf build/deb && mkdir -p build/deb/tapedeck
	@git archive HEAD | tar -x -C build/deb/tapedeck
	@cd build/deb/tapedeck && dpkg-buildpackage -b -us -uc >../build.log 2>&1 || { tail -n 20 ../build.log >&2; exit 1; }
	@ls build/deb/tapedeck_*.deb

# On a machine of its own, as root: it installs and purges the package.
check-deb:
	@tests/check/deb

## uninstall: remove what install put there
uninstall:
	for p in $(BIN_names); do \
	    rm -f "$(DEST)/bin/$$p" "$(BASH_DIR)/$$p" "$(ZSH_DIR)/_$$p" "$(FISH_DIR)/$$p.fish"; \
	done
	rm -f "$(DEST_LIB)/libtapedeck.a" "$(DEST_LIB)/libtapedeck.so" "$(DEST_LIB)/$(SONAME)" "$(DEST_LIB)/pkgconfig/tapedeck.pc"
	for page in $(notdir $(PAGES)); do rm -f "$(DEST)/share/man/man1/$$page"; done
	for page in $(notdir $(PAGES_7)); do rm -f "$(DEST)/share/man/man7/$$page"; done
	rm -rf "$(INCLUDE)" "$(PYTHON_DIR)"

## clean: remove build/
clean:
	rm -rf build

## distclean: the same, and what editors were given (compile_commands.json)
distclean: clean
	rm -f compile_commands.json
