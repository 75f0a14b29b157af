/* The index of a ledger. Expected: the rows that a reader of the whole ledger finds
 * (gap_row_affects_topic), for ledgers of random rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "archive/gap_index.h"

enum { LEDGERS = 50, ROWS_MAX = 60 };

static const char *const FEEDS[] = {"a", "b", "c"};
static const char *const TOPICS[] = {"", "book", "trade"};
static const char *const SYMBOLS[] = {"", "*", "X", "Y", "XY"};

static uint32_t next_random(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)(*random >> 33);
}

static void make_ledger(gap_list *out, uint64_t *random)
{
    const uint32_t count = next_random(random) % ROWS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        gap_row row = gap_row_of(GAP_RESTART, FEEDS[next_random(random) % 3],
                                 1 + next_random(random) % 1000, GAP_OPEN, "");
        row.topic = TOPICS[next_random(random) % 3];
        row.symbol = row.topic[0] == '\0' ? "" : SYMBOLS[next_random(random) % 5];
        gap_list_add(out, &row);
    }
}

static int is_wide(const gap_row *row)
{
    return row->symbol[0] == '\0' || strcmp(row->symbol, "*") == 0;
}

/* Each row of the ledger comes once if it affects the topic; wide ones first, in order. */
static void check_topic(const gap_index *index, const char *feed, const char *topic,
                        const char *symbol)
{
    const gap_list *ledger = index->ledger;
    uint8_t *seen = td_alloc_zero(ledger->count + 1, 1);
    gap_probe at = gap_index_find(index, feed, topic, symbol);
    const gap_row *last = NULL;
    for (const gap_row *row; (row = gap_index_next(&at)) != NULL; last = row) {
        const size_t number = (size_t)(row - ledger->rows);
        assert_true(number < ledger->count);
        assert_int_equal(seen[number]++, 0);
        if (is_wide(row) && last != NULL && strcmp(symbol, "*") != 0)
            assert_true(is_wide(last) && last < row);
    }
    for (size_t i = 0; i < ledger->count; i++)
        assert_int_equal(seen[i], strcmp(ledger->rows[i].feed, feed) == 0 &&
                                      gap_row_affects_topic(&ledger->rows[i], topic, symbol));
    td_free(seen);
}

static void test_random_ledgers(void **state)
{
    uint64_t random = 7;
    gap_index index = {0};
    (void)state;
    for (int i = 0; i < LEDGERS; i++) {
        gap_list ledger = {0};
        make_ledger(&ledger, &random);
        gap_index_build(&index, &ledger);
        for (size_t f = 0; f < 3; f++)
            for (size_t t = 0; t < 3; t++)
                for (size_t s = 0; s < 5; s++)
                    check_topic(&index, FEEDS[f], TOPICS[t], SYMBOLS[s]);
        check_topic(&index, "absent", "book", "X");
        gap_list_fini(&ledger);
    }
    gap_index_fini(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_ledgers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
