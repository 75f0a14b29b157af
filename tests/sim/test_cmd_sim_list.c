/* sim --list: what it offers can be recorded. Each topic has a row of its family, of today or of a
 * time before the exchange withdrew it; recorder/feed_setup.c refuses all others, unless
 * --allow-unknown-topic is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "json/json.h"
#include "sim/catalog.h"
#include "sim/cmd_sim.h"

/* What the list prints of all families: text or JSON, NUL-terminated. */
static const char *listed(int is_json, size_t *size)
{
    static char text[1 << 20];
    exchange_options wanted = {.symbol_count = 3};
    size_t count = 0;
    const catalog_row *rows = catalog_table(&count);
    for (size_t i = 0; i < count; i++)
        wanted.families[wanted.family_count++] = family_find(td_bytes_str(rows[i].family));
    FILE *out = tmpfile();
    output_stream output;
    assert_non_null(out);
    output_init(&output, out);
    cmd_sim_list(&output, &(json_options){.is_json = (uint8_t)is_json}, &wanted);
    assert_int_equal(output_finish(&output, NULL), TD_OK);
    rewind(out);
    *size = fread(text, 1, sizeof text - JSON_PADDING_BYTES, out);
    text[*size] = '\0';
    assert_int_equal(fclose(out), 0);
    return text;
}

static size_t check_topics(json_value row, const char *key)
{
    td_bytes name, topic;
    json_value list, element;
    size_t count = 0;
    assert_true(json_find_text(row, "family", &name));
    const family *of = family_find(name);
    assert_non_null(of);
    assert_true(json_find(row, key, &list));
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &element); count++) {
        topic_match match;
        assert_true(json_text(element, &topic));
        if (!topic_match_text(of->topics, of->topic_count, topic, TOPIC_ANY_TIME, &match))
            fail_msg("%s: %.*s", of->name, (int)topic.size, (const char *)topic.data);
        if (topic.size >= 4 && memcmp(topic.data, "dcp.", 4) == 0)
            fail_msg("%.*s sends nothing", (int)topic.size, (const char *)topic.data);
    }
    return count;
}

static void every_listed_topic_can_be_recorded(void **state)
{
    (void)state;
    size_t size = 0, topics = 0;
    const char *text = listed(1, &size);
    json_parser *parser = json_parser_open(0);
    json_value root, row;
    assert_int_equal(json_parse(parser, td_bytes_of(text, size), JSON_COPIED, &root, NULL), TD_OK);
    for (json_iter it = json_iter_of(root); json_next(&it, NULL, &row);) {
        topics += check_topics(row, "public") + check_topics(row, "private");
    }
    assert_true(topics > 200);
    json_parser_close(parser);
}

static void a_line_of_text_fits_80_columns(void **state)
{
    (void)state;
    size_t size = 0;
    for (const char *line = listed(0, &size); *line != '\0'; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > 80)
            fail_msg("%.*s", (int)strcspn(line, "\n"), line);
    assert_true(size > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listed_topic_can_be_recorded),
        cmocka_unit_test(a_line_of_text_fits_80_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
