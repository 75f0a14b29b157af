/* The report of a replay: the JSON document, the text report, and messages as JSON lines, for a
 * small archive with two connections, a gap, a frame that breaks a rule and one that is not JSON.
 * Expected values are written by hand from the frames below and the list of members in
 * docs/design.md ("Report"); SHA-1 by sha1sum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "archive/ledger.h"
#include "archive/reindex.h"
#include "replay/play/report.h"
#include "replay/sink_jsonl.h"
#include "base/json/json.h"
#include "archive/event.h"
#include "tests/testing/tape_fixture.h"

#define MS UINT64_C(1000000)
#define T0 TAPE_FIXTURE_NS

#define BOOK(type, data, seq, us)                                                                  \
    "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"" type "\",\"data\":" data                    \
    ",\"cross_seq\":" seq ",\"timestamp_e6\":" us "}"
#define LEVEL(side, price, id, size)                                                               \
    "{\"price\":\"" price "\",\"symbol\":\"BTCUSD\",\"id\":" id ",\"side\":\"" side                \
    "\",\"size\":" size "}"
#define SNAPSHOT                                                                                   \
    "[" LEVEL("Buy", "100.00", "1000000", "5") "," LEVEL("Sell", "101.50", "1015000", "7") "]"
#define UPDATE(size)                                                                               \
    "{\"delete\":[],\"update\":[" LEVEL("Buy", "100.00", "1000000",                                \
                                        size) "],\"insert\":[],\"transactTimeE6\":0}"
#define DELETE_OTHER                                                                               \
    "{\"delete\":[{\"price\":\"103.00\",\"symbol\":\"BTCUSD\",\"id\":1030000,\"side\":\"Sell\"}]," \
    "\"update\":[],\"insert\":[],\"transactTimeE6\":0}"

/* A frame of a connection, received at_ms after the tape's start. */
#define FRAME(direction, conn_number, at, at_ms, topic_name, symbol_name, text_of)                 \
    {                                                                                              \
        .dir = (direction), .topic = (topic_name), .symbol = (symbol_name), .conn = (conn_number), \
        .ordinal = (at), .recv_ns = (at_ms)*MS, .text = (text_of)                                  \
    }
#define CONTROL(direction, ordinal, at_ms, text)                                                   \
    FRAME(direction, 1, ordinal, at_ms, "_control", "", text)
#define BOOK_FRAME(conn, ordinal, at_ms, text)                                                     \
    FRAME(CHANNEL_IN, conn, ordinal, at_ms, "orderBookL2_25", "BTCUSD", text)

static const tape_put FRAMES[] = {
    CONTROL(CHANNEL_OUT, 1, 10, "{\"op\":\"subscribe\",\"args\":[\"trade\"]}"),
    CONTROL(CHANNEL_IN, 1, 11, "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"x\"}"),
    BOOK_FRAME(1, 2, 12, BOOK("snapshot", SNAPSHOT, "10", "1795154400000100")),
    BOOK_FRAME(1, 3, 13, BOOK("delta", UPDATE("6"), "12", "1795154400000200")),
    FRAME(CHANNEL_IN, 1, 4, 14, "trade", "BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":["),
    /* a second connection: numbers start over, and a frame is missing before the last but one */
    BOOK_FRAME(2, 1, 1012, BOOK("snapshot", SNAPSHOT, "4", "1795154400000050")),
    BOOK_FRAME(2, 2, 1013, BOOK("delta", DELETE_OTHER, "7", "1795154400000060")),
    BOOK_FRAME(2, 3, 1014, BOOK("delta", UPDATE("8"), "9", "1795154400000070")),
};
enum { FRAME_COUNT = sizeof FRAMES / sizeof *FRAMES, FIRST_OF_CONN_2 = 5 };

static const gap_row GAP = {.reason = GAP_DISCONNECT,
                            .feed = "inverse",
                            .conn = 1,
                            .topic = "",
                            .symbol = "",
                            .from_ns = T0 + 14 * MS,
                            .to_ns = T0 + 1010 * MS,
                            .frames_lost = GAP_FRAMES_UNKNOWN,
                            .covered_by = "",
                            .cause = "reset",
                            .detail = ""};

/* ---- an archive, replayed ---- */

typedef struct replayed {
    tape_fixture fixture;
    archive *archive;
    selection wanted;
    cursor *tape;
    player *player;
    pacer pacer;
    replay_report report;
    char *text; /* the printed text */
    size_t text_size;
    FILE *out;
    output_stream output;
    sink_jsonl_lines lines;
    size_t leaves_before; /* the replay is stopped before this frame; 0: not stopped */
} replayed;

static td_result put_message(void *user, const frame_ref *frame, uint64_t deadline_ns, td_err *err)
{
    const replayed *r = user;
    (void)err;
    return sink_jsonl_put(&r->lines, frame, deadline_ns);
}

/* Stops the replay before its n-th frame. */
static td_result leave(void *user, const frame_ref *frame, uint64_t deadline_ns, td_err *err)
{
    replayed *r = user;
    (void)frame;
    (void)deadline_ns;
    (void)err;
    return --r->leaves_before == 0 ? TD_EOF : TD_OK;
}

/* A new archive with one segment, with the first connection. */
static tape_segment *begin_archive(tape_fixture *fixture)
{
    tape_fixture_init(fixture);
    tape_segment *segment = tape_segment_open(
        fixture, &(tape_segment_spec){.feed = "inverse", .session = "0000000a", .number = 1});
    tape_segment_connect(segment, 1, 1 * MS);
    return segment;
}

static void write_archive(tape_fixture *fixture)
{
    tape_segment *segment = begin_archive(fixture);
    for (size_t i = 0; i < FRAME_COUNT; i++) {
        if (i == FIRST_OF_CONN_2) {
            tape_segment_event(segment, &(event){.kind = EVENT_DISCONNECT, .conn = 1}, 15 * MS);
            tape_segment_connect(segment, 2, 1010 * MS);
            tape_segment_event(segment, &(event){.kind = EVENT_GAP, .conn = 1, .gap = GAP},
                               1011 * MS);
        }
        tape_segment_put(segment, &FRAMES[i]);
    }
    tape_segment_finish(segment);
}

static void open_replay(replayed *r, int with_messages)
{
    td_err err;
    pacer_init(&r->pacer, &(pacer_options){.clock = clock_real(), .speed = {.is_max = 1}});
    r->out = open_memstream(&r->text, &r->text_size);
    assert_non_null(r->out);
    output_init(&r->output, r->out);
    r->lines = (sink_jsonl_lines){.output = &r->output, .pacer = &r->pacer};
    player_options options = {.pacer = &r->pacer, .user = r};
    if (with_messages)
        options.due = put_message;
    if (r->leaves_before > 0)
        options.due = leave;
    cursor_options reading = {.threads = 2, .reads = TAPE_READS_ALL, .states = TAPE_STATES_FRAMES};
    assert_int_equal(cursor_open(r->archive, &r->wanted, &reading, &r->tape, &err), TD_OK);
    options.workers = cursor_workers(r->tape);
    r->player = player_open(&options);
}

static void add_gaps(replayed *r)
{
    td_err err;
    gap_list all = {0};
    assert_int_equal(archive_gaps(r->archive, &all, &err), TD_OK);
    report_add_gaps(&r->report, &all, &r->wanted, cursor_get_window(r->tape));
    gap_list_fini(&all);
}

/* Replays the archive of r->fixture. */
static void replay(replayed *r, int with_messages)
{
    td_err err;
    r->archive = tape_fixture_archive(&r->fixture);
    open_replay(r, with_messages);
    assert_int_equal(player_play(r->player, r->tape, &err), TD_OK);
    assert_int_equal(player_finish(r->player, &err), TD_OK);
    report_init_replay(&r->report, r->player, &r->pacer);
    r->report.elapsed_ns = 2 * TD_NS_PER_S;
    cursor_get_stats(r->tape, &r->report.tape);
    add_gaps(r);
}

static void setup_replay(replayed *r, selection wanted, int with_messages)
{
    *r = (replayed){.wanted = wanted};
    write_archive(&r->fixture);
    replay(r, with_messages);
}

static void finish_output(replayed *r)
{
    td_err err;
    assert_int_equal(output_finish(&r->output, &err), TD_OK);
    assert_int_equal(fflush(r->out), 0);
}

static void print_report(replayed *r, uint8_t is_json)
{
    result_writer printed;
    result_begin(&printed, &r->output, &(json_options){.is_json = is_json});
    report_describe(&r->report, 1, &printed);
    result_end(&printed);
    finish_output(r);
}

static void teardown_replay(replayed *r)
{
    report_fini_replay(&r->report);
    player_close(r->player);
    cursor_close(r->tape);
    tape_fixture_fini(&r->fixture);
    assert_int_equal(fclose(r->out), 0);
    free(r->text);
}

/* ---- the document ---- */

/* A value by path ("books.0.best_bid"), as in the text. */
static td_bytes value_at(json_value root, const char *path)
{
    json_value at = root;
    for (const char *part = path; *part != '\0';) {
        size_t size = strcspn(part, ".");
        char name[64];
        assert_true(size < sizeof name);
        memcpy(name, part, size);
        name[size] = '\0';
        part += part[size] == '.' ? size + 1 : size;
        if (json_type_of(at) == JSON_OBJECT) {
            json_value member;
            if (!json_find(at, name, &member))
                fail_msg("there is no %s", path);
            at = member;
            continue;
        }
        assert_int_equal(json_type_of(at), JSON_ARRAY);
        json_iter elements = json_iter_of(at);
        for (long i = strtol(name, NULL, 10); i >= 0; i--)
            assert_true(json_next(&elements, NULL, &at));
    }
    return json_raw(at);
}

static const struct {
    const char *path;
    const char *value;
} FIELDS[] = {
    {"verdict", "\"incomplete\""},
    {"frames", "8"},
    {"out", "1"},
    {"decoded", "5"},
    {"undecoded", "1"},
    {"control", "1"},
    {"lead_in", "0"},
    {"topics.0.feed", "\"inverse\""},
    {"topics.0.topic", "\"orderBookL2_25\""},
    {"topics.0.symbol", "\"BTCUSD\""},
    {"topics.0.frames", "5"},
    {"topics.0.snapshots", "2"},
    {"topics.0.deltas", "3"},
    {"topics.0.items", "7"},
    {"topics.1.topic", "\"trade\""},
    {"topics.1.undecoded", "1"},
    {"continuity.ok", "false"},
    {"continuity.violations", "1"},
    {"continuity.unchecked", "1"},
    {"continuity.by_rule", "{\"delete_exists\":1}"},
    {"continuity.warnings", "{}"},
    {"continuity.statistics", "{}"},
    {"continuity.first.rule", "\"delete_exists\""},
    {"continuity.first.feed", "\"inverse\""},
    {"continuity.first.topic", "\"orderBookL2_25\""},
    {"continuity.first.symbol", "\"BTCUSD\""},
    {"continuity.first.conn", "2"},
    {"continuity.first.ordinal", "2"},
    {"continuity.first.recv_ns", "1795154401013000000"},
    {"continuity.first.seq", "7"},
    {"first_undecoded.reason", "\"not_json\""},
    {"first_undecoded.topic", "\"trade\""},
    {"first_undecoded.ordinal", "4"},
    {"gaps.0.reason", "\"disconnect\""},
    {"gaps.0.feed", "\"inverse\""},
    {"gaps.0.conn", "1"},
    {"gaps.0.topic", "null"},
    {"gaps.0.symbol", "null"},
    {"gaps.0.from_ns", "1795154400014000000"},
    {"gaps.0.to_ns", "1795154401010000000"},
    {"gaps.0.frames_lost", "null"},
    {"gaps.0.covered_by", "null"},
    {"gaps.0.cause", "\"reset\""},
    {"gaps.0.detail", "null"},
    {"books.0.topic", "\"orderBookL2_25\""},
    {"books.0.bids", "1"},
    {"books.0.asks", "1"},
    {"books.0.best_bid", "\"100\""},
    {"books.0.best_bid_size", "\"8\""},
    {"books.0.best_ask", "\"101.5\""},
    {"books.0.best_ask_size", "\"7\""},
    {"books.0.cross_seq", "9"},
    {"books.0.u", "null"},
    {"books.0.seq", "null"},
    {"books.0.broken", "true"},
    /* printf 'Buy 100 8\nSell 101.5 7' | sha1sum */
    {"books.0.levels_sha1", "\"2e26ea579a1ef8e3d16389023387c148e22c431a\""},
    {"damaged_chunks", "0"},
    {"stopped", "false"},
    {"speed", "\"max\""},
    {"late_us", "null"},
    {"contents_read", "8"}, /* 7 frames and a request */
    {"continuity.audits.left_out", "0"},
    {"elapsed_s", "2"},
    {"frames_per_s", "4"},
};

static void test_json(void **state)
{
    (void)state;
    replayed r;
    setup_replay(&r, (selection){0}, 0);
    td_err err;
    print_report(&r, 1);
    assert_int_equal(report_verdict(&r.report), REPLAY_INCOMPLETE);
    json_value root;
    json_parser *parser = json_parser_open(0);
    assert_int_equal(json_parse(parser, td_bytes_of(r.text, r.text_size), JSON_COPIED, &root, &err),
                     TD_OK);
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        td_bytes value = value_at(root, FIELDS[i].path);
        if (!td_bytes_is(value, FIELDS[i].value))
            fail_msg("%s is %.*s, expected %s", FIELDS[i].path, (int)value.size, value.data,
                     FIELDS[i].value);
    }
    static const char *const DIGESTS[] = {"digest.frames", "digest.payload", "digest.messages",
                                          "digest.books"};
    for (size_t i = 0; i < DIGEST_PARTS; i++)
        assert_int_equal(value_at(root, DIGESTS[i]).size, 34);
    json_parser_close(parser);
    teardown_replay(&r);
}

/* ---- the text report ---- */

static void test_text(void **state)
{
    (void)state;
    static const char *const WORDS[] = {
        "Replayed 8 frames",
        "Complete: no.",
        "1 frame broke a rule. The first:",
        "delete_exists: it deletes a price that the book does not have: an earlier frame",
        "    detail   in 1 entry\n",
        "2 of connection 2, received 2026-11-20T06:00:01.013000000Z",
        "inverse orderBookL2_25 BTCUSD",
        "1 frame could not be decoded. The first:",
        "not_json",
        "1 gap in the recording, 1 not covered by another connection:",
        "disconnect",
        "100 x 8",
        "101.5 x 7",
        "broken",
        "\nDigests (",
        "\nComplete: no, 1 frame broke a rule, 1 frame not decoded, 1 gap not covered.\n",
    };
    replayed r;
    setup_replay(&r, (selection){0}, 0);
    print_report(&r, 0);
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (strstr(r.text, WORDS[i]) == NULL)
            fail_msg("'%s' is not in:\n%s", WORDS[i], r.text);
    }
    teardown_replay(&r);
}

static void test_empty_text(void **state)
{
    (void)state;
    static const char *const FEEDS[] = {"nothing"};
    replayed r;
    setup_replay(&r, (selection){.feeds = {FEEDS, 1}}, 0);
    print_report(&r, 0);
    assert_non_null(strstr(r.text, "The archive has no frame in this selection"));
    assert_null(strstr(r.text, "Complete"));
    assert_int_equal(report_verdict(&r.report), REPLAY_COMPLETE);
    teardown_replay(&r);
}

/* ---- a replay that was stopped ---- */

/* The first four frames have no faults, and the ledger's gap is not reached; still the replay is
 * not known to be complete. */
static void test_stop_is_incomplete(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t leaves_before, frames;
        uint8_t is_stopped;
    } CASES[] = {
        {"before the first", 1, 0, 1},
        {"in the middle", 5, 4, 1},
        {"before the last", FRAME_COUNT, FRAME_COUNT - 1, 1},
        {"it would have left, had there been more", FRAME_COUNT + 1, FRAME_COUNT, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        replayed r = {.leaves_before = CASES[i].leaves_before};
        write_archive(&r.fixture);
        replay(&r, 0);
        if (r.report.is_stopped != CASES[i].is_stopped || r.report.totals.frames != CASES[i].frames)
            fail_msg("%s: stopped %d after %d frames", CASES[i].name, r.report.is_stopped,
                     (int)r.report.totals.frames);
        r.report.uncovered_gaps = 0;
        r.report.totals.violations = r.report.totals.undecoded = 0;
        assert_int_equal(report_verdict(&r.report),
                         CASES[i].is_stopped ? REPLAY_INCOMPLETE : REPLAY_COMPLETE);
        if (CASES[i].leaves_before == 5) {
            print_report(&r, 0);
            assert_non_null(strstr(r.text, "then stopped before the end of the tape"));
            assert_non_null(strstr(r.text, "Complete: no."));
            assert_non_null(strstr(r.text, "the rest was not read"));
        } else {
            finish_output(&r);
        }
        teardown_replay(&r);
    }
}

/* ---- the selection ---- */

/* From the middle of the second connection: its snapshot is in the lead-in. */
static void test_from_in_a_connection(void **state)
{
    (void)state;
    replayed r;
    setup_replay(&r, (selection){.has_from = 1, .from = {TD_TIME_ABSOLUTE, T0 + 1013 * MS}}, 0);
    assert_int_equal(r.report.totals.lead_in, 1);
    assert_int_equal(r.report.totals.frames, 2);
    assert_int_equal(r.report.totals.violations, 1);
    assert_int_equal(r.report.gaps.count, 0); /* it ended before */
    assert_non_null(r.report.violated);
    assert_int_equal(r.report.violated->violated.rule, RULE_DELETE_EXISTS);
    assert_string_equal(r.report.violated->topic, "orderBookL2_25");
    teardown_replay(&r);
}

typedef struct gap_case {
    const char *name;
    const char *feed, *topic, *symbol; /* of the gap */
    uint64_t from_ns, to_ns;           /* GAP_OPEN: without an end */
    const char *covered_by;
    size_t count, uncovered; /* of gaps, with the selection trade/BTC*, [100, 200) */
} gap_case;

static const gap_case GAPS[] = {
    {"inside", "inverse", "", "", 120, 130, "", 1, 1},
    {"covered", "inverse", "", "", 120, 130, "line 1", 1, 0},
    {"ends as the selection begins", "inverse", "", "", 50, 100, "", 0, 0},
    {"begins as the selection ends", "inverse", "", "", 200, 300, "", 0, 0},
    {"around it", "inverse", "", "", 50, 300, "", 1, 1},
    {"open since before", "inverse", "", "", 50, GAP_OPEN, "", 1, 1},
    {"another feed", "linear", "", "", 120, 130, "", 0, 0},
    {"another topic", "inverse", "orderBookL2_25", "BTCUSD", 120, 130, "", 0, 0},
    {"the topic, another symbol", "inverse", "trade", "EOSUSD", 120, 130, "", 0, 0},
    {"the topic and symbol", "inverse", "trade", "BTCUSD", 120, 130, "", 1, 1},
};

static void test_gaps_of_a_selection(void **state)
{
    (void)state;
    static const char *const FEED[] = {"inverse"};
    static const char *const TOPIC[] = {"trade"};
    static const char *const SYMBOL[] = {"BTC*"};
    const selection wanted = {.feeds = {FEED, 1}, .topics = {TOPIC, 1}, .symbols = {SYMBOL, 1}};
    static const stream_table NO_STREAMS;
    for (size_t i = 0; i < sizeof GAPS / sizeof *GAPS; i++) {
        const gap_case *c = &GAPS[i];
        gap_row row = {.reason = GAP_DISCONNECT,
                       .feed = c->feed,
                       .topic = c->topic,
                       .symbol = c->symbol,
                       .from_ns = c->from_ns,
                       .to_ns = c->to_ns,
                       .covered_by = c->covered_by,
                       .cause = "",
                       .detail = ""};
        gap_list all = {.rows = &row, .count = 1};
        replay_report report = {.streams = &NO_STREAMS};
        report_add_gaps(&report, &all, &wanted, (selection_window){100, 200});
        if (report.gaps.count != c->count || report.uncovered_gaps != c->uncovered)
            fail_msg("%s: %zu gaps, %d uncovered", c->name, report.gaps.count,
                     (int)report.uncovered_gaps);
        report_fini_replay(&report);
    }
}

/* ---- damage ---- */

/* An unreadable chunk is skipped and counted, and determines the verdict. */
static void test_damage_is_counted(void **state)
{
    (void)state;
    replayed r = {0};
    tape_segment *segment = begin_archive(&r.fixture);
    tape_segment_put(segment, &FRAMES[2]);
    segment_chunk place = tape_segment_seal(segment);
    tape_segment_put(segment, &FRAMES[3]);
    char path[4096];
    (void)snprintf(path, sizeof path, "%s", tape_segment_path(segment)); /* fits */
    tape_segment_finish(segment);
    tape_fixture_damage(path, place.offset + 80);
    replay(&r, 0);
    finish_output(&r);
    assert_int_equal(r.report.tape.damaged_chunks, 1);
    assert_int_equal(report_verdict(&r.report), REPLAY_DAMAGED);
    teardown_replay(&r);
}

/* ---- a limit ---- */

enum { LINES = 40 };

/* An audit compares from the second line on, and its members are limited: frames of further ones
 * are counted, and the text report mentions them. */
static void test_left_out_is_counted(void **state)
{
    (void)state;
    replayed r = {0};
    tape_segment *segment = begin_archive(&r.fixture);
    for (uint32_t line = 0; line < LINES; line++) {
        tape_put put = FRAMES[2];
        put.line = line;
        put.recv_ns += line;
        tape_segment_put(segment, &put);
    }
    tape_segment_finish(segment);
    replay(&r, 0);
    assert_int_equal(r.report.totals.unaudited, LINES - 1 - LIMIT_AUDIT_MEMBERS);
    print_report(&r, 0);
    assert_non_null(strstr(r.text, "7 frames of further topics and lines of a symbol"));
    teardown_replay(&r);
}

/* ---- messages as lines ---- */

static void test_messages(void **state)
{
    (void)state;
    static const char *const BEGINNINGS[FRAME_COUNT] = {
        "{\"type\":\"request\",",
        "{\"type\":\"control\",",
        "{\"type\":\"book_change\",\"kind\":\"snapshot\"",
        "{\"type\":\"book_change\",\"kind\":\"delta\"",
        "{\"type\":\"raw\",",
        "{\"type\":\"book_change\",\"kind\":\"snapshot\"",
        "{\"type\":\"book_change\",\"kind\":\"delta\"",
        "{\"type\":\"book_change\",\"kind\":\"delta\"",
    };
    replayed r;
    setup_replay(&r, (selection){0}, 1);
    finish_output(&r);
    char *line = r.text;
    for (size_t i = 0; i < FRAME_COUNT; i++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        if (strncmp(line, BEGINNINGS[i], strlen(BEGINNINGS[i])) != 0)
            fail_msg("line %zu is %s", i, line);
        char place[128];
        (void)snprintf(place, sizeof place,
                       "\"feed\":\"inverse\",\"line\":0,\"shard\":0,\"conn\":%u,\"ordinal\":%d,"
                       "\"recv_ns\":%llu}",
                       FRAMES[i].conn, (int)FRAMES[i].ordinal,
                       (unsigned long long)(T0 + FRAMES[i].recv_ns)); /* fits */
        assert_non_null(strstr(line, place));
        line = end + 1;
    }
    assert_int_equal(*line, '\0');
    teardown_replay(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_empty_text),
        cmocka_unit_test(test_stop_is_incomplete),
        cmocka_unit_test(test_from_in_a_connection),
        cmocka_unit_test(test_gaps_of_a_selection),
        cmocka_unit_test(test_damage_is_counted),
        cmocka_unit_test(test_left_out_is_counted),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
