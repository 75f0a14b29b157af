/* Which connection of a simulated exchange a recorded one is. Expected values: by hand from the
 * truth below; a frame is "ordinal:letter", the letter stands for its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/testing/io_fault.h"
#include "replay/truth_match.h"

enum { CONNS_MAX = 4, TEXT_BYTES = 8192 };

typedef struct match_case {
    const char *name;
    const char *sent[CONNS_MAX]; /* per connection of the exchange; "!" first: another path */
    const char *recorded;
    const char *findings; /* per recorded frame: '.' fits, 'm' more are missing, '!' not sent */
    truth_counts counts;
} match_case;

static const match_case CASES[] = {
    {"the only one", {"2:a 3:b 5:c"}, "2:a 3:b 5:c", "...", {3, 0, 0}},
    {"it began alike, and was another one",
     {"1:a 2:b 3:c", "1:a 2:b 3:d"},
     "1:a 2:b 3:d",
     "...",
     {3, 0, 0}},
    {"and the other way round", {"1:a 2:b 3:d", "1:a 2:b 3:c"}, "1:a 2:b 3:d", "...", {3, 0, 0}},
    {"one ended sooner", {"1:a 2:b", "1:a 2:b 3:c"}, "1:a 2:b 3:c", "...", {3, 0, 0}},
    {"the same to the end", {"1:a 2:b", "1:a 2:b"}, "1:a 2:b", "..", {2, 0, 0}},
    {"the same bytes at other ordinals", {"2:a 3:b", "1:a 2:b"}, "1:a 2:b", "..", {2, 0, 0}},
    {"one is missing", {"1:a 2:b 3:c"}, "1:a 3:c", ".m", {2, 1, 0}},
    {"the first ones are missing", {"1:a 2:b 3:c", "9:z"}, "3:c", "m", {1, 2, 0}},
    {"one is another", {"1:a 2:b 3:c"}, "1:a 2:x 3:c", ".!.", {2, 0, 1}},
    {"the first is another", {"1:p 2:q", "1:a 2:b 3:c"}, "1:x 2:b 3:c", "!..", {2, 0, 1}},
    {"one more than was sent", {"1:a"}, "1:a 2:b", ".!", {1, 0, 1}},
    {"lost where the other had a pong",
     {"1:a 2:b 3:c 4:d", "1:a 3:c 4:e"},
     "1:a 3:c 4:d",
     "..m",
     {3, 1, 0}},
    {"of another path", {"!1:a"}, "1:a", "!", {0, 0, 1}},
    {"nothing was sent", {NULL}, "1:a 2:b", "!!", {0, 0, 2}},
};

/* The truth file of a case. */
static void write_truth(td_io io, const match_case *c)
{
    char text[TEXT_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < CONNS_MAX && c->sent[i] != NULL; i++) {
        int is_other = c->sent[i][0] == '!';
        for (const char *at = c->sent[i] + is_other; *at != '\0';) {
            char *end;
            unsigned long n = strtoul(at, &end, 10);
            size += (size_t)snprintf(
                text + size, sizeof text - size,
                "{\"t\":\"frame\",\"path\":\"%s\",\"conn\":%zu,\"n\":%lu,\"xxh64\":\"%016x\"}\n",
                is_other ? "/v5/public/spot" : "/realtime", i + 1, n, (unsigned)end[1]);
            assert_true(size < sizeof text);
            at = end + 2 + (end[2] == ' ');
        }
    }
    td_file *file = NULL;
    assert_int_equal(td_io_open(io, "truth.jsonl", TD_OPEN_CREATE, &file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, text, size, NULL), TD_OK);
    td_io_close(file);
}

static void run_case(const match_case *c)
{
    static const char LETTERS[] = {
        [TRUTH_FITS] = '.', [TRUTH_MISSED] = 'm', [TRUTH_NOT_SENT] = '!'};
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    truth_table *table = NULL;
    truth_match *match = NULL;
    td_err err;
    char found[64] = "";
    write_truth(io, c);
    if (truth_table_open(io, "truth.jsonl", &table, &err) != TD_OK)
        fail_msg("%s: %s", c->name, err.text);
    assert_int_equal(truth_match_open(table, family_find(td_bytes_str("inverse")), &match, NULL),
                     TD_OK);
    for (const char *at = c->recorded; *at != '\0';) {
        char *end;
        unsigned long n = strtoul(at, &end, 10);
        found[strlen(found)] = LETTERS[truth_match_take(match, n, (uint64_t)end[1])];
        at = end + 2 + (end[2] == ' ');
    }
    truth_counts counts = truth_match_counts(match);
    if (strcmp(found, c->findings) != 0 || counts.matched != c->counts.matched ||
        counts.missing != c->counts.missing || counts.unexpected != c->counts.unexpected)
        fail_msg("%s: %s, %d matched, %d missing, %d unexpected", c->name, found,
                 (int)counts.matched, (int)counts.missing, (int)counts.unexpected);
    truth_match_close(match);
    truth_table_close(table);
    io_fault_close(disk);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        run_case(&CASES[i]);
}

/* A recording of another exchange: nothing is looked for any more, and everything is counted. */
static void test_strange(void **state)
{
    (void)state;
    static const match_case SENT = {"", {"1:a 2:b 30:c"}, "", "", {0, 0, 0}};
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    truth_table *table = NULL;
    truth_match *match = NULL;
    write_truth(io, &SENT);
    assert_int_equal(truth_table_open(io, "truth.jsonl", &table, NULL), TD_OK);
    assert_int_equal(truth_match_open(table, family_find(td_bytes_str("inverse")), &match, NULL),
                     TD_OK);
    for (uint64_t n = 3; n < 100; n++)
        assert_int_equal(truth_match_take(match, n, n == 30 ? 'x' : n), TRUTH_NOT_SENT);
    truth_counts counts = truth_match_counts(match);
    assert_int_equal(counts.unexpected, 97);
    assert_int_equal(counts.matched + counts.missing, 0);
    truth_match_close(match);
    assert_int_equal(truth_match_open(table, NULL, &match, NULL), TD_OK);
    assert_int_equal(truth_match_take(match, 1, 'a'), TRUTH_NOT_SENT); /* no such family */
    truth_match_close(match);
    truth_table_close(table);
    io_fault_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_strange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
