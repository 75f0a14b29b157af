/* The rows that a feed's open gaps emit, and when they end. Expected: the rules in
 * recorder/open_gaps.h, and docs/archive.md#gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "recorder/open_gaps.h"
#include "archive/feed_history.h"

enum { NOW = 1000, ROWS_MAX = 16 };

/* A feed whose topics are assigned to shards by hand, its data in the archive, and its rows. */
typedef struct fixture {
    feed_config feed;
    subscription wanted;
    const char *topics[8];
    feed_slots past;
    past_slot slots[4];
    past_topic travels[8];
    past_topic *travel_list[8];
    gap_list ledger;
    open_gaps *gaps;
    char rows[1024]; /* "reason slot topic from-to;" for each row, in order */
} fixture;

static void add_row(void *user, uint16_t feed_index, const gap_row *row)
{
    fixture *f = user;
    assert_int_equal(feed_index, 7);
    size_t at = strlen(f->rows);
    char end[24] = "";
    if (row->to_ns != GAP_OPEN)
        (void)snprintf(end, sizeof end, "%llu", (unsigned long long)row->to_ns);
    (void)snprintf(f->rows + at, sizeof f->rows - at, "%s %u %s%s%s %llu-%s%s%s;",
                   time_reason_name(row->reason), row->shard, row->topic,
                   row->symbol[0] == '\0' ? "" : ".", row->symbol, (unsigned long long)row->from_ns,
                   end, row->detail[0] == '\0' ? "" : " ", row->detail);
}

#define assert_rows(f, text)                                                                       \
    do {                                                                                           \
        assert_string_equal((f)->rows, text);                                                      \
        (f)->rows[0] = '\0';                                                                       \
    } while (0)

/* Topics of shard 0, 1, …: each list ends with NULL, the last with two. */
static void init(fixture *f, const char *const *topics)
{
    *f = (fixture){0};
    config_feed_init(&f->feed);
    f->feed.name = "x";
    f->feed.family = family_find(td_bytes_str("inverse"));
    size_t count = 0;
    for (; *topics != NULL; topics++) {
        for (; *topics != NULL; topics++)
            f->topics[count++] = *topics;
        f->wanted.shards[++f->wanted.shard_count] = count;
    }
    f->wanted.topics = (char **)f->topics;
    f->wanted.topic_count = count;
    f->past = (feed_slots){.slots = f->slots, .topics = f->travel_list};
}

static void put_slot(fixture *f, uint32_t shard, uint64_t last_ns, uint64_t any_ns,
                     const char *session)
{
    past_slot *slot = &f->slots[f->past.slot_count++];
    *slot = (past_slot){.shard = shard, .last_ns = last_ns, .last_any_ns = any_ns};
    (void)snprintf(slot->session, sizeof slot->session, "%s", session);
}

static void put_travel(fixture *f, const char *name, size_t topic_bytes, size_t slot)
{
    past_topic *topic = &f->travels[f->past.topic_count];
    *topic = (past_topic){.name = (char *)name, .topic_bytes = topic_bytes, .slot = slot};
    f->travel_list[f->past.topic_count++] = topic;
}

static void put_row(fixture *f, time_reason reason, uint32_t shard, const char *topic,
                    const char *symbol, uint64_t from_ns, uint64_t to_ns)
{
    const gap_row row = {.reason = reason,
                         .feed = "x",
                         .shard = shard,
                         .topic = topic,
                         .symbol = symbol,
                         .from_ns = from_ns,
                         .to_ns = to_ns,
                         .frames_lost = GAP_FRAMES_UNKNOWN,
                         .covered_by = "",
                         .cause = "",
                         .detail = ""};
    gap_list_add(&f->ledger, &row);
}

/* Begins, and emits the rows that this opens and ends. */
static void begin(fixture *f)
{
    const open_gaps_options options = {.feed = &f->feed,
                                       .wanted = &f->wanted,
                                       .past = &f->past,
                                       .ledger = &f->ledger,
                                       .start_ns = NOW,
                                       .feed_index = 7,
                                       .emit = add_row,
                                       .user = f};
    f->gaps = open_gaps_open(&options);
    size_t count = 0;
    const gap_row *rows = open_gaps_begun(f->gaps, &count);
    for (size_t i = 0; i < count; i++)
        add_row(f, 7, &rows[i]);
}

/* Grants the n-th topic; the n-th shard waits for no further grants. */
static void grant_and_settle(fixture *f, uint32_t n, uint64_t now_ns)
{
    open_gaps_granted(f->gaps, n, now_ns);
    open_gaps_answered(f->gaps, n, now_ns);
}

static int set_up(void **state)
{
    *state = td_alloc_zero(1, sizeof(fixture));
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    open_gaps_close(f->gaps);
    gap_list_fini(&f->ledger);
    td_free(f);
    return 0;
}

#define TOPICS(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})

static void a_first_session_has_no_row(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "trade.B"));
    begin(f);
    open_gaps_connected(f->gaps, 0);
    grant_and_settle(f, 0, 1010);
    assert_rows(f, "");
}

static void a_reconnect_is_one_row(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "trade.B"));
    begin(f);
    for (size_t topic = 0; topic < 2; topic++)
        open_gaps_granted(f->gaps, topic, 1010);
    open_gaps_lost(f->gaps, 0, 1, GAP_DISCONNECT, 1020, "reset", "");
    assert_rows(f, "disconnect 0  1020-;");
    open_gaps_lost(f->gaps, 0, 2, GAP_DISCONNECT, 1025, "reset", ""); /* it was never back */
    assert_rows(f, "");
    open_gaps_connected(f->gaps, 0);
    open_gaps_granted(f->gaps, 1, 1030);
    open_gaps_granted(f->gaps, 0, 1031);
    assert_rows(f, "");
    open_gaps_answered(f->gaps, 0, 1031);
    assert_rows(f, "disconnect 0  1020-1031;");
    assert_false(open_gaps_wait_for(f->gaps, 0));
}

/* A slot whose topics have all ended is not expected to return: its gap ends with the last of them,
 * and the next loss of its connection is none. */
static void a_slot_whose_topics_end(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "trade.B", NULL, "trade.C"));
    begin(f);
    for (uint32_t shard = 0; shard < 2; shard++)
        open_gaps_lost(f->gaps, shard, 1, GAP_DISCONNECT, 1020 + shard, "reset", "");
    assert_rows(f, "disconnect 0  1020-;disconnect 1  1021-;");
    open_gaps_ended(f->gaps, 0, 1030, "gone");
    assert_rows(f, "");
    open_gaps_ended(f->gaps, 1, 1040, "gone");
    assert_rows(f, "disconnect 0  1020-1040;");
    assert_false(open_gaps_wait_for(f->gaps, 0));
    open_gaps_lost(f->gaps, 0, 2, GAP_DISCONNECT, 1050, "reset", "");
    assert_rows(f, "");
    grant_and_settle(f, 1, 1060);
    grant_and_settle(f, 2, 1060);
    assert_rows(f, "disconnect 1  1021-1060;");
}

/* All gaps of a feed end where it is removed, of slots and of topics. */
static void a_feed_that_is_removed(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", NULL, "trade.B"));
    begin(f);
    for (uint32_t topic = 0; topic < 2; topic++)
        grant_and_settle(f, topic, 1010);
    open_gaps_lost(f->gaps, 0, 1, GAP_DISCONNECT, 1020, "closed_by_peer", "close code 1001");
    open_gaps_withdrawn(f->gaps, 1, 1, 1025);
    assert_rows(f, "disconnect 0  1020- close code 1001;disconnect 1 trade.B 1025-;");
    open_gaps_removed(f->gaps, 1030);
    assert_rows(f, "disconnect 1 trade.B 1025-1030 removed from the configuration;"
                   "disconnect 0  1020-1030 close code 1001; removed from the configuration;");
}

/* A session ends the open rows of a feed that it does not record where the last session that had it
 * ended. A session that was killed may have had it until the next one began. A feed that only
 * imports have keeps its rows. */
static void a_feed_that_is_not_configured(void **state)
{
    (void)state;
    static const struct {
        const char *sessions; /* "2" recorded x, then stopped; "2!": was killed; "-": not x */
        const char *cause;
        uint64_t from_ns, to_ns;
    } ROWS[] = {
        {"x", "reset", 110, 150},        {"x!", "reset", 110, 300},  {"x-", "reset", 110, 150},
        {"x-!", "reset", 110, 400},      {"x!-", "reset", 110, 300}, {"xx", "reset", 110, 250},
        {"xi", "reset", 110, 150},       {"i", "reset", 110, 0},     {"-", "reset", 110, 0},
        {"x", GAP_CAUSE_IMPORT, 110, 0}, {"x", "reset", 900, 900}, /* the clock was ahead */
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        static recorder_config config; /* too large for a stack */
        archive_history past = {0};
        gap_list ledger = {0};
        gap_list ended = {0};
        uint64_t start_ns = 100;
        char name[SESSION_ID_BYTES] = "s0";
        for (const char *at = ROWS[i].sessions; *at != '\0'; at++, start_ns += 100, name[1]++) {
            session_row row = {
                .start_ns = start_ns, .stop_ns = start_ns + 50, .state = SESSION_STOPPED};
            (void)snprintf(row.session, sizeof row.session, "%s", name);
            (void)snprintf(row.verb, sizeof row.verb, "%s", *at == 'i' ? "import" : "record");
            if (*at != '-')
                (void)archive_history_add_segment(&past, name, "x", name);
            if (at[1] == '!') {
                row.state = SESSION_CRASHED;
                row.stop_ns = 0;
                at++;
                start_ns += 100;
            }
            archive_history_add_session(&past, &row);
        }
        session_row next = {.session = "next", .start_ns = start_ns, .verb = "record"};
        archive_history_add_session(&past, &next);
        gap_row row = gap_row_of(GAP_DISCONNECT, "x", ROWS[i].from_ns, GAP_OPEN, ROWS[i].cause);
        gap_list_add(&ledger, &row);
        row.from_ns++;
        row.to_ns = row.from_ns + 1; /* has an end */
        gap_list_add(&ledger, &row);
        config.feeds[0].name = "y";
        config.feed_count = 1;
        open_gaps_end_others(&config, &past, "next", &ledger, &ended);
        assert_int_equal(ended.count, ROWS[i].to_ns != 0);
        if (ended.count == 1) {
            assert_int_equal(ended.rows[0].from_ns, ROWS[i].from_ns);
            assert_int_equal(ended.rows[0].to_ns, ROWS[i].to_ns);
            assert_true(gap_row_is_removed(&ended.rows[0]));
        }
        gap_list_fini(&ended);
        config.feeds[0].name = "x";
        open_gaps_end_others(&config, &past, "next", &ledger, &ended);
        assert_int_equal(ended.count, 0);
        gap_list_fini(&ledger);
        archive_history_fini(&past);
    }
}

/* The gap of a slot is split: its first part has an end, the rest stays open. */
static void a_long_gap_is_split(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "trade.B"));
    begin(f);
    for (size_t topic = 0; topic < 2; topic++)
        open_gaps_granted(f->gaps, topic, 1010);
    open_gaps_split(f->gaps, 0, 1015);
    open_gaps_lost(f->gaps, 0, 1, GAP_DISCONNECT, 1020, "reset", "");
    open_gaps_split(f->gaps, 0, 1020);
    assert_rows(f, "disconnect 0  1020-;");
    open_gaps_split(f->gaps, 0, 1025);
    assert_rows(f, "disconnect 0  1020-1025;disconnect 0  1025-;");
    open_gaps_connected(f->gaps, 0);
    open_gaps_granted(f->gaps, 0, 1030);
    open_gaps_answered(f->gaps, 0, 1030);
    assert_rows(f, "disconnect 0 trade.B 1025-;disconnect 0  1025-1030;");
    open_gaps_split(f->gaps, 0, 1035); /* only gaps of whole slots are split */
    assert_rows(f, "");
}

/* A topic that is not granted gets a row that begins where the others' row began, and only one; a
 * topic that was never recorded gets no row. */
static void a_topic_that_stays_out(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "trade.B|C", "trade.D"));
    begin(f);
    open_gaps_granted(f->gaps, 0, 1010);
    open_gaps_granted(f->gaps, 1, 1010);
    open_gaps_lost(f->gaps, 0, 1, GAP_STALE, 1020, "silent", "");
    open_gaps_connected(f->gaps, 0);
    grant_and_settle(f, 0, 1030);
    assert_rows(f,
                "stale 0  1020-;stale 0 trade.B 1020-;stale 0 trade.C 1020-;stale 0  1020-1030;");
    open_gaps_lost(f->gaps, 0, 2, GAP_DISCONNECT, 1040, "reset", "");
    open_gaps_connected(f->gaps, 0);
    grant_and_settle(f, 0, 1050);
    assert_rows(f, "disconnect 0  1040-;disconnect 0  1040-1050;");
    open_gaps_granted(f->gaps, 1, 1060);
    assert_rows(f, "stale 0 trade.B 1020-1060;stale 0 trade.C 1020-1060;");
}

/* A withdrawn topic has a row until it is granted again, and another row the next time. While the
 * slot has a row, the topic's row begins with it. */
static void a_topic_that_is_withdrawn(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "trade.B"));
    begin(f);
    for (size_t topic = 0; topic < 2; topic++)
        open_gaps_granted(f->gaps, topic, 1010);
    for (int times = 0; times < 2; times++) {
        open_gaps_withdrawn(f->gaps, 1, 1, 1020);
        open_gaps_granted(f->gaps, 1, 1030);
    }
    assert_rows(f, "disconnect 0 trade.B 1020-;disconnect 0 trade.B 1020-1030;"
                   "disconnect 0 trade.B 1021-;disconnect 0 trade.B 1021-1030;");
    open_gaps_lost(f->gaps, 0, 1, GAP_DISCONNECT, 1040, "reset", "");
    open_gaps_connected(f->gaps, 0);
    for (size_t topic = 0; topic < 2; topic++)
        open_gaps_granted(f->gaps, topic, 1050);
    open_gaps_withdrawn(f->gaps, 1, 2, 1050);
    open_gaps_answered(f->gaps, 0, 1050);
    assert_rows(f, "disconnect 0  1040-;disconnect 0 trade.B 1040-;disconnect 0  1040-1050;");
}

/* Each slot of the last session has a row before anything connects; a slot with an open row keeps
 * it, and it is written again. */
static void a_session_begins(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", NULL, "trade.B"));
    put_slot(f, 0, 900, 905, "2");
    put_slot(f, 1, 500, 505, "1");
    put_travel(f, "trade.A", 6, 0);
    put_travel(f, "trade.B", 6, 1);
    put_row(f, GAP_RESTART, 1, "", "", 500, GAP_OPEN);
    begin(f);
    assert_rows(f, "restart 1  500-;restart 0  900-;");
    grant_and_settle(f, 0, 1010);
    assert_rows(f, "restart 0  900-1010;");
    grant_and_settle(f, 1, 1020);
    assert_rows(f, "restart 1  500-1020;");
}

/* If topics are on other shards now, the gap of each slot ends when all shards are complete. */
static void topics_move(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.B", NULL, "trade.A"));
    put_slot(f, 0, 900, 905, "1");
    put_slot(f, 1, 910, 915, "1");
    put_slot(f, 2, 920, 925, "1");
    put_travel(f, "trade.A", 6, 0);
    put_travel(f, "trade.B", 6, 1);
    put_travel(f, "trade.C", 6, 2); /* no longer subscribed: ends with the others */
    begin(f);
    assert_rows(f, "restart 0  900-;restart 1  910-;restart 2  920-;");
    grant_and_settle(f, 0, 1010);
    assert_rows(f, "");
    grant_and_settle(f, 1, 1020);
    assert_rows(f, "restart 2  920-1020;restart 1  910-1020;restart 0  900-1020;");
}

/* A slot that the last session no longer had is not a gap of this one. */
static void a_slot_that_was_given_up(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "trade.B"));
    put_slot(f, 0, 900, 905, "2");
    put_slot(f, 1, 500, 505, "1");
    put_travel(f, "trade.A", 6, 0);
    put_travel(f, "trade.B", 6, 0);
    put_row(f, GAP_RESTART, 1, "", "", 500, 600);
    begin(f);
    assert_rows(f, "restart 0  900-;");
}

/* One whose gap ended because its feed was removed was not given up. */
static void a_slot_of_a_removed_feed(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", NULL, "trade.B"));
    put_slot(f, 0, 900, 905, "2");
    put_slot(f, 1, 500, 505, "1");
    put_travel(f, "trade.A", 6, 0);
    put_travel(f, "trade.B", 6, 1);
    gap_row row = gap_row_of(GAP_CRASH, "x", 500, 600, "");
    row.shard = 1;
    row.detail = GAP_DETAIL_REMOVED;
    gap_list_add(&f->ledger, &row);
    begin(f);
    assert_rows(f, "restart 1  500-;restart 0  900-;");
}

/* Without data since the last gap ended, the connection was complete from then on. A row never has
 * the key of an ended one. */
static void a_quiet_slot(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A"));
    put_slot(f, 0, 500, 905, "2");
    put_travel(f, "trade.A", 6, 0);
    put_row(f, GAP_RESTART, 0, "", "", 500, 600);
    put_row(f, GAP_RESTART, 0, "", "", 600, 600);
    begin(f);
    assert_rows(f, "restart 0  601-;");
}

/* The row for a damaged journal ends at the start of a session, which writes all open rows. */
static void a_row_of_a_damaged_journal(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A"));
    put_slot(f, 0, 900, 905, "2");
    put_travel(f, "trade.A", 6, 0);
    gap_row row = gap_row_of(GAP_CORRUPT, "x", 300, GAP_OPEN, GAP_CAUSE_JOURNAL);
    gap_list_add(&f->ledger, &row);
    begin(f);
    assert_rows(f, "corrupt 0  300-1000;restart 0  900-;");
    grant_and_settle(f, 0, 1010);
    assert_rows(f, "restart 0  900-1010;");
}

/* A topic's row is open until the topic is granted, also in a later session; it ends at the start
 * of a session that does not subscribe to the topic. A row for all symbols waits for all of them.
 */
static void rows_of_topics_from_earlier_sessions(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "instrument_info.100ms.A", "instrument_info.100ms.B"));
    put_row(f, GAP_DISCONNECT, 0, "trade", "A", 500, GAP_OPEN);
    put_row(f, GAP_DISCONNECT, 0, "trade", "B", 500, GAP_OPEN);
    put_row(f, GAP_DISCONNECT, 0, "instrument_info.100ms", "", 510, GAP_OPEN);
    begin(f);
    assert_rows(f, "disconnect 0 trade.A 500-;"
                   "disconnect 0 trade.B 500-1000 no longer subscribed;"
                   "disconnect 0 instrument_info.100ms 510-;");
    open_gaps_granted(f->gaps, 1, 1010);
    assert_rows(f, "");
    open_gaps_granted(f->gaps, 2, 1020);
    assert_rows(f, "disconnect 0 instrument_info.100ms 510-1020;");
    open_gaps_granted(f->gaps, 0, 1030);
    assert_rows(f, "disconnect 0 trade.A 500-1030;");
}

/* An earlier session recorded with a clock that was ahead: its row ends where it begins, and what
 * is missing now gets its own row. */
/* The part that pongs disprove is written, so that the row that was written before is not open any
 * more. Another one, whose rest has ended, is not written again. */
static void a_row_that_is_disproved(void **state)
{
    static const char *const TOPICS[] = {"trade.BTCUSD", NULL, NULL};
    fixture *f = *state;
    init(f, TOPICS);
    put_slot(f, 0, 600, 600, "b");
    gap_row part = gap_row_of(GAP_CRASH, "x", 100, 200, "");
    part.covered_by = GAP_COVERED_BY_PONGS;
    gap_list_add(&f->ledger, &part);
    put_row(f, GAP_CRASH, 0, "", "", 200, 300);
    part.from_ns = 400;
    part.to_ns = 500;
    gap_list_add(&f->ledger, &part);
    put_row(f, GAP_CRASH, 0, "", "", 500, GAP_OPEN);
    begin(f);
    assert_rows(f, "crash 0  400-500;crash 0  500-;");
}

static void a_row_from_the_future(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A"));
    put_slot(f, 0, 400, 400, "1");
    put_travel(f, "trade.A", 6, 0);
    put_row(f, GAP_CRASH, 0, "", "", 5000, GAP_OPEN);
    begin(f);
    assert_rows(f, "restart 0  400-;crash 0  5000-;");
    grant_and_settle(f, 0, 1010);
    assert_rows(f, "restart 0  400-1010;"
                   "crash 0  5000-5000 the next session's clock was earlier than this moment;");
}

/* An instrument that ended is not missing: its open row ends, and a reconnect opens none. A topic
 * that was added is missing only after it was recorded. */
static void a_topic_that_is_silent(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "trade.B"));
    begin(f);
    assert_int_equal(open_gaps_silent(f->gaps, 0, 1, 1100, "quiet"), 0); /* it is not granted */
    grant_and_settle(f, 0, 1010);
    open_gaps_granted(f->gaps, 1, 1011);
    f->rows[0] = '\0';
    assert_int_equal(open_gaps_silent(f->gaps, 0, 1, 1100, "quiet"), 1);
    assert_int_equal(open_gaps_silent(f->gaps, 0, 1, 1100, "quiet"), 0); /* it has a row */
    assert_rows(f, "stale 0 trade.A 1100- quiet;");
    open_gaps_heard(f->gaps, 1, 1150);
    open_gaps_granted(f->gaps, 0, 1160); /* subscribed again, which shows nothing */
    assert_rows(f, "");
    open_gaps_heard(f->gaps, 0, 1200);
    assert_rows(f, "stale 0 trade.A 1100-1200 quiet;");
    assert_int_equal(open_gaps_silent(f->gaps, 1, 1, 1300, "quiet"), 1);
    open_gaps_ended(f->gaps, 1, 1400, "instrument ended");
    assert_rows(f, "stale 0 trade.B 1300- quiet;stale 0 trade.B 1300-1400 instrument ended;");
}

/* Of an earlier session nothing is known of the topic's rhythm: a grant ends it. */
static void a_topic_that_was_silent(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A"));
    put_row(f, GAP_STALE, 0, "trade", "A", 500, GAP_OPEN);
    begin(f);
    assert_rows(f, "stale 0 trade.A 500-;");
    open_gaps_granted(f->gaps, 0, 1010);
    assert_rows(f, "stale 0 trade.A 500-1010;");
}

static void topics_end_and_are_added(void **state)
{
    fixture *f = *state;
    init(f, TOPICS("trade.A", "trade.B"));
    begin(f);
    grant_and_settle(f, 0, 1010);
    open_gaps_withdrawn(f->gaps, 1, 3, 1100);
    assert_rows(f, "disconnect 0 trade.B 1100-;");
    open_gaps_ended(f->gaps, 1, 1200, "instrument ended");
    assert_rows(f, "disconnect 0 trade.B 1100-1200 instrument ended;");
    f->topics[f->wanted.topic_count++] = "trade.C";
    f->wanted.shards[1] = f->wanted.topic_count;
    open_gaps_added(f->gaps);
    open_gaps_lost(f->gaps, 0, 4, GAP_DISCONNECT, 1300, "lost", "");
    assert_rows(f, "disconnect 0  1300-;");
    open_gaps_connected(f->gaps, 0);
    open_gaps_granted(f->gaps, 0, 1310);
    open_gaps_answered(f->gaps, 0, 1310);
    assert_rows(f, "disconnect 0  1300-1310;");
    open_gaps_granted(f->gaps, 2, 1320);
    open_gaps_lost(f->gaps, 0, 5, GAP_DISCONNECT, 1400, "lost", "");
    open_gaps_connected(f->gaps, 0);
    open_gaps_granted(f->gaps, 0, 1410);
    open_gaps_answered(f->gaps, 0, 1410);
    assert_rows(f, "disconnect 0  1400-;disconnect 0 trade.C 1400-;disconnect 0  1400-1410;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_first_session_has_no_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reconnect_is_one_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_whose_topics_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_feed_that_is_removed, set_up, tear_down),
        cmocka_unit_test(a_feed_that_is_not_configured),
        cmocka_unit_test_setup_teardown(a_long_gap_is_split, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_topic_that_stays_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_topic_that_is_withdrawn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_session_begins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(topics_move, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_that_was_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_of_a_removed_feed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_quiet_slot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_row_of_a_damaged_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_of_topics_from_earlier_sessions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_row_that_is_disproved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_row_from_the_future, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_topic_that_is_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_topic_that_was_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(topics_end_and_are_added, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("open_gaps", tests, NULL, NULL);
}
