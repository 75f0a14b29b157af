/* JSON Schemas of the rows. Expected: the keywords of draft 2020-12, and each field of the row
 * under its key. That real frames validate was checked with python's jsonschema, which is no part
 * of the build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "json/json.h"
#include "schema/json_schema.h"

static json_value find(json_value from, const char *key)
{
    json_value value;
    if (!json_find(from, key, &value))
        fail_msg("no member %s", key);
    return value;
}

/* What describes the frame's own object: a definition, where frames are lists of events or differ
 * by kind. */
static json_value frame_of(json_value root, const topic_row *row)
{
    json_value found;
    if (row->is_event)
        return find(find(root, "$defs"), "event");
    if (json_find(root, "properties", &found))
        return root;
    json_value defs = find(root, "$defs");
    return find(defs, json_find(defs, "snapshot", &found) ? "snapshot" : "delta");
}

static void test_all_rows(void **state)
{
    (void)state;
    size_t count = 0;
    const family *const *table = family_table(&count);
    td_err err;
    json_parser *parser = json_parser_open(0);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < table[i]->topic_count; j++) {
            const topic_row *row = &table[i]->topics[j];
            td_buf buf;
            json_value root;
            td_bytes text;
            td_buf_init(&buf, JSON_SCHEMA_BYTES_MAX);
            assert_int_equal(json_schema_write(table[i], row, &buf, &err), TD_OK);
            assert_int_equal(json_parse(parser, td_buf_view(&buf), JSON_COPIED, &root, &err),
                             TD_OK);
            assert_true(json_find_text(root, "$schema", &text));
            assert_true(td_bytes_is(text, "https://json-schema.org/draft/2020-12/schema"));
            assert_true(json_find_text(root, "title", &text));
            assert_memory_equal(text.data, table[i]->name, strlen(table[i]->name));
            json_value entry = find(find(root, "$defs"), "entry");
            int is_positional = (row->items[0].flags & ITEMS_POSITIONAL) != 0;
            json_value fields = find(entry, is_positional ? "prefixItems" : "properties");
            size_t own_fields = 0;
            for (size_t k = 0; k < row->field_count; k++) {
                if (row->fields[k].flags & FIELD_INHERITED)
                    continue;
                if (!is_positional)
                    (void)find(fields, row->fields[k].key);
                own_fields++;
            }
            assert_int_equal(json_count(fields), own_fields);
            (void)find(find(frame_of(root, row), "properties"), topic_row_topic_key(row));
            td_buf_fini(&buf);
        }
    }
    json_parser_close(parser);
}

static void test_text_of_a_small_row(void **state)
{
    (void)state;
    static const field_row fields[] = {
        {MEMBER_COIN, "currency", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
        {MEMBER_WALLET_BALANCE, "wallet_balance", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    };
    static const kind_word kinds[] = {{"whole", FRAME_SNAPSHOT},
                                      {"part", FRAME_DELTA},
                                      {"true", FRAME_SNAPSHOT},
                                      {"false", FRAME_DELTA},
                                      {NULL, FRAME_UNTYPED}};
    static const topic_row row = {
        .name = "insurance",
        .pattern = "insurance.{coin}",
        .type = MSG_INSURANCE,
        .title = "Insurance fund",
        .items = {{"data", ACTION_SET, FRAME_ANY, 0}},
        .fields = fields,
        .field_count = 2,
        .kind_words = kinds,
    };
    static const char expected[] =
        "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
        "\"title\":\"inverse insurance: Insurance fund\",\"type\":\"object\",\"properties\":{"
        "\"topic\":{\"type\":\"string\",\"pattern\":\"^insurance\\\\.[^.]+$\"},"
        "\"type\":{\"description\":\"the frame's "
        "kind\",\"enum\":[\"whole\",\"true\",true,\"part\",\"false\",false,\"\",null]},"
        "\"data\":{\"anyOf\":[{\"type\":[\"array\"],\"minItems\":1,\"items\":{\"$ref\":\"#/$defs/"
        "entry\"}},"
        "{\"$ref\":\"#/$defs/entry\"}]}},\"required\":[\"topic\",\"data\"],\"$defs\":{\"entry\":{"
        "\"type\":\"object\",\"properties\":{\"currency\":{\"description\":\"coin: "
        "text\",\"type\":["
        "\"string\",\"number\"]},\"wallet_balance\":{\"description\":\"wallet_balance: decimal, "
        "money, "
        "times 10^8\",\"type\":[\"number\",\"string\",\"null\"]}},\"required\":[\"currency\"]}}}";
    td_buf buf;
    td_err err;
    td_buf_init(&buf, JSON_SCHEMA_BYTES_MAX);
    assert_int_equal(json_schema_write(family_find(td_bytes_str("inverse")), &row, &buf, &err),
                     TD_OK);
    assert_int_equal(td_buf_append(&buf, "", 1, &err), TD_OK);
    assert_string_equal((const char *)buf.data, expected);
    td_buf_fini(&buf);
}

static void test_bounded(void **state)
{
    (void)state;
    td_buf buf;
    td_err err;
    const family *of = family_find(td_bytes_str("inverse"));
    td_buf_init(&buf, 100);
    assert_int_equal(json_schema_write(of, &of->topics[0], &buf, &err), TD_E_LIMIT);
    td_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_rows),
        cmocka_unit_test(test_text_of_a_small_row),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
