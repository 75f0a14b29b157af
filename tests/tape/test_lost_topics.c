/* When a topic's connection is lost. Expected: the contract in tape/lost_topics.h: gaps between two
 * recordings, of a topic, or of frames that were found missing, are of no lost connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/gap.h"
#include "tape/lost_topics.h"

enum { LAST_NS = 100 };

static const channel_info TOPIC = {.feed = "f", .topic = "t", .symbol = "s", .line = 1, .shard = 2};

static void add(gap_list *to, time_reason reason, uint64_t from_ns, uint64_t to_ns,
                const char *topic, uint32_t shard)
{
    gap_row row = gap_row_of(reason, "f", from_ns, to_ns, "");
    row.line = 1;
    row.shard = shard;
    row.topic = topic;
    gap_list_add(to, &row);
}

static uint64_t next_ns(const gap_list *ledger, uint64_t last_ns, uint64_t after_ns)
{
    gap_index index = {0};
    gap_index_build(&index, ledger);
    const uint64_t found_ns = lost_topics_next_ns(&index, &TOPIC, last_ns, after_ns);
    gap_index_fini(&index);
    return found_ns;
}

static void test_next_loss(void **state)
{
    (void)state;
    gap_list ledger = {0};
    assert_int_equal(next_ns(&ledger, LAST_NS, LAST_NS), 0);
    add(&ledger, GAP_DISCONNECT, 50, LAST_NS, "", 2); /* before the last frame */
    add(&ledger, GAP_RESTART, 110, 120, "", 2);       /* the next session may lack the topic */
    add(&ledger, GAP_SEQUENCE, 125, 130, "", 2);      /* found in frames */
    add(&ledger, GAP_DISCONNECT, 140, 150, "", 3);    /* of another connection */
    add(&ledger, GAP_STALE, 160, 170, "t", 2);        /* of a topic */
    assert_int_equal(next_ns(&ledger, LAST_NS, LAST_NS), 0);
    add(&ledger, GAP_DISCONNECT, 180, 190, "", 2);
    assert_int_equal(next_ns(&ledger, LAST_NS, LAST_NS), 180);
    assert_int_equal(next_ns(&ledger, 185, LAST_NS), 186);
    assert_int_equal(next_ns(&ledger, LAST_NS, 190), 0);
    add(&ledger, GAP_RESTART, 200, GAP_OPEN, "", 2);
    assert_int_equal(next_ns(&ledger, LAST_NS, 190), 200);
    gap_list_fini(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_next_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
