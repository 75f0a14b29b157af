/* Which frames of a book are trusted, and the rows that a file gets from them. Each case is a
 * script of frames with the rows that docs/export.md requires, written by hand. It is played
 * twice: in one go, and with a new trust object before each frame, which resumes from the
 * current state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tape/topic_trust.h"
#include "export/export_type.h"
#include "schema/family.h"
#include "tests/testing/book_text.h"
#include "tests/testing/row_text.h"

enum { STEPS_MAX = 10 };

/* A step of a script. what: a frame ("S …", "D …" as in book_text.h), "!" for a frame that cannot
 * be decoded, "day" for a new file. rows: "t a101x5" for flag, side, price and amount; NULL: the
 * book is not trusted and the frame has no rows. */
typedef struct step {
    const char *what;
    const char *rows;
    uint64_t at_ns;
    uint32_t conn;       /* 0: as in the step before */
    uint32_t conn_index; /* index of the connection in its slot's session; 0: the first one */
    uint8_t is_copy;
    uint8_t needs_copies;
    uint64_t damaged_until_ns; /* 0: as in the step before */
    int64_t u;                 /* 0: the frame lacks it */
} step;

typedef struct script {
    const char *name;
    step steps[STEPS_MAX];
    time_reason broke; /* reason of the first break, if there is one */
} script;

static const script SCRIPTS[] = {
    {"a snapshot, then changes: asks before bids, each in the frame's order",
     {{.what = "S B100x1 B99x2 A101x3 A102x4", .rows = "t a101x3;t a102x4;t b100x1;t b99x2"},
      {.what = "D -B99 =B100x5 -A101 +A103x1 +B98x7",
       .rows = "f a101x0;f a103x1;f b99x0;f b100x5;f b98x7"}},
     TIME_IS_RIGHT},
    {"changes before the first snapshot are left out",
     {{.what = "D =B100x1", .rows = NULL}, {.what = "S B100x2", .rows = "t b100x2"}},
     TIME_IS_RIGHT},
    {"a snapshot after a snapshot deletes what vanished, best first",
     {{.what = "S B100x1 B99x1 A101x1 A102x1 A103x1",
       .rows = "t a101x1;t a102x1;t a103x1;t b100x1;t b99x1"},
      {.what = "S B98x1 B99x2 A102x2",
       .rows = "f a101x0;f a103x0;f b100x0;t a102x2;t b98x1;t b99x2"},
      {.what = "S B98.0x1 B99x2 A102.00x2", .rows = "t a102x2;t b98x1;t b99x2"}},
     TIME_IS_RIGHT},
    {"after a change a snapshot needs no deletes: the reader starts over",
     {{.what = "S B100x1 A101x1", .rows = "t a101x1;t b100x1"},
      {.what = "D =B100x2", .rows = "f b100x2"},
      {.what = "S B90x1", .rows = "t b90x1"}},
     TIME_IS_RIGHT},
    {"an empty snapshot deletes everything, whatever came before",
     {{.what = "S B100x1 A101x1", .rows = "t a101x1;t b100x1"},
      {.what = "S", .rows = "f a101x0;f b100x0"},
      {.what = "D +B99x1", .rows = "f b99x1"},
      {.what = "S", .rows = "f b99x0"}},
     TIME_IS_RIGHT},
    {"a new day begins with the whole book, best first, then the frame",
     {{.what = "S B99x1 B100x1 A102x1 A101x1", .rows = "t a102x1;t a101x1;t b99x1;t b100x1"},
      {.what = "day"},
      {.what = "D =B100x5", .rows = "t a101x1;t a102x1;t b100x1;t b99x1;f b100x5"}},
     TIME_IS_RIGHT},
    {"a new day that begins with a snapshot",
     {{.what = "S B100x1 A101x1", .rows = "t a101x1;t b100x1"},
      {.what = "day"},
      {.what = "S B99x1 A101x2", .rows = "t a101x1;t b100x1;f b100x0;t a101x2;t b99x1"}},
     TIME_IS_RIGHT},
    {"a book that died before midnight begins with its next snapshot alone",
     {{.what = "S B100x1 A101x1", .rows = "t a101x1;t b100x1"},
      {.what = "!", .rows = NULL},
      {.what = "day"},
      {.what = "D =B100x5", .rows = NULL},
      {.what = "S B90x1", .rows = "t b90x1"}},
     DOUBT_UNDECODED},
    {"a day that begins with an empty book: the first levels are its snapshot",
     {{.what = "S", .rows = ""},
      {.what = "D +B99x1", .rows = "t b99x1"},
      {.what = "D +B98x1", .rows = "f b98x1"}},
     TIME_IS_RIGHT},
    {"a broken rule: nothing until the snapshot, which deletes what the file still has",
     {{.what = "S B100x1 A101x1", .rows = "t a101x1;t b100x1"},
      {.what = "D -B95", .rows = NULL},
      {.what = "D +B97x1", .rows = NULL},
      {.what = "S B97x1", .rows = "f a101x0;f b100x0;t b97x1"}},
     DOUBT_RULE},
    {"a crossed book is a broken one",
     {{.what = "S B100x1 A101x1", .rows = "t a101x1;t b100x1"},
      {.what = "D +B102x1", .rows = NULL},
      {.what = "D -B102", .rows = NULL}},
     DOUBT_RULE},
    {"a snapshot that is crossed itself is not trusted",
     {{.what = "S B102x1 A101x1", .rows = NULL}, {.what = "S B100x1", .rows = "t b100x1"}},
     TIME_IS_RIGHT},
    {"another connection: its changes wait for its snapshot",
     {{.what = "S B100x1 A101x1", .rows = "t a101x1;t b100x1"},
      {.what = "D =B100x2", .rows = "f b100x2"},
      {.what = "D =B100x3", .rows = NULL, .conn = 2},
      {.what = "S B100x4", .rows = "t b100x4", .conn = 2}},
     DOUBT_CONNECTION},
    {"a gap of the ledger on a living connection",
     {{.what = "S B100x1", .rows = "t b100x1", .at_ns = 4900},
      {.what = "D =B100x2", .rows = "f b100x2", .at_ns = 5000},
      {.what = "D =B100x3", .rows = NULL, .at_ns = 5001},
      {.what = "S B100x4", .rows = "t b100x4", .at_ns = 5300},
      {.what = "D =B100x5", .rows = "f b100x5", .at_ns = 5400}},
     GAP_OVERLOAD},
    {"damage: not even a snapshot helps before its end",
     {{.what = "S B100x1", .rows = "t b100x1", .at_ns = 100},
      {.what = "S B100x2", .rows = NULL, .at_ns = 200, .damaged_until_ns = 300},
      {.what = "D =B100x3", .rows = NULL, .at_ns = 301},
      {.what = "S B99x4", .rows = "f b100x0;t b99x4", .at_ns = 302}},
     DOUBT_DAMAGE},
    {"damage between two frames, neither of which lies in it",
     {{.what = "S B100x1", .rows = "t b100x1", .at_ns = 100},
      {.what = "D =B100x2", .rows = NULL, .at_ns = 301, .damaged_until_ns = 300},
      {.what = "S B99x4", .rows = "f b100x0;t b99x4", .at_ns = 302}},
     DOUBT_DAMAGE},
    {"an overload may take what follows a snapshot: nothing counts before its end",
     {{.what = "S B100x1", .rows = "t b100x1", .at_ns = 4900},
      {.what = "S B100x2", .rows = NULL, .at_ns = 5050},
      {.what = "D =B100x3", .rows = NULL, .at_ns = 5060},
      {.what = "D =B100x4", .rows = NULL, .at_ns = 5200},
      {.what = "S B99x4", .rows = "f b100x0;t b99x4", .at_ns = 5300}},
     GAP_OVERLOAD},
    {"the row of a disconnect begins early: the connection's frames are right up to its last",
     {{.what = "S B100x1", .rows = "t b100x1", .at_ns = 6900},
      {.what = "D =B100x2", .rows = "f b100x2", .at_ns = 7100},
      {.what = "D =B100x3", .rows = "f b100x3", .at_ns = 7200},
      {.what = "D =B100x4", .rows = NULL, .at_ns = 7300, .conn = 2},
      {.what = "S B100x5", .rows = "t b100x5", .at_ns = 7310, .conn = 2}},
     GAP_DISCONNECT},
    {"behind such a row the same connection lacks something: its topic was granted again",
     {{.what = "S B100x1", .rows = "t b100x1", .at_ns = 6900},
      {.what = "D =B100x2", .rows = "f b100x2", .at_ns = 7100},
      {.what = "D =B100x3", .rows = NULL, .at_ns = 7300},
      {.what = "S B100x4", .rows = "t b100x4", .at_ns = 7310}},
     GAP_DISCONNECT},
    {"copies give no rows, and another connection that is followed all of its book",
     {{.what = "S B100x1 A101x1", .rows = "t a101x1;t b100x1"},
      {.what = "S B100x1 A101x1", .conn_index = 1, .is_copy = 1},
      {.what = "D =B100x2", .rows = "f b100x2"},
      {.what = "D =B100x2", .conn_index = 1, .is_copy = 1},
      {.what = "D +B99x1", .rows = "t a101x1;t b100x2;t b99x1", .conn_index = 1, .needs_copies = 1},
      {.what = "D =B99x7", .rows = "f b99x7", .conn_index = 1, .needs_copies = 1},
      {.what = "S B98x1", .rows = "t b98x1", .conn_index = 1},
      {.what = "D +B97x1", .rows = "f b97x1", .conn_index = 1}},
     DOUBT_CONNECTION},
    {"after a snapshot the levels that the other connection has not are deleted",
     {{.what = "S B100x1 A101x1", .conn_index = 1, .is_copy = 1},
      {.what = "S B100x1 B98x1 A101x1", .rows = "t a101x1;t b100x1;t b98x1"},
      {.what = "D =B100x2",
       .rows = "f b98x0;t a101x1;t b100x2",
       .conn_index = 1,
       .needs_copies = 1}},
     DOUBT_CONNECTION},
    {"a connection whose book broke while it was a copy waits for its snapshot",
     {{.what = "S B100x1 A101x1", .rows = "t a101x1;t b100x1"},
      {.what = "S B100x1 A101x1", .conn_index = 1, .is_copy = 1},
      {.what = "D -B95", .conn_index = 1, .is_copy = 1},
      {.what = "D =B100x2", .rows = NULL, .conn_index = 1},
      {.what = "S B90x1", .rows = "f a101x0;f b100x0;t b90x1", .conn_index = 1}},
     DOUBT_CONNECTION},
};

/* Makes a gap of the ledger. All scripts have an overload from 5000 to 5100, a disconnect from 7000
 * to 7300, and unrelated gaps. */
static gap_row gap_at(const char *feed, const char *topic, const char *symbol, uint64_t from_ns)
{
    return (gap_row){.reason = GAP_OVERLOAD,
                     .feed = feed,
                     .topic = topic,
                     .symbol = symbol,
                     .from_ns = from_ns,
                     .to_ns = from_ns + 100,
                     .covered_by = "",
                     .cause = "",
                     .detail = ""};
}

static void fill_ledger(gap_list *gaps)
{
    const gap_row rows[] = {
        gap_at("alpha", "", "", 10),
        gap_at("inverse", "trade", "", 20),
        gap_at("inverse", "orderBookL2_25", "EOSUSD", 30),
        gap_at("inverse", "orderBookL2_25", "BTCUSD", 5000),
        {.reason = GAP_DISCONNECT,
         .feed = "inverse",
         .topic = "",
         .symbol = "",
         .from_ns = 7000,
         .to_ns = 7300,
         .covered_by = "",
         .cause = "",
         .detail = ""},
        gap_at("zeta", "", "", 10),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        gap_list_add(gaps, &rows[i]);
}

/* Shortens CSV rows to "t a101x5;…". */
static void shorten(const td_buf *rows, char *out, size_t out_bytes)
{
    const char *at = (const char *)rows->data;
    const char *end = at + rows->size;
    size_t used = 0;
    out[0] = '\0';
    while (at < end) {
        char flag[8];
        char side[8];
        char price[32];
        char amount[32];
        assert_int_equal(sscanf(at, "bybit,BTCUSD,%*[0-9],%*[0-9],%7[^,],%7[^,],%31[^,],%31[^\n]\n",
                                flag, side, price, amount),
                         4);
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%c %c%sx%s", used == 0 ? "" : ";",
                                 flag[0], side[0] == 'B' ? 'b' : 'a', price, amount);
        assert_true(used < out_bytes);
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    }
}

typedef struct replayer {
    topic_trust trust;
    const gap_list *gaps;
    symbol_state *state;
    void *maker;
    const topic_row *row;
    frame_channel channel;
    row_lines rows;
    uint64_t at_ns;
    uint64_t damaged_until_ns;
    uint32_t conn;
    time_reason broke;
    uint8_t resumes; /* 1: a new trust object resumes before each frame */
} replayer;

static void resume(replayer *a)
{
    const symbol_topic *topic = symbol_state_topic_at(a->state, 0);
    if (topic == NULL || a->damaged_until_ns > 0) /* a saved state does not contain damage */
        return;
    td_buf saved;
    symbol_state *loaded = NULL;
    td_buf_init(&saved, LIMIT_STATE_BYTES);
    assert_int_equal(symbol_state_save(a->state, &saved, NULL), TD_OK);
    assert_int_equal(symbol_state_load(td_buf_view(&saved), SYMBOL_WITHOUT_AUDITS, &loaded, NULL),
                     TD_OK);
    topic_trust_fini(&a->trust);
    topic_trust_resume(&a->trust, a->gaps, &a->channel.info, symbol_state_topic_at(loaded, 0));
    symbol_state_close(loaded);
    td_buf_fini(&saved);
}

static void open_maker(replayer *a, const book *before)
{
    const export_settings settings = {0};
    if (a->maker != NULL)
        EXPORT_BOOK_DELTAS.close(a->maker);
    a->maker = EXPORT_BOOK_DELTAS.open(
        &(maker_begin){&EXPORT_BOOK_DELTAS, &settings, &a->channel, before, NULL});
}

/* Begins another file: its maker starts with the current book, if any. */
static void begin_day(replayer *a)
{
    const symbol_topic *topic = symbol_state_topic_at(a->state, 0);
    const track *of = topic == NULL ? NULL : symbol_topic_track(topic);
    open_maker(a, of == NULL ? NULL : track_book(of));
}

static void apply_step(replayer *a, const script *s, const step *one)
{
    td_err err;
    book_frame frame;
    char got[512];
    if (strcmp(one->what, "day") == 0) {
        begin_day(a);
        return;
    }
    int is_decoded = one->what[0] != '!';
    if (is_decoded)
        book_frame_parse(one->what, &frame);
    a->at_ns = one->at_ns != 0 ? one->at_ns : a->at_ns + 1000000;
    a->conn = one->conn != 0 ? one->conn : a->conn;
    a->damaged_until_ns = one->damaged_until_ns != 0 ? one->damaged_until_ns : a->damaged_until_ns;
    if (a->resumes)
        resume(a);
    const frame_conn conn = {.session = 1, .number = a->conn};
    message m = {.book = frame.message};
    m.head.row = a->row;
    m.head.u = one->u;
    m.head.has_u = one->u != 0;
    const frame_ref shown = {.channel = &a->channel,
                             .row = a->row,
                             .recv_ns = a->at_ns,
                             .conn = &conn,
                             .conn_index = one->conn_index,
                             .is_copy = one->is_copy,
                             .damaged_until_ns = a->damaged_until_ns,
                             .content = {.message = is_decoded ? &m : NULL}};
    symbol_verdict found;
    symbol_topic_apply(symbol_state_topic(a->state, td_bytes_str("book"), 0), &shown, &found);
    trust_answer answer;
    topic_trust_apply(&a->trust, a->gaps, &shown, &found, &answer);
    if (one->is_copy)
        return;
    if (a->broke == TIME_IS_RIGHT)
        a->broke = answer.broke->reason;
    if (answer.is_trusted != (one->rows != NULL))
        fail_msg("%s: '%s' is %strusted", s->name, one->what, answer.is_trusted ? "" : "not ");
    if (answer.needs_copies != one->needs_copies)
        fail_msg("%s: '%s' needs %s copies", s->name, one->what, answer.needs_copies ? "" : "no");
    const row_out out = {row_text_put, &a->rows};
    const maker_frame taken = {.frame = &shown,
                               .message = is_decoded ? &m : NULL,
                               .book = track_book(found.track),
                               .trust = &answer};
    td_buf_clear(&a->rows.out);
    a->rows.flags = 0;
    assert_int_equal(EXPORT_BOOK_DELTAS.frame(a->maker, &taken, &out, &err), TD_OK);
    shorten(&a->rows.out, got, sizeof got);
    if (strcmp(got, one->rows == NULL ? "" : one->rows) != 0)
        fail_msg("%s: '%s' gives '%s', not '%s'", s->name, one->what, got, one->rows);
    assert_true(a->rows.out.size == 0 || (a->rows.flags & ROW_LAST_OF_FRAME) != 0);
}

static void play_script(const script *s, const topic_row *row, const gap_list *gaps,
                        uint8_t resumes)
{
    const family *inverse = family_find(td_bytes_str("inverse"));
    replayer a = {.row = row,
                  .channel = {.family = inverse,
                              .info = {.feed = "inverse",
                                       .family = "inverse",
                                       .topic = "orderBookL2_25",
                                       .symbol = "BTCUSD"}},
                  .gaps = gaps,
                  .at_ns = 1000000,
                  .conn = 1,
                  .resumes = resumes,
                  .broke = TIME_IS_RIGHT,
                  .rows = {.exchange = "bybit", .symbol = "BTCUSD", .column_count = 4}};
    a.channel.topic.row = row;
    td_buf_init(&a.rows.out, 1 << 16);
    a.state = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
    open_maker(&a, NULL);
    for (size_t k = 0; k < STEPS_MAX && s->steps[k].what != NULL; k++)
        apply_step(&a, s, &s->steps[k]);
    if (a.broke != s->broke)
        fail_msg("%s: broke by %s", s->name,
                 a.broke == TIME_IS_RIGHT ? "nothing" : time_reason_name(a.broke));
    EXPORT_BOOK_DELTAS.close(a.maker);
    topic_trust_fini(&a.trust);
    symbol_state_close(a.state);
    td_buf_fini(&a.rows.out);
}

/* Snapshots over HTTP, and deltas that wait for them: across an overload only links prove that no
 * delta is missing between them. */
static void test_waiting_over_an_overload(void **state)
{
    (void)state;
    static const topic_row TIMES = {.name = "orderBookL2_25",
                                    .pattern = "orderBookL2_25.{symbol}",
                                    .type = MSG_BOOK_CHANGE,
                                    .sequence = SEQ_ENVELOPE,
                                    .snapshot_request = "/book/{symbol}",
                                    .rules = {{RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_U}}};
    topic_row dense = TIMES;
    dense.rules[0].rule = RULE_SEQ_DENSE;
    const step before = {.what = "D B99x1", .rows = NULL, .at_ns = 4900, .u = 10};
    const step after = {.what = "D B98x1", .rows = NULL, .at_ns = 5200, .u = 11};
    const step snapshot = {.what = "S B90x1", .rows = NULL, .at_ns = 5300, .u = 10};
    script unlinked = {"times", {before, after, snapshot}, TIME_IS_RIGHT};
    script linked = {"links", {before, after, snapshot}, TIME_IS_RIGHT};
    linked.steps[2].rows = "t b98x1;t b90x1";
    gap_list gaps = {0};
    fill_ledger(&gaps);
    play_script(&unlinked, &TIMES, &gaps, 0);
    play_script(&linked, &dense, &gaps, 0);
    gap_list_fini(&gaps);
}

static void test_scripts(void **state)
{
    (void)state;
    gap_list gaps = {0};
    fill_ledger(&gaps);
    const family *inverse = family_find(td_bytes_str("inverse"));
    topic_match topic;
    assert_non_null(inverse);
    assert_true(topic_match_text(inverse->topics, inverse->topic_count,
                                 td_bytes_str("orderBookL2_25.BTCUSD"), TOPIC_NOW, &topic));
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof SCRIPTS[0]; i++) {
        play_script(&SCRIPTS[i], topic.row, &gaps, 0);
        play_script(&SCRIPTS[i], topic.row, &gaps, 1);
    }
    gap_list_fini(&gaps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scripts),
                                       cmocka_unit_test(test_waiting_over_an_overload)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
