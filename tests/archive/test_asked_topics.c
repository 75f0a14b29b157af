/* When topics were asked for. Expected: the contracts in archive/asked_topics.h and segment_rows.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "archive/asked_topics.h"
#include "archive/event.h"

/* A topic that a connection was granted, in seconds. */
typedef struct granted {
    uint32_t shard, conn;
    uint64_t since_s, conn_to_s; /* of the connection */
    const char *topic;
    uint64_t from_s, to_s;
    const char *source, *reason;
} granted;

enum { GRANTS_MAX = 8 };

/* A segment; all of one session, which ended at 100. */
typedef struct trial {
    const char *what;
    granted grants[GRANTS_MAX];
    const char *expected; /* times of topic A */
    int has_ended;        /* segment_brief.has_ended_grants */
} trial;

#define ANSWERED EVENT_GRANT_ANSWERED
#define SEEN     EVENT_GRANT_SEEN

static const trial TRIALS[] = {
    {"one connection", {{0, 1, 10, 0, "A", 12, 0, ANSWERED, ""}}, "10-100", 0},
    {"granted at once", {{0, 1, 10, 0, "A", 10, 0, ANSWERED, ""}}, "10-100", 0},
    {"unsubscribed", {{0, 1, 10, 0, "A", 12, 20, ANSWERED, "unsubscribed"}}, "10-20", 1},
    {"and subscribed again",
     {{0, 1, 10, 0, "A", 12, 20, ANSWERED, "unsubscribed"},
      {0, 1, 10, 0, "A", 30, 0, ANSWERED, ""}},
     "10-20 30-100",
     1},
    {"seen before the answer",
     {{0, 1, 10, 0, "A", 12, 20, ANSWERED, "unsubscribed"}, {0, 1, 10, 0, "A", 30, 0, SEEN, ""}},
     "10-20 30-100",
     1},
    {"added later on an open connection",
     {{0, 1, 10, 0, "B", 12, 0, ANSWERED, ""}, {0, 1, 10, 0, "A", 40, 0, ANSWERED, ""}},
     "40-100",
     0},
    {"answered late, as all topics of the connection",
     {{0, 1, 10, 0, "B", 19, 0, ANSWERED, ""}, {0, 1, 10, 0, "A", 19, 0, ANSWERED, ""}},
     "10-100",
     0},
    {"refused", {{0, 1, 10, 0, "A", 12, 12, "", "refused"}}, "", 0},
    {"shown by its first frame", {{0, 1, 10, 0, "A", 40, 0, SEEN, ""}}, "10-100", 0},
    {"shown by a frame where others are answered",
     {{0, 1, 10, 0, "B", 10, 0, ANSWERED, ""}, {0, 1, 10, 0, "A", 40, 0, SEEN, ""}},
     "40-100",
     0},
    {"connected again",
     {{0, 1, 10, 20, "A", 12, 0, ANSWERED, ""}, {0, 2, 25, 0, "A", 27, 0, ANSWERED, ""}},
     "10-100",
     0},
    {"lost for good", {{0, 1, 10, 20, "A", 12, 0, ANSWERED, ""}}, "10-100", 0},
    {"left out by the next connection",
     {{0, 1, 10, 20, "A", 12, 0, ANSWERED, ""}, {0, 2, 25, 0, "B", 27, 0, ANSWERED, ""}},
     "10-25",
     1},
    {"left out, and the old connection lasted longer",
     {{0, 1, 10, 40, "A", 12, 0, ANSWERED, ""}, {0, 2, 25, 0, "B", 27, 0, ANSWERED, ""}},
     "10-40",
     1},
    {"left out in between",
     {{0, 1, 10, 20, "A", 12, 0, ANSWERED, ""},
      {0, 2, 25, 50, "B", 27, 0, ANSWERED, ""},
      {0, 3, 60, 0, "A", 62, 0, ANSWERED, ""}},
     "10-25 60-100",
     1},
    {"a connection that was too short for its answers",
     {{0, 1, 10, 20, "A", 12, 0, ANSWERED, ""},
      {0, 2, 25, 25, "B", 25, 0, ANSWERED, ""},
      {0, 3, 60, 0, "A", 62, 0, ANSWERED, ""},
      {0, 3, 60, 0, "B", 62, 0, ANSWERED, ""}},
     "10-100",
     0},
    {"not seen on the next connection",
     {{0, 1, 10, 20, "A", 12, 0, SEEN, ""}, {0, 2, 25, 0, "B", 27, 0, SEEN, ""}},
     "10-100",
     0},
    {"moved to another slot",
     {{0, 1, 10, 0, "A", 12, 20, ANSWERED, "unsubscribed"},
      {1, 1, 15, 0, "A", 18, 0, ANSWERED, ""}},
     "10-20 15-100",
     1},
    {"a list of topics", {{0, 1, 10, 0, "A|B", 12, 0, ANSWERED, ""}}, "", 0},
    {"frames before the answer for several topics, on two connections of three",
     {{0, 1, 10, 20, "A", 12, 0, SEEN, ""},
      {0, 1, 10, 20, "*", 13, 0, ANSWERED, ""},
      {0, 2, 25, 50, "*", 27, 0, ANSWERED, ""},
      {0, 3, 60, 0, "A", 62, 0, SEEN, ""},
      {0, 3, 60, 0, "*", 63, 0, ANSWERED, ""}},
     "",
     1},
    {"a frame beside an answer for several other topics",
     {{0, 1, 10, 0, "A", 12, 0, SEEN, ""}, {0, 1, 10, 0, "B.*", 13, 0, ANSWERED, ""}},
     "10-100",
     0},
};

static uint64_t in_ns(uint64_t s)
{
    return s * TD_NS_PER_S;
}

static segment_rows rows_of(const granted *grants)
{
    segment_rows rows = {.index = {.last_ns = in_ns(100)}};
    for (size_t i = 0; i < GRANTS_MAX && grants[i].topic != NULL; i++) {
        const granted *at = &grants[i];
        const conn_row conn = {.shard = at->shard,
                               .conn = at->conn,
                               .since_ns = in_ns(at->since_s),
                               .to_ns = in_ns(at->conn_to_s)};
        size_t k = 0;
        while (k < rows.conn_count &&
               (rows.conns[k].conn != conn.conn || rows.conns[k].shard != conn.shard))
            k++;
        if (k == rows.conn_count)
            assert_true(segment_rows_add_conn(&rows, &conn));
        const grant_row grant = {k,          at->topic, in_ns(at->from_s), in_ns(at->to_s),
                                 at->source, at->reason};
        assert_true(segment_rows_add_grant(&rows, &grant));
    }
    return rows;
}

static void format_spans(const asked_topics *asked, char out[256])
{
    out[0] = '\0';
    for (size_t i = 0; i < asked->count; i++)
        for (size_t k = 0; strcmp(asked->rows[i].name, "A") == 0 && k < asked->rows[i].span_count;
             k++) {
            const asked_span *span = &asked->rows[i].spans[k];
            const size_t used = strlen(out);
            (void)snprintf(out + used, 256 - used, "%s%llu-%llu", used == 0 ? "" : " ",
                           (unsigned long long)(span->time.from_ns / TD_NS_PER_S),
                           (unsigned long long)(span->time.to_ns / TD_NS_PER_S));
        }
}

static void test_times_of_a_session(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TRIALS / sizeof TRIALS[0]; i++) {
        const trial *at = &TRIALS[i];
        asked_topics asked = {0};
        char found[256];
        segment_rows rows = rows_of(at->grants);
        const segment_brief brief = segment_rows_brief(&rows);
        asked_topics_add(&asked, 7, &rows);
        asked_topics_end_session(&asked, 7, in_ns(100));
        format_spans(&asked, found);
        if (strcmp(found, at->expected) != 0 || (int)brief.has_ended_grants != at->has_ended)
            fail_msg("%s: '%s', ended %u", at->what, found, brief.has_ended_grants);
        asked_topics_fini(&asked);
        segment_rows_fini(&rows);
    }
}

/* The segment of connection 2 was granted the same topics as the first one, so it is not added:
 * topic A was asked for until connection 3, of a later segment, left it out. */
static void test_connection_in_a_segment_that_is_not_added(void **state)
{
    static const granted FIRST[GRANTS_MAX] = {{0, 1, 10, 20, "A", 12, 0, ANSWERED, ""},
                                              {0, 1, 10, 20, "B", 12, 0, ANSWERED, ""}};
    static const granted LAST[GRANTS_MAX] = {{0, 3, 60, 0, "B", 61, 0, ANSWERED, ""}};
    asked_topics asked = {0};
    segment_rows first = rows_of(FIRST);
    segment_rows last = rows_of(LAST);
    char found[256];
    (void)state;
    asked_topics_add(&asked, 7, &first);
    asked_topics_add(&asked, 7, &last);
    asked_topics_end_session(&asked, 7, in_ns(100));
    format_spans(&asked, found);
    assert_string_equal(found, "10-60");
    asked_topics_fini(&asked);
    segment_rows_fini(&first);
    segment_rows_fini(&last);
}

/* The set of topics decides, not their order or times. */
static void test_hash_of_granted_topics(void **state)
{
    static const granted FIRST[GRANTS_MAX] = {{0, 1, 10, 0, "A", 12, 0, ANSWERED, ""},
                                              {0, 1, 10, 0, "B", 13, 0, ANSWERED, ""}};
    static const granted SAME[GRANTS_MAX] = {{0, 2, 20, 0, "B", 21, 0, SEEN, ""},
                                             {0, 2, 20, 0, "A", 25, 0, ANSWERED, ""},
                                             {0, 2, 20, 0, "C", 25, 25, "", "refused"}};
    static const granted OTHER[GRANTS_MAX] = {{0, 1, 10, 0, "A", 12, 0, ANSWERED, ""}};
    const granted *const all[] = {FIRST, SAME, OTHER};
    uint64_t hashes[3];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        segment_rows rows = rows_of(all[i]);
        hashes[i] = segment_rows_brief(&rows).granted_hash;
        rows.unknown_ns = 1;
        assert_int_equal(segment_rows_brief(&rows).granted_hash, 0);
        segment_rows_fini(&rows);
    }
    assert_int_equal(hashes[0], hashes[1]);
    assert_int_not_equal(hashes[0], hashes[2]);
    assert_int_not_equal(hashes[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_of_a_session),
        cmocka_unit_test(test_connection_in_a_segment_that_is_not_added),
        cmocka_unit_test(test_hash_of_granted_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
