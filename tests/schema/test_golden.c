/* Golden frames: tests/golden/FAMILY/NAME.json is a frame, and NAME.out.json the exact line that
 * decoding must give. Frames have the documented shapes (docs/wire.md), with values written by
 * hand. If they do not say all of their topic, NAME begins with it. NAME@2023-04-05.json was
 * received on that day, others now. Every frame also goes through the fast path, which must agree,
 * and every row of every family has at least one. `make golden-update` ($TAPEDECK_GOLDEN_UPDATE)
 * writes the current results, to be reviewed as a diff before the commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/time_text.h"
#include "schema/decode.h"
#include "schema/message_json.h"
#include "tests/testing/capture.h"
#include "tests/testing/decode_fixture.h"
#include "tests/testing/message_round.h"

enum { FAMILY_ROWS_MAX = 128 };

typedef struct golden {
    const family *of;
    decoder_pair decoders;
    message_round *round;
    const char *name;              /* of the file, for failure messages */
    uint8_t seen[FAMILY_ROWS_MAX]; /* by row of the family: decoded at least once */
} golden;

/* Reads a file without its final line feed. */
static td_bytes read_line(const char *folder, const char *name, uint8_t **memory)
{
    char path[512];
    size_t size = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *memory = capture_read_file(path, &size);
    while (size > 0 && (*memory)[size - 1] == '\n')
        size--;
    return td_bytes_of(*memory, size);
}

/* The time at which the frame of that name was received. */
static uint64_t moment_of(const char *name)
{
    const char *at = strchr(name, '@');
    uint64_t ns = 0;
    char text[32];
    if (at == NULL)
        return TOPIC_NOW;
    snprintf(text, sizeof text, "%.10sT00:00:00Z", at + 1);
    if (td_time_parse_rfc3339(td_bytes_str(text), &ns, NULL) != TD_OK)
        fail_msg("%s: no date after the @", name);
    return ns;
}

/* The line for a decoded frame: as `tapedeck decode`, by the row-driven decoder. */
static void decode_to_text(golden *g, td_bytes frame, uint64_t at_ns, td_buf *out)
{
    classification what;
    message m;
    message fast;
    decode_error why;
    json_writer w;
    classify_as_named(g->decoders.rows, g->of, frame, at_ns, g->name, &what);
    assert_int_equal(what.frame_class, CLASS_DATA);
    assert_non_null(what.topic.row);
    int is_decoded = decoder_pair_decode(&g->decoders, &what.topic, frame, &fast, &m, &why);
    json_write_begin(&w, out);
    json_write_object_begin(&w);
    if (is_decoded) {
        if (what.exchange_ns != m.head.exchange_ns)
            fail_msg("%s: classified with another time", g->name);
        g->seen[what.topic.row - g->of->topics] = 1;
        message_round_check(g->round, &what.topic, &m);
        message_json_members(&w, &m);
    } else {
        message_json_raw(&w, &what.topic, what.exchange_topic, &why);
    }
    json_write_object_end(&w);
    td_err err;
    assert_int_equal(json_write_end(&w, &err), TD_OK);
}

static void compare_line(const char *folder, const char *name, td_bytes found)
{
    uint8_t *memory = NULL;
    td_bytes expected = read_line(folder, name, &memory);
    if (!td_bytes_equal(found, expected))
        fail_msg("%s/%s\nexpected %.*s\nfound    %.*s", folder, name, (int)expected.size,
                 (const char *)expected.data, (int)found.size, (const char *)found.data);
    td_free(memory);
}

static void write_line(const char *folder, const char *name, td_bytes found)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%.*s\n", (int)found.size, (const char *)found.data);
    assert_int_equal(fclose(file), 0);
}

static void check_file(golden *g, const char *folder, const char *name)
{
    char expected_name[256];
    uint8_t *memory = NULL;
    snprintf(expected_name, sizeof expected_name, "%.*s.out.json", (int)(strlen(name) - 5), name);
    td_bytes frame = read_line(folder, name, &memory);
    td_buf buf;
    td_buf_init(&buf, 1 << 20);
    g->name = name;
    decode_to_text(g, frame, moment_of(name), &buf);
    if (getenv("TAPEDECK_GOLDEN_UPDATE") != NULL)
        write_line(folder, expected_name, td_buf_view(&buf));
    else
        compare_line(folder, expected_name, td_buf_view(&buf));
    td_buf_fini(&buf);
    td_free(memory);
}

static int is_frame(const char *name)
{
    size_t size = strlen(name);
    return size < 9 || strcmp(name + size - 9, ".out.json") != 0;
}

/* Checks all files of a family; returns the number of its rows without a file. */
static size_t check_family(golden *g)
{
    char folder[128];
    size_t count = 0;
    size_t missing = 0;
    snprintf(folder, sizeof folder, "tests/golden/%s", g->of->name);
    char **names = capture_list(folder, ".json", &count);
    memset(g->seen, 0, sizeof g->seen);
    assert_true(g->of->topic_count <= FAMILY_ROWS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (is_frame(names[i]))
            check_file(g, folder, names[i]);
        td_free(names[i]);
    }
    td_free(names);
    for (size_t i = 0; i < g->of->topic_count; i++) {
        const topic_row *row = &g->of->topics[i];
        if (!g->seen[i])
            print_error("%s has no frame for %s (%s)\n", folder, row->pattern, row->title);
        missing += !g->seen[i];
    }
    return missing;
}

static void test_golden(void **state)
{
    (void)state;
    size_t count = 0;
    size_t missing = 0;
    const family *const *table = family_table(&count);
    golden g = {.decoders = decoder_pair_open(), .round = message_round_open()};
    for (size_t i = 0; i < count; i++) {
        g.of = table[i];
        missing += check_family(&g);
    }
    decoder_pair_close(&g.decoders);
    message_round_close(g.round);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
