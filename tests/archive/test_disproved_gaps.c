/* Gaps that a connection's pings and pongs disprove. Expected: archive/disproved_gaps.h, and
 * docs/archive.md ("Gaps"): a gap begins with the connection's last data frame, but not after the
 * last ping that was answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "archive/ledger.h"
#include "archive/event.h"
#include "tests/testing/archive_fixture.h"

#define FEED "okx"

/* Frames of one slot, "SECOND LETTER …": c connect, g grant of a topic, d data, > ping, < pong,
 * r another request, a its answer, x disconnect; / begins a chunk, and % a segment. */
typedef struct disproved_case {
    const char *what;
    const char *frames;
    time_reason reason;
    uint64_t from_ms, to_ms;
    uint64_t until_ms; /* expected: the end of the part that is disproved; 0: the row stays */
    uint32_t conn;     /* of the row; 0: none */
    const char *cause; /* NULL: "reset" */
    uint32_t line;     /* of the row */
} disproved_case;

static const disproved_case CASES[] = {
    {"one pong", "1c 2g 3d 4> 5< 6d 7x", GAP_DISCONNECT, 1000, 9000, 4000, 1, NULL, 0},
    {"the last ping is not answered", "1c 3d 4> 5< 6> 7d 8x", GAP_DISCONNECT, 1000, 9000, 4000, 1,
     NULL, 0},
    {"pongs answer in order", "1c 3d 4> 5> 6> 7< 8< 9d 10x", GAP_DISCONNECT, 1000, 11000, 5000, 1,
     NULL, 0},
    {"more pongs than pings", "1c 2< 3< 4> 5d 6x", GAP_DISCONNECT, 1000, 7000, 0, 1, NULL, 0},
    {"data ended before the ping", "1c 3d 4> 5< 6> 7< 8x", GAP_DISCONNECT, 1000, 9000, 3000, 1,
     NULL, 0},
    {"no data", "1c 2g 4> 5< 6x", GAP_DISCONNECT, 1000, 9000, 0, 1, NULL, 0},
    {"no pong", "1c 3d 4> 6d 7x", GAP_DISCONNECT, 1000, 9000, 0, 1, NULL, 0},
    {"no plain words", "1c 3d 4r 5a 6d 7x", GAP_DISCONNECT, 1000, 9000, 0, 1, NULL, 0},
    {"begins later", "1c 3d 4> 5< 6> 7< 8d 9x", GAP_DISCONNECT, 4000, 10000, 0, 1, NULL, 0},
    {"begins with the grant", "1c 2g 3d 4> 5< 6d 7x", GAP_RESTART, 2000, 9000, 4000, 0, NULL, 0},
    {"as chain records round it", "1c 3d 4> 5< 6d 7x", GAP_CRASH, 999, 9000, 4000, 0, NULL, 0},
    {"before it opened", "1c 3d 4> 5< 6d 7x", GAP_RESTART, 998, 9000, 0, 0, NULL, 0},
    {"it is open for longer than the row", "1c 3d 4> 5< 6d 9x", GAP_RESTART, 1000, 8000, 0, 0, NULL,
     0},
    {"without an end", "1c 3d 4> 5< 6d 7x", GAP_STALE, 1000, GAP_OPEN, 4000, 1, NULL, 0},
    {"a connection of the same slot", "1c 3d 4> 5< 6d 7x 8c 9g 10d 11> 12< 13d 14x", GAP_DISCONNECT,
     1000, 9000, 4000, 1, NULL, 0},
    {"and its row", "1c 3d 4> 5< 6d 7x 8c 9g 10d 11> 12< 13d 14x", GAP_DISCONNECT, 8000, 16000,
     11000, 2, NULL, 0},
    {"another connection's pongs", "1c 3d 7x 8c 9g 10d 11> 12< 13d 14x", GAP_DISCONNECT, 1000, 9000,
     0, 1, NULL, 0},
    {"over chunks", "1c/ 3d/ 4> 5< 6>/ 7</ 8d 9x", GAP_DISCONNECT, 1000, 12000, 6000, 1, NULL, 0},
    {"over segments", "1c 3d% 4> 5< 6>% 7<% 8d 9x%", GAP_DISCONNECT, 1000, 12000, 6000, 1, NULL, 0},
    {"data in an earlier segment", "1c 3d% 4> 5< 6x", GAP_DISCONNECT, 1000, 12000, 3000, 1, NULL,
     0},
    {"older than a minute", "1c 3d% 4> 5< 30>% 31< 60> 61< 90> 91< 92d 93x", GAP_DISCONNECT, 1000,
     99000, 60000, 1, NULL, 0},
    {"of another line", "1c 3d 4> 5< 6d 7x", GAP_DISCONNECT, 1000, 9000, 0, 1, NULL, 1},
    {"of a loss", "1c 3d 4> 5< 6d 7x", GAP_SEQUENCE, 1000, 9000, 0, 1, NULL, 0},
    {"of a silent topic", "1c 3d 4> 5< 6d 7x", GAP_STALE, 1000, 9000, 0, 1, GAP_CAUSE_SILENT, 0},
};

/* A session that is being written. */
typedef struct making {
    archive_writer *writer;
    size_t feed;
    chunk_builder *builder;
    channel_numbers channels;
    sealed_chunk *chunk;
    uint32_t conn;
    uint64_t since_ns;
    uint64_t in, out;
} making;

static void put_chunk(making *m)
{
    td_err err;
    if (chunk_builder_seal(m->builder, m->chunk) &&
        archive_writer_put(m->writer, m->feed, m->chunk, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static void put_frame(making *m, channel_dir dir, const char *topic, td_bytes text, uint64_t ns)
{
    const channel_info info = {.feed = FEED,
                               .family = "okx",
                               .dir = dir,
                               .topic = topic,
                               .exchange_topic = "",
                               .symbol = topic[0] == '_' ? "" : "BTCUSDT",
                               .opcode = OPCODE_TEXT,
                               .message_encoding = "json"};
    const int is_event = dir == CHANNEL_EVENT;
    feed_frame frame = {
        .conn = is_event ? 0 : m->conn, .recv_ns = ns, .publish_ns = ns, .bytes = text};
    td_err err;
    if (!is_event)
        frame.ordinal = dir == CHANNEL_OUT ? ++m->out : ++m->in;
    channel_numbers_set(&m->channels, &info, &frame);
    if (chunk_builder_append(m->builder, &frame, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static void put_event(making *m, event from, uint64_t ns)
{
    td_buf text;
    td_err err;
    from.conn = m->conn;
    td_buf_init(&text, 1 << 16);
    assert_int_equal(event_encode(&from, &text, &err), TD_OK);
    put_frame(m, CHANNEL_EVENT, "_events", td_buf_view(&text), ns);
    td_buf_fini(&text);
}

/* A segment begins with an event that restates the open connection. */
static void put_segment(making *m, uint64_t ns)
{
    const event_slot slot = {.conn = m->conn, .in = m->in, .out = m->out, .since_ns = m->since_ns};
    put_chunk(m);
    chunk_builder_end_segment(m->builder);
    put_event(
        m, (event){.kind = EVENT_SEGMENT, .session = "3f2a9c01", .slots = &slot, .slot_count = 1},
        ns);
}

static void put_letter(making *m, char letter, uint64_t ns)
{
    switch (letter) {
    case 'c':
        m->conn++;
        m->in = m->out = 0;
        m->since_ns = ns;
        put_event(m, (event){.kind = EVENT_CONNECT, .url = "wss://test/"}, ns);
        break;
    case 'g':
        put_event(m,
                  (event){.kind = EVENT_GRANT,
                          .topic = "trades.BTCUSDT",
                          .source = EVENT_GRANT_ANSWERED,
                          .from_ns = ns},
                  ns);
        break;
    case 'x':
        put_event(m,
                  (event){.kind = EVENT_DISCONNECT,
                          .in = m->in,
                          .out = m->out,
                          .by = "peer",
                          .cause = "reset"},
                  ns);
        break;
    case 'd':
        put_frame(m, CHANNEL_IN, "trades", td_bytes_str("{}"), ns);
        break;
    case '>':
        put_frame(m, CHANNEL_OUT, "_control", td_bytes_str("ping"), ns);
        break;
    case '<':
        put_frame(m, CHANNEL_IN, "_control", td_bytes_str("pong"), ns);
        break;
    case 'r':
        put_frame(m, CHANNEL_OUT, "_control", td_bytes_str("{\"op\":\"ping\"}"), ns);
        break;
    case 'a':
        put_frame(m, CHANNEL_IN, "_control", td_bytes_str("{\"op\":\"pong\"}"), ns);
        break;
    default:
        fail_msg("no frame is called %c", letter);
    }
}

static void put_frames(making *m, const char *frames)
{
    uint64_t ns = FIXTURE_START_NS;
    for (const char *at = frames; *at != '\0'; at++) {
        if (*at == '/')
            put_chunk(m);
        else if (*at == '%')
            put_segment(m, ns + 1);
        if (*at < '0' || *at > '9')
            continue;
        char *end = NULL;
        ns = FIXTURE_START_NS + strtoull(at, &end, 10) * TD_NS_PER_S;
        put_letter(m, *end, ns);
        at = end;
    }
    put_chunk(m);
}

static gap_row row_of(const disproved_case *c)
{
    gap_row row =
        gap_row_of(c->reason, FEED, FIXTURE_START_NS + c->from_ms * TD_NS_PER_MS,
                   c->to_ms == GAP_OPEN ? GAP_OPEN : FIXTURE_START_NS + c->to_ms * TD_NS_PER_MS,
                   c->cause == NULL ? "reset" : c->cause);
    row.conn = c->conn;
    row.line = c->line;
    return row;
}

static void record(archive_env *env, const char *frames, const gap_row *rows, size_t count)
{
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
    making m = {.writer = archive_fixture_begin(a),
                .builder = chunk_builder_open(NULL),
                .chunk = sealed_chunk_open()};
    assert_int_equal(archive_writer_add_feed(m.writer, FEED, "okx", NULL, &m.feed, &err), TD_OK);
    put_frames(&m, frames);
    assert_int_equal(archive_writer_put_gaps(m.writer, rows, count, &err), TD_OK);
    assert_int_equal(
        archive_writer_close(m.writer, WRITER_STOP, FIXTURE_START_NS + 100 * TD_NS_PER_S, &err),
        TD_OK);
    chunk_builder_close(m.builder);
    channel_numbers_fini(&m.channels);
    sealed_chunk_close(m.chunk);
    archive_close(a);
}

/* The written row stays, or is there in two parts of which the first is no loss. */
static void check_rows(archive_env *env, const disproved_case *c)
{
    const gap_row written = row_of(c);
    const uint64_t until_ns = FIXTURE_START_NS + c->until_ms * TD_NS_PER_MS;
    gap_list found = {0};
    archive_fixture_gaps(env, &found);
    const size_t count = c->until_ms == 0 ? 1 : 2;
    if (found.count != count || found.rows[0].from_ns != written.from_ns ||
        found.rows[count - 1].to_ns != written.to_ns)
        fail_msg("%s: %zu rows", c->what, found.count);
    assert_int_equal(gap_row_is_disproved(&found.rows[0]), count == 2);
    assert_true(gap_row_is_loss(&found.rows[count - 1]));
    assert_string_equal(found.rows[count - 1].detail, "");
    if (count == 2 && (found.rows[0].to_ns != until_ns || found.rows[1].from_ns != until_ns ||
                       gap_row_is_loss(&found.rows[0])))
        fail_msg("%s: %llu", c->what,
                 (unsigned long long)(found.rows[1].from_ns - FIXTURE_START_NS) / TD_NS_PER_MS);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(found.rows[i].reason, c->reason);
    gap_list_fini(&found);
}

static void what_pongs_disprove(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        archive_env env;
        archive_env_init_sim(&env);
        const gap_row row = row_of(&CASES[i]);
        record(&env, CASES[i].frames, &row, 1);
        check_rows(&env, &CASES[i]);
        archive_env_fini(&env);
    }
}

/* A later session ended the part that remains of a row that was left open. */
static void the_rest_has_its_own_end(void **state)
{
    (void)state;
    archive_env env;
    gap_list found = {0};
    const disproved_case open = {.reason = GAP_RESTART, .from_ms = 1000, .to_ms = GAP_OPEN};
    const disproved_case rest = {.reason = GAP_RESTART, .from_ms = 4000, .to_ms = 30000};
    const gap_row rows[] = {row_of(&open), row_of(&rest)};
    archive_env_init_sim(&env);
    record(&env, "1c 3d 4> 5< 6d 7x", rows, 2);
    archive_fixture_gaps(&env, &found);
    assert_int_equal(found.count, 2);
    assert_true(gap_row_is_disproved(&found.rows[0]));
    assert_int_equal(found.rows[0].to_ns, rows[1].from_ns);
    assert_int_equal(found.rows[1].to_ns, rows[1].to_ns);
    gap_list_fini(&found);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_pongs_disprove),
        cmocka_unit_test(the_rest_has_its_own_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
