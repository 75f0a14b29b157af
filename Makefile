# tapedeck: build, test, check. `make help` explains every target.
#
# One file, no recursion. Objects lie in build/<variant>/obj, programs in build/<variant>/bin, and the
# release programs are also reached as build/bin. Sources are listed, so a stray file is never built.

VARIANT ?= release
B := build/$(VARIANT)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
TAPEDECK_CAPTURES ?= ../shared/captures
export TAPEDECK_CAPTURES

VERSION = $(shell sed -n 's/.*TAPEDECK_VERSION "\(.*\)"/\1/p' cli/version.h)
PREFIX ?= /usr/local
DESTDIR ?=

# ---- sources, module by module (see docs/architecture.md for what each is) -----------------------

SRC_base := base/assert.c base/err.c base/alloc.c base/alloc_raw.c base/buf.c base/io.c \
            base/io_posix.c base/clock.c base/escape.c base/log.c base/secret.c base/hash.c base/near.c base/decimal.c base/random.c base/time_text.c base/arena.c \
            base/workers.c base/inflate.c base/ring.c base/io_fault.c base/io_fault_control.c \
            base/io_fault_cut.c base/io_fault_disk.c base/io_fault_names.c base/io_fault_plan.c base/clock_sim.c

SRC_schema := schema/json_write.c schema/json_value.c schema/json_check.c schema/json_scalar.c \
              schema/family.c schema/topic.c $(sort $(wildcard schema/topics/*.c)) \
              schema/message.c schema/message_hash.c schema/message_json.c schema/plan.c \
              schema/decode.c schema/decode_rows.c schema/decode_entries.c schema/decode_value.c schema/decode_json.c schema/decode_hot.c \
              schema/decode_book.c schema/decode_trade.c schema/classify.c schema/classify_data.c schema/classify_plain.c schema/json_schema.c
SRC_schema_cc := schema/json.cc

SRC_book := book/audit.c book/audit_books.c book/audit_sums.c book/audit_trades.c book/book.c book/continuity.c book/continuity_entries.c book/continuity_facts.c book/continuity_rules.c

SRC_format := format/chain.c format/channel.c format/chunk_builder.c format/chunk_channels.c \
              format/chunk_conns.c format/chunk_seal.c format/codec.c format/mcap_decode.c \
              format/mcap_encode.c format/mcap_reader.c format/mcap_source.c format/mcap_summary.c format/mcap_writer.c \
              format/recover.c format/recover_walk.c \
              format/segment_channels.c format/segment_reader.c format/segment_records.c format/segment_scan.c \
              format/segment_summary.c format/segment_verify.c format/segment_verify_chain.c \
              format/segment_verify_chunk.c format/segment_verify_end.c format/segment_walk.c format/segment_writer.c

SRC_format += format/gap.c format/segment_name.c format/archive.c format/archive_list.c format/segment_copy.c format/segment_index.c \
              format/archive_plan.c format/archive_newest.c format/journal.c format/catalog.c format/catalog_read.c \
              format/catalog_write.c format/catalog_compare.c format/catalog_known.c format/catalog_checksum.c format/catalog_rebuild.c format/ledger.c format/session_spans.c format/reindex.c format/feed_past.c format/feed_slots.c format/feed_missing.c format/feed_strays.c \
              format/archive_writer.c format/archive_feed.c format/archive_recover.c format/verify.c \
              format/verify_segments.c format/verify_links.c format/name_index.c format/verify_counters.c format/verify_sessions.c format/verify_catalog.c format/prune.c format/prune_age.c format/prune_gaps.c
# catalog.sql as C strings, one per schema version.
GEN_format := $(B)/gen/format/catalog_sql.c

SRC_tape := tape/selection.c tape/event.c tape/gap_json.c tape/frame_json.c tape/channel_router.c tape/block.c tape/roster.c tape/source.c tape/plan.c \
            tape/loader.c tape/merge.c tape/redact.c tape/redact_frame.c tape/settling.c tape/tape.c tape/follow.c tape/nothing.c

SRC_wire := wire/url.c wire/proxy.c wire/tls.c wire/tls_judge.c wire/resolve.c wire/assembly.c wire/loop.c \
            wire/client.c wire/client_connect.c wire/tunnel.c wire/client_callback.c wire/server.c wire/http.c wire/server_peer.c wire/ready.c wire/refusals.c \
            wire/dialect.c wire/dialect_parse.c wire/dialect_answer.c \
            wire/dialect_ask.c wire/dialect_op.c wire/dialect_v3.c wire/dialect_usdc.c wire/dialect_spot.c \
            wire/dialect_spot_topic.c wire/dialect_spot_private.c \
            wire/filters.c

SRC_cli := cli/options.c cli/options_value.c cli/options_help.c cli/option_groups.c cli/report.c \
           cli/progress.c cli/verbs.c cli/line_writer.c cli/output.c cli/table.c cli/stop_signal.c

SRC_recorder := recorder/backoff.c recorder/chunk_queue.c recorder/cmd_record.c recorder/config.c \
                recorder/config_http.c recorder/config_rows.c recorder/config_yaml.c recorder/http_feed.c recorder/connection.c recorder/connection_ledger.c recorder/open_gaps.c recorder/open_gaps_begin.c recorder/connection_talk.c recorder/symbols.c \
                recorder/credentials.c recorder/disk.c recorder/drop_count.c recorder/encoder.c \
                recorder/feed_setup.c recorder/findings.c recorder/intake.c recorder/lag.c recorder/room.c \
                recorder/session_clock.c recorder/subscriber.c recorder/subscription.c \
                recorder/supervisor.c recorder/supervisor_open.c recorder/watch.c recorder/watched.c

SRC_replay := replay/digest.c replay/lateness.c replay/pacer.c replay/player.c replay/strands.c \
    replay/stream.c replay/stream_table.c replay/truth_table.c replay/truth_content.c replay/truth_match.c replay/report.c replay/report_json.c \
    replay/report_text.c replay/message_line.c replay/sink_jsonl.c replay/sink_truth.c replay/keyboard.c replay/source.c \
    replay/absence.c replay/subscribed.c replay/cmd_replay.c replay/serve.c replay/serve_books.c replay/serve_client.c replay/serve_feeds.c replay/snapshot.c replay/cmd_serve.c
SRC_replay += replay/export_table.c replay/export_gzip.c replay/export_folder.c replay/export_series.c \
    replay/export_survey.c replay/export_gate.c replay/export_rows.c replay/export_reader.c \
    replay/export_lateness.c replay/export_manifest.c replay/export_csv.c replay/export_jsonl.c \
    replay/export_writer.c replay/export.c replay/cmd_export.c

SRC_archive := archive/import.c archive/import_feed.c archive/import_line.c archive/import_plan.c \
               archive/import_slots.c archive/import_source.c archive/import_spool.c archive/import_secrets.c \
               archive/cmd_import.c archive/verb_run.c archive/cmd_info.c archive/info_pruned.c archive/cmd_ls.c \
               archive/cmd_cat.c archive/cmd_gaps.c archive/cmd_verify.c archive/cmd_recover.c archive/cmd_prune.c \
               archive/cmd_reindex.c archive/cmd_decode.c archive/frame_lines.c archive/cmd_topics.c archive/topics_markdown.c archive/main.c

SRC_sim := sim/market.c sim/flow.c sim/instrument.c sim/window.c sim/candle.c sim/symbol.c sim/template.c \
           sim/rows_op.c sim/rows_v5.c sim/rows_spot.c sim/rows_usdc.c sim/rows_account.c sim/account.c sim/account_values.c sim/catalog.c sim/venue.c sim/venue_show.c \
           sim/truth.c sim/fault.c sim/exchange.c sim/exchange_request.c sim/exchange_pace.c sim/exchange_truth.c \
           sim/cmd_sim_list.c sim/cmd_sim.c

# ---- tests: tests/<module>/test_<name>.c, each one program ---------------------------------------

TESTS_base := tests/base/test_alloc.c tests/base/test_arena.c tests/base/test_buf.c tests/base/test_clock.c \
              tests/base/test_decimal.c tests/base/test_err.c tests/base/test_escape.c tests/base/test_hash.c tests/base/test_near.c \
              tests/base/test_io_fault.c tests/base/test_io_fault_plan.c tests/base/test_io_posix.c \
              tests/base/test_inflate.c tests/base/test_random.c tests/base/test_ring.c tests/base/test_secret.c tests/base/test_time_text.c \
              tests/base/test_workers.c

TESTS_schema := tests/schema/test_decode_captures.c tests/schema/test_json.c \
                tests/schema/test_json_write.c tests/schema/test_topic.c tests/schema/test_classify.c \
                tests/schema/test_decode.c tests/schema/test_decode_refused.c tests/schema/test_message.c \
                tests/schema/test_json_schema.c tests/schema/test_golden.c tests/schema/test_topics_v5.c \
                tests/schema/test_topics_older.c

TESTS_schema += tests/schema/test_rows.c tests/schema/test_rows_refused.c tests/schema/test_mechanics.c

TESTS_book := tests/book/test_book.c tests/book/test_continuity.c tests/book/test_continuity_entries.c tests/book/test_loss.c

TESTS_book += tests/book/test_audit.c

TESTS_format := tests/format/test_name_index.c tests/format/test_chunk_builder.c tests/format/test_interop.c tests/format/test_mcap.c tests/format/test_recover.c tests/format/test_segment.c tests/format/test_segment_verify.c
TESTS_format += tests/format/test_archive.c tests/format/test_archive_writer.c tests/format/test_archive_writer_faults.c tests/format/test_meddling.c tests/format/test_catalog.c \
                tests/format/test_gap.c tests/format/test_session_spans.c tests/format/test_feed_slots.c tests/format/test_journal.c tests/format/test_archive_recover.c \
                tests/format/test_verify.c tests/format/test_verify_damage.c tests/format/test_copies.c tests/format/test_verify_catalog.c tests/format/test_verify_counters.c tests/format/test_prune.c tests/format/test_prune_faults.c tests/format/test_archive_plan.c

TESTS_tape := tests/tape/test_channel_router.c tests/tape/test_selection.c tests/tape/test_event.c tests/tape/test_gap_json.c tests/tape/test_tape.c \
              tests/tape/test_tape_files.c

TESTS_tape += tests/tape/test_follow.c tests/tape/test_settling.c tests/tape/test_redact.c tests/tape/test_redact_frame.c

TESTS_wire := tests/wire/test_refusals.c tests/wire/test_url.c tests/wire/test_dialect.c tests/wire/test_dialect_answers.c tests/wire/test_dialect_requests.c tests/wire/test_dialect_inputs.c \
              tests/wire/test_client.c tests/wire/test_http.c tests/wire/test_link.c \
              tests/wire/test_loop.c tests/wire/test_resolve.c tests/wire/test_trust.c

TESTS_cli := tests/cli/test_line_writer.c tests/cli/test_options.c tests/cli/test_output.c

TESTS_recorder := tests/recorder/test_backoff.c tests/recorder/test_config.c \
                  tests/recorder/test_watch.c tests/recorder/test_feed_setup.c tests/recorder/test_findings.c \
                  tests/recorder/test_intake.c tests/recorder/test_lag.c tests/recorder/test_pipeline.c tests/recorder/test_pipeline_ledger.c \
                  tests/recorder/test_room.c \
                  tests/recorder/test_session_clock.c \
                  tests/recorder/test_subscriber.c tests/recorder/test_subscription.c tests/recorder/test_open_gaps.c

TESTS_replay := tests/replay/test_audit.c tests/replay/test_audit_hour.c tests/replay/test_audit_sim.c tests/replay/test_player.c tests/replay/test_subscribed.c tests/replay/test_digest.c tests/replay/test_pacer.c \
                tests/replay/test_report.c tests/replay/test_serve.c tests/replay/test_snapshot.c tests/replay/test_serve_families.c \
                tests/replay/test_stream_table.c tests/replay/test_truth_match.c
TESTS_replay += tests/replay/test_export_mapper.c tests/replay/test_export_book.c tests/replay/test_export_folder.c \
                tests/replay/test_export_series.c tests/replay/test_export_lateness.c

TESTS_archive := tests/archive/test_verb_run.c tests/archive/test_import_source.c tests/archive/test_import_line.c \
                 tests/archive/test_import_order.c tests/archive/test_import.c

TESTS_sim := tests/sim/test_market.c tests/sim/test_template.c tests/sim/test_candle.c tests/sim/test_account.c tests/sim/test_venue.c \
             tests/sim/test_truth.c \
             tests/sim/test_exchange.c tests/sim/test_exchange_dialects.c

# Fuzz targets, `make fuzz`; in the suite each runs over its corpus, as tests/fuzz/corpus_<name>.
FUZZ_SOURCES := tests/fuzz/fuzz_archive.c tests/fuzz/fuzz_catalog.c tests/fuzz/fuzz_config.c tests/fuzz/fuzz_decode.c tests/fuzz/fuzz_dialect.c \
                tests/fuzz/fuzz_import.c tests/fuzz/fuzz_inflate.c tests/fuzz/fuzz_mcap_reader.c
# What they share; without a test framework.
SRC_fuzzing := tests/testing/fuzz_input.c tests/testing/fuzz_archive.c tests/testing/dialect_check.c
SRC_corpus := tests/fuzz/corpus_main.c tests/testing/fuzz_input.c tests/testing/fuzz_archive.c

TESTS_fault := tests/fault/test_power_cuts.c tests/fault/test_io_errors.c tests/fault/test_maintenance.c \
               tests/fault/test_oom_archive.c tests/fault/test_oom_export.c tests/fault/test_oom_record.c

# ---- compiler -------------------------------------------------------------------------------------

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
AR_release := gcc-ar
AR_tool := $(or $(AR_$(VARIANT)),ar)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla -Wformat=2 -Wundef -Wswitch-enum -Wpointer-arith -Wwrite-strings
WARNINGS_CXX := -Wall -Wextra -Wshadow -Wconversion
# simdjson's and libwebsockets' own headers are not ours to mend: they are included as system headers.

# Fat objects, so that the installed library links without this very compiler.
FLAGS_release := -O2 -g -DNDEBUG -flto=auto -ffat-lto-objects -fno-semantic-interposition
FLAGS_debug := -Og -g
FLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
FLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
              -fno-sanitize-recover=all
FLAGS_cov := -O0 -g --coverage

VARIANT_FLAGS := $(FLAGS_$(VARIANT))
ifeq ($(VARIANT_FLAGS),)
$(error unknown VARIANT '$(VARIANT)': release, debug, asan, tsan, fuzz or cov)
endif

CPPFLAGS += -I. -D_GNU_SOURCE
CFLAGS_ALL := -std=c17 $(WARNINGS) $(VARIANT_FLAGS) -pthread $(WERROR) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 $(WARNINGS_CXX) $(VARIANT_FLAGS) -pthread $(WERROR) $(CXXFLAGS)
LDFLAGS_ALL := $(VARIANT_FLAGS) -pthread $(LDFLAGS)

LIBS_core := -lsimdjson -lzstd -llz4 -lsqlite3 -ldeflate -lz -lxxhash -lcrypto -lm
LIBS_wire := -lwebsockets -lssl -lcrypto
LIBS_recorder := -lyaml

# ---- objects and libraries ------------------------------------------------------------------------

obj = $(patsubst %.cc,$(B)/obj/%.o,$(patsubst %.c,$(B)/obj/%.o,$(1)))

# A user's own program: built against what install puts down (tests/e2e/install.test.mjs).
SRC_examples := docs/examples/best_price.c

# What a user's own program links: everything below the programs that needs no socket.
OBJ_core := $(call obj,$(SRC_base) $(SRC_schema) $(SRC_schema_cc) $(SRC_book) $(SRC_format) $(SRC_tape)) \
            $(GEN_format:.c=.o)
OBJ_services := $(call obj,$(SRC_cli) $(SRC_wire))
OBJ_programs := $(call obj,$(filter-out %/main.c,$(SRC_recorder) $(SRC_replay) $(SRC_archive) $(SRC_sim)))
OBJ_all := $(OBJ_core) $(OBJ_services) $(OBJ_programs)

LIB_core := $(B)/libtapedeck.a
LIB_services := $(B)/libservices.a
LIB_programs := $(B)/libprograms.a
LIBS_own := $(LIB_programs) $(LIB_services) $(LIB_core)

PROGRAMS := $(if $(wildcard archive/main.c),tapedeck) $(if $(wildcard recorder/main.c),tapedeck-record) \
            $(if $(wildcard replay/main.c),tapedeck-replay) $(if $(wildcard sim/main.c),tapedeck-sim)
DIR_tapedeck := archive
DIR_tapedeck-record := recorder
DIR_tapedeck-replay := replay
DIR_tapedeck-sim := sim
BINS := $(addprefix $(B)/bin/,$(PROGRAMS))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

##@ Everyday

## all: build the programs into build/bin (VARIANT=release|debug|asan|tsan|fuzz|cov)
.PHONY: all
all: $(BINS) $(if $(filter release,$(VARIANT)),build/bin)

build/bin: $(BINS)
	@mkdir -p build && ln -sfn $(VARIANT)/bin build/bin

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -include base/banned.h -MMD -MP -c $< -o $@

$(B)/obj/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS_ALL) -MMD -MP -c $< -o $@

$(GEN_format): format/catalog.sql format/catalog_sql.awk
	@mkdir -p $(@D)
	awk -f format/catalog_sql.awk $< > $@

$(B)/gen/%.o: $(B)/gen/%.c
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -include base/banned.h -MMD -MP -c $< -o $@

$(LIB_core): $(OBJ_core)
$(LIB_services): $(OBJ_services)
$(LIB_programs): $(OBJ_programs)
$(LIBS_own):
	@mkdir -p $(@D)
	@rm -f $@
	$(AR_tool) rcs $@ $^

define program_rule
$(B)/bin/$(1): $(B)/obj/$(DIR_$(1))/main.o $(LIBS_own)
	@mkdir -p $$(@D)
	$$(CXX) $$(LDFLAGS_ALL) -o $$@ $$< $$(LIBS_own) $$(LIBS_recorder) $$(LIBS_wire) $$(LIBS_core)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# ---- unit tests -----------------------------------------------------------------------------------

MODULES := base schema book format tape wire cli recorder replay archive sim fault
TEST_SOURCES := $(foreach m,$(MODULES),$(TESTS_$(m)))
CORPUS_BINS := $(patsubst tests/fuzz/fuzz_%.c,$(B)/tests/fuzz/corpus_%,$(FUZZ_SOURCES))
TEST_BINS := $(patsubst tests/%.c,$(B)/tests/%,$(TEST_SOURCES)) $(CORPUS_BINS)
# Code that several tests share (fixtures, capture lookup); listed, and linked into every test.
SRC_testing := tests/testing/oom_scene.c tests/testing/oom_sweep.c tests/testing/sim_feed.c tests/testing/alloc_fault.c tests/testing/book_text.c \
               tests/testing/capture.c \
               tests/testing/capture_tape.c \
               tests/testing/played.c tests/testing/archive_fixture.c tests/testing/damage_bench.c tests/testing/pipeline_fixture.c tests/testing/prune_fixture.c \
               tests/testing/message_compare.c \
               tests/testing/segment_fixture.c tests/testing/fault_recording.c tests/testing/fault_check.c \
               tests/testing/fault_catalogs.c tests/testing/fault_sweep.c \
               tests/testing/dialect_check.c tests/testing/raw_peer.c tests/testing/wire_side.c tests/testing/wire_echo.c tests/testing/tape_fixture.c
SRC_testing += tests/testing/row_frames.c tests/testing/row_frames_write.c tests/testing/decode_bench.c tests/testing/sim_scene.c
OBJ_testing := $(call obj,$(SRC_testing))
OBJ_fuzzing := $(call obj,$(SRC_fuzzing))

$(B)/tests/%: $(B)/obj/tests/%.o $(OBJ_testing) $(LIBS_own)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -o $@ $< $(OBJ_testing) $(LIBS_own) -lcmocka $(LIBS_recorder) $(LIBS_wire) $(LIBS_core)

# A fuzz target as a plain test: its corpus, and small changes to it.
$(CORPUS_BINS): $(B)/tests/fuzz/corpus_%: $(B)/obj/tests/fuzz/fuzz_%.o $(call obj,$(SRC_corpus)) \
                $(OBJ_testing) $(LIBS_own)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(LIBS_own) -lcmocka $(LIBS_recorder) $(LIBS_wire) $(LIBS_core)

# The replayer with a fault in its book, to see that the comparison with the truth can fail.
BROKEN_REPLAY := $(B)/tests/tapedeck-replay-broken
SRC_broken := tests/e2e/broken_book.c
$(BROKEN_REPLAY): $(B)/obj/replay/main.o $(call obj,$(SRC_broken)) $(LIBS_own)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -Wl,--wrap=book_apply -o $@ $^ $(LIBS_recorder) $(LIBS_wire) $(LIBS_core)

# The recorder with a wall clock that tests move. Link-time optimisation would bind the name before it is wrapped.
MOVED_CLOCK := $(B)/tests/tapedeck-record-moved-clock
SRC_moved := tests/e2e/moved_clock.c
$(MOVED_CLOCK): $(B)/obj/recorder/main.o $(call obj,$(SRC_moved)) $(LIBS_own)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -fno-lto -Wl,--wrap=clock_real -o $@ $^ $(LIBS_recorder) $(LIBS_wire) $(LIBS_core)

# The recorder with a disk that tests make slow.
SLOW_DISK := $(B)/tests/tapedeck-record-slow-disk
SRC_slow := tests/e2e/slow_disk.c
$(SLOW_DISK): $(B)/obj/recorder/main.o $(call obj,$(SRC_slow)) $(LIBS_own)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -fno-lto -Wl,--wrap=td_io_sync -o $@ $^ $(LIBS_recorder) $(LIBS_wire) $(LIBS_core)

## unit: build and run the unit tests only (VARIANT=debug by habit; T=name runs those that match)
.PHONY: unit tests-build
# Only those that match are built, so that one's own tests run while others' do not compile.
UNIT_BINS := $(foreach t,$(TEST_BINS),$(if $(findstring $(or $(T),/),$(t)),$(t)))
# The recorder for which looking up some names never returns.
HUNG_NAMES := $(B)/tests/tapedeck-record-hung-names
SRC_hung := tests/e2e/hung_names.c
$(HUNG_NAMES): $(B)/obj/recorder/main.o $(call obj,$(SRC_hung)) $(LIBS_own)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -fno-lto -Wl,--wrap=getaddrinfo -o $@ $^ $(LIBS_recorder) $(LIBS_wire) $(LIBS_core)

tests-build: $(TEST_BINS) $(BROKEN_REPLAY) $(MOVED_CLOCK) $(SLOW_DISK) $(HUNG_NAMES)
unit: $(UNIT_BINS)
	@tests/run-unit $(B) $^

-include $(OBJ_all:.o=.d) $(OBJ_testing:.o=.d) $(OBJ_fuzzing:.o=.d) $(patsubst %.c,$(B)/obj/%.d,$(FUZZ_SOURCES)) \
         $(patsubst tests/%.c,$(B)/obj/tests/%.d,$(TEST_SOURCES)) \
         $(patsubst %.c,$(B)/obj/%.d,$(SRC_broken) $(SRC_moved) $(SRC_slow)) $(foreach p,$(PROGRAMS),$(B)/obj/$(DIR_$(p))/main.d)

##@ First steps

## help: this list
.PHONY: help
help:
	@awk '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
	      /^## / { text = substr($$0, 4); at = index(text, ":"); \
	               printf "  %-11s %s\n", substr(text, 1, at - 1), substr(text, at + 2) }' Makefile

## deps: install the packages that are missing (apt, with sudo where needed)
.PHONY: deps
deps:
	@.ci/deps build test

## demo: simulated exchange over TLS -> record -> replay -> a report, in half a minute
.PHONY: demo
demo:
	@.ci/deps build
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=release all
	@docs/examples/demo.sh build/bin build/demo

## test: the whole suite; ends with "N passed, N failed"
.PHONY: test
test:
	@.ci/deps build test
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=release all
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=debug tests-build
	@$(MAKE) --no-print-directory -s VARIANT=debug suite BIN=build/bin

.PHONY: suite
suite:
	@TAPEDECK_BROKEN_REPLAY=$(abspath $(BROKEN_REPLAY)) TAPEDECK_MOVED_CLOCK=$(abspath $(MOVED_CLOCK)) \
	    TAPEDECK_SLOW_DISK=$(abspath $(SLOW_DISK)) TAPEDECK_HUNG_NAMES=$(abspath $(HUNG_NAMES)) tests/run $(BIN) $(B) $(TEST_BINS)

##@ Before a change is done

# What the strict gate reads: our own sources, not what builds or tests generate.
LINT_C = $(filter %.c,$(SRC_base) $(SRC_schema) $(SRC_book) $(SRC_format) $(SRC_tape) $(SRC_wire) $(SRC_cli) \
         $(SRC_recorder) $(SRC_replay) $(SRC_archive) $(SRC_sim))
LINT_FORMAT = $(shell git ls-files '*.c' '*.h' '*.cc')

## docs: write docs/topics.md from the rows that decode
.PHONY: docs
docs: all
	@$(B)/bin/tapedeck topics --markdown > docs/topics.md

## check: the strict gate: format, structure, clang-tidy, cppcheck, suite under ASan+UBSan, threads under TSan
.PHONY: check check-format check-structure check-tidy check-cppcheck check-asan check-tsan
check:
	@.ci/deps build test check fuzz
	@$(MAKE) --no-print-directory check-format check-structure check-cppcheck check-tidy
	@$(MAKE) --no-print-directory check-asan
	@$(MAKE) --no-print-directory check-tsan
	@echo "check: all passed"

check-format:
	@clang-format --dry-run --Werror $(LINT_FORMAT) && echo "check: format ok"

check-structure:
	@tests/check/structure-test
	@tests/check/structure && echo "check: structure ok"

check-cppcheck:
	@cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -I. -D_GNU_SOURCE \
	    --enable=warning,performance,portability --suppress=missingIncludeSystem -j$(JOBS) $(LINT_C) \
	    && echo "check: cppcheck ok"

# A stamp for each source that was found clean, renewed when it, one of its headers or the rules change: the
# analyser takes minutes for all of them.
TIDY_STAMPS := $(LINT_C:%.c=build/tidy/%.ok)
-include $(TIDY_STAMPS:.ok=.d)
# Without banned.h, which brings the C library's headers in, a source that relies on them shows.
TIDY_ERRORS := -Werror=implicit-function-declaration
build/tidy/%.ok: %.c .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(CPPFLAGS) -std=c17 $(TIDY_ERRORS) 2>$(@:.ok=.err) || { grep 'error:' $(@:.ok=.err); exit 1; }
	@$(CC) $(CPPFLAGS) -std=c17 -MM -MP -MT $@ -MF $(@:.ok=.d) $<
	@touch $@

.PHONY: tidy-stamps
tidy-stamps: $(TIDY_STAMPS)

check-tidy:
	@$(MAKE) --no-print-directory -s -k -j$(JOBS) tidy-stamps && echo "check: clang-tidy ok"

# Optimised-build warnings count as errors here; then the whole suite with the sanitizers watching.
check-asan:
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=release WERROR=-Werror all
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=asan WERROR=-Werror all tests-build
	@TEST_TIMEOUT_S=600 $(MAKE) --no-print-directory -s VARIANT=asan suite BIN=build/asan/bin

check-tsan:
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=tsan all tests-build
	@TEST_TIMEOUT_S=900 $(MAKE) --no-print-directory -s VARIANT=tsan suite BIN=build/tsan/bin

## format: rewrite the sources with clang-format
.PHONY: format
format:
	@.ci/deps check
	@clang-format -i $(LINT_FORMAT)

##@ Longer runs

## bench: our paths beside their limits, in one run; a table, and build/bench/results.jsonl
.PHONY: bench
bench:
	@.ci/deps build test bench
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=release all bench-build
	@node benchmarks/run.mjs build/release build/bench

## fuzz: fuzz every parser for FUZZ_SECONDS each (default 60) under ASan+UBSan; FUZZ_ONLY=NAME: only those
FUZZ_SECONDS ?= 60
FUZZ_ONLY ?=
.PHONY: fuzz
fuzz:
	@.ci/deps build fuzz
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=fuzz CC=clang CXX=clang++ fuzz-build
	@tests/fuzz/run build/fuzz/tests/fuzz $(FUZZ_SECONDS) $(FUZZ_ONLY)

## soak: SOAK_KILLS times kill -9 (default 200), one archive throughout, and other faults; a table of what was tried and
##       what was lost; then all families at once for SOAK_SECONDS (default 600)
SOAK_KILLS ?= 200
SOAK_SECONDS ?= 600
.PHONY: soak
soak:
	@.ci/deps build test
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=release all build/release/tests/tapedeck-record-moved-clock
	@tests/e2e/soak build/release/bin $(SOAK_KILLS)
	@TAPEDECK_SESSION_SECONDS=$(SOAK_SECONDS) TAPEDECK_SESSION_RATE=60 tests/e2e/run build/bin session

## sweep: every disk that power cuts, kills, I/O errors and full disks can leave, memory that runs out; minutes to an hour
.PHONY: sweep
sweep:
	@.ci/deps build test
	@$(MAKE) --no-print-directory -s -j$(JOBS) VARIANT=release $(patsubst tests/%.c,build/release/tests/%,$(TESTS_fault))
	@for t in $(patsubst tests/%.c,build/release/tests/%,$(TESTS_fault)); do TAPEDECK_SWEEP=full $$t || exit 1; done

# ---- fuzz targets and benchmarks: one source, one program each -------------------------------------

FUZZ_BINS := $(patsubst %.c,$(B)/%,$(filter $(if $(FUZZ_ONLY),tests/fuzz/fuzz_$(FUZZ_ONLY)%,%),$(FUZZ_SOURCES)))
.PHONY: fuzz-build bench-build
fuzz-build: $(FUZZ_BINS)
$(B)/tests/fuzz/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(OBJ_fuzzing) $(LIBS_own)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(OBJ_fuzzing) $(LIBS_own) $(LIBS_recorder) $(LIBS_wire) $(LIBS_core)

# Ours link our libraries; the limits link only what they measure.
BENCH_SOURCES := benchmarks/bench_write.c
LIMIT_SOURCES := benchmarks/limits/blaster.c benchmarks/limits/limit_receive.c \
                 benchmarks/limits/limit_write.c benchmarks/limits/limit_read.cc
BENCH_BINS := $(patsubst benchmarks/%.c,$(B)/bench/%,$(BENCH_SOURCES)) \
              $(patsubst benchmarks/limits/%,$(B)/bench/limits/%,$(basename $(LIMIT_SOURCES)))
bench-build: $(BENCH_BINS)
$(B)/bench/limits/%: $(B)/obj/benchmarks/limits/%.o
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -o $@ $< $(LIBS_wire) $(LIBS_core)
$(B)/bench/%: $(B)/obj/benchmarks/%.o $(LIBS_own)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -o $@ $< $(LIBS_own) $(LIBS_recorder) $(LIBS_wire) $(LIBS_core)

##@ On this machine

# Headers keep their module folders below include/tapedeck, as they are included here.
INSTALL_INCLUDE = $(DESTDIR)$(PREFIX)/include/tapedeck
INSTALL_HEADERS = $(filter-out %_impl.h,$(foreach m,base schema book format tape,$(wildcard $(m)/*.h)))

## install: copy programs, library, headers and man pages below PREFIX (/usr/local), DESTDIR in front
.PHONY: install uninstall
install: all $(LIB_core)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig share/man/man1) \
	    $(addprefix $(INSTALL_INCLUDE)/,base schema book format tape)
	install -m 755 $(BINS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(LIB_core) $(DESTDIR)$(PREFIX)/lib
	for header in $(INSTALL_HEADERS); do \
	    install -m 644 $$header $(INSTALL_INCLUDE)/$$header || exit 1; done
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: tapedeck' 'Version: $(VERSION)' \
	    'Description: decoders, order books and archives of exchange WebSocket feeds' \
	    'Cflags: -I$${prefix}/include/tapedeck' \
	    'Libs: -L$${prefix}/lib -ltapedeck $(LIBS_core) -lstdc++ -pthread' \
	    > $(DESTDIR)$(PREFIX)/lib/pkgconfig/tapedeck.pc
	for page in $(wildcard docs/man/*.1); do \
	    install -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man1 || exit 1; done

## uninstall: remove what install put there
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/lib/libtapedeck.a
	rm -f $(DESTDIR)$(PREFIX)/lib/pkgconfig/tapedeck.pc
	rm -rf $(INSTALL_INCLUDE)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/man/man1/,$(notdir $(wildcard docs/man/*.1)))

## clean: remove build/
.PHONY: clean
clean:
	rm -rf build
