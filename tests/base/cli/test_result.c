/* One description, two output forms. Expected texts are written from the contract in
 * base/cli/result.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cli/result.h"

typedef void (*describe_fn)(result_writer *r);

enum { FORM_TEXT, FORM_JSON };

/* Opens an output to a file. */
static void open_output(output_stream *output, size_t columns, int has_colour)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    output_init(output, file);
    output->columns = columns;
    output->has_colour = has_colour;
}

/* The printed text; valid until the next call. */
static const char *close_output(output_stream *output)
{
    static char text[4096];
    assert_int_equal(output_finish(output, NULL), TD_OK);
    rewind(output->out);
    text[fread(text, 1, sizeof text - 1, output->out)] = '\0';
    fclose(output->out);
    return text;
}

/* The printed text of a description in one form. */
static const char *printed(describe_fn describe, uint8_t form, int has_colour)
{
    output_stream output;
    result_writer r;
    open_output(&output, 0, has_colour);
    result_begin(&r, &output, &(json_options){.is_json = form});
    describe(&r);
    result_end(&r);
    return close_output(&output);
}

static void check(describe_fn describe, const char *json, const char *text)
{
    assert_string_equal(printed(describe, FORM_JSON, 0), json);
    assert_string_equal(printed(describe, FORM_TEXT, 0), text);
}

/* ---- kinds ---- */

static void describe_kinds(result_writer *r)
{
    result_object_begin(r, NULL);
    result_count(r, "count", 1016334);
    result_count(r, "unknown", UINT64_MAX);
    result_number(r, "number", 1016334);
    result_size(r, "size", 1536);
    result_time(r, "time", UINT64_C(1618677785489609000));
    result_time(r, "never", 0);
    result_time_or_null(r, "since", 0);
    result_time_or_null(r, "until", 5);
    result_instant(r, "instant", UINT64_C(1618677785489609000));
    result_signed(r, "signed", -5);
    result_decimal(r, "decimal", (td_decimal){.mantissa = 605910, .scale = 1});
    result_fraction(r, "fraction", 1500, 3);
    result_text(r, "text", "a\nb");
    result_text(r, "blank", "");
    result_name(r, "name", "");
    result_bool(r, "bool", 1);
    result_null(r, "null");
    result_note(r, "note", "%s %u", "x\033", 3U);
    result_duration(r, "lasts", UINT64_C(250000000));
    result_styled(r, "verdict", TERMINAL_BAD, "LOST");
    result_object_end(r, "{count} {unknown} {number} {size}\n{time} {never} {instant}\n"
                         "{signed} {decimal} {fraction} {text} <{blank}{name}{bool}{null}>\n"
                         "{note} {lasts} {verdict}\n");
}

/* JSON has no notes; text from outside is escaped; only a verdict has a colour. */
static void test_each_kind_of_value(void **state)
{
    (void)state;
    check(describe_kinds,
          "{\"count\":1016334,\"unknown\":null,\"number\":1016334,\"size\":1536,"
          "\"time\":1618677785489609000,\"never\":0,\"since\":null,\"until\":5,"
          "\"instant\":1618677785489609000,\"signed\":-5,"
          "\"decimal\":\"60591\",\"fraction\":1.5,\"text\":\"a\\nb\",\"blank\":\"\",\"name\":null,"
          "\"bool\":true,"
          "\"null\":null}\n",
          "1,016,334 ? 1016334 1.5 KiB\n"
          "2021-04-17 16:43:05.489 - 2021-04-17T16:43:05.489609000Z\n"
          "-5 60591 1.5 a\\x0ab <>\n"
          "x\\x1b 3 250 ms LOST\n");
    assert_non_null(
        strstr(printed(describe_kinds, FORM_TEXT, 1), "250 ms \033[1;31mLOST\033[0m\n"));
}

/* ---- patterns ---- */

typedef struct pattern_row {
    const char *pattern;
    const char *text;
} pattern_row;

static const pattern_row *pattern_now;

static void describe_pattern(result_writer *r)
{
    result_object_begin(r, NULL);
    result_count(r, "none", 0);
    result_count(r, "one", 1);
    result_count(r, "many", 1234);
    result_count(r, "unknown", UINT64_MAX);
    result_signed(r, "zero", 0);
    result_name(r, "empty", "");
    result_name(r, "word", "w");
    result_bool(r, "no", 0);
    result_object_begin(r, "inner");
    result_count(r, "many", 5);
    result_object_begin(r, "deep");
    result_count(r, "own", 7);
    result_object_end(r, "{own} {many} {one}");
    result_object_begin(r, "counts");
    result_count(r, "a", 1);
    result_count(r, "b", 2);
    result_object_end(r, "{*, }");
    result_object_begin(r, "no_counts");
    result_object_end(r, "{*, }");
    result_filled(r, "filled", "{many} and {one}");
    result_object_end(r, NULL);
    result_list_begin(r, "rows");
    for (uint64_t i = 1; i <= 2; i++) {
        result_object_begin(r, NULL);
        result_number(r, "i", i);
        result_object_end(r, "<{i} of {many}>");
    }
    result_list_end(r);
    result_list_begin(r, "nothing");
    result_list_end(r);
    result_object_end(r, pattern_now->pattern);
}

static void test_patterns(void **state)
{
    (void)state;
    static const pattern_row ROWS[] = {
        {"", ""},
        {"plain\n", "plain\n"},
        {"[{inner.filled}]", "5 and 1"},
        {"{one frame}, {many frame}, {none frame}, {unknown frame}",
         "1 frame, 1,234 frames, 0 frames, ? frames"},
        {"{one is a copy/are copies} {many is a copy/are copies} {none it/them}",
         "is a copy are copies them"},
        {"{word|-}{empty|-}{none|?}{nothing|no rows}", "w-?no rows"},
        {"[a {one}][b {none}][c {empty}][d {no}][e {nothing}][f {zero}]!", "a 1f 0!"},
        {"[{one}, {none}; {empty}]", "1, 0; "}, /* the first field decides */
        {"[{one?}yes][{one!}no][{none?}yes][{none!}no]", "yesno"},
        {"{inner.counts}; {inner.no_counts}", "a 1, b 2; "},
        {"[{rows row}: {rows}\n]", "2 rows: <1 of 1,234><2 of 1,234>\n"},
        {"[{inner.deep}][{inner}] {inner.many} {inner.deep.own} {many}", "7 5 1 5 7 1,234"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        pattern_now = &ROWS[i];
        assert_string_equal(printed(describe_pattern, FORM_TEXT, 0), ROWS[i].text);
    }
    assert_string_equal(printed(describe_pattern, FORM_JSON, 0),
                        "{\"none\":0,\"one\":1,\"many\":1234,\"unknown\":null,\"zero\":0,"
                        "\"empty\":null,\"word\":\"w\",\"no\":false,"
                        "\"inner\":{\"many\":5,\"deep\":{\"own\":7},"
                        "\"counts\":{\"a\":1,\"b\":2},\"no_counts\":{}},"
                        "\"rows\":[{\"i\":1},{\"i\":2}],\"nothing\":[]}\n");
}

/* ---- lists and tables ---- */

static const table_column COLUMNS[] = {{"feed", TABLE_LEFT, "{feed|-}"},
                                       {"frames", TABLE_RIGHT, "{frames}"}};

static void add_row(result_writer *r, const char *feed, uint64_t frames)
{
    result_object_begin(r, NULL);
    result_name(r, "feed", feed);
    result_count(r, "frames", frames);
    result_object_end(r, NULL);
}

static void describe_table(result_writer *r)
{
    result_object_begin(r, NULL);
    result_table_begin(r, "rows", COLUMNS, 2);
    add_row(r, "inverse", 7);
    add_row(r, "", 12345678);
    result_list_end(r);
    result_object_end(r, "{rows}{rows row}\n");
}

/* The text's order is the pattern's, independent of the document's; a list's rows may contain
 * lists. */
static void describe_document(result_writer *r)
{
    result_object_begin(r, NULL);
    for (int t = 0; t < 2; t++) {
        result_table_begin(r, t == 0 ? "full" : "none", COLUMNS, 2);
        if (t == 0)
            add_row(r, "x", 1);
        result_list_end(r);
    }
    result_list_begin(r, "files");
    for (uint64_t f = 1; f <= 2; f++) {
        result_object_begin(r, NULL);
        result_number(r, "file", f);
        result_list_begin(r, "parts");
        for (uint64_t p = 0; p < f; p++) {
            result_object_begin(r, NULL);
            result_number(r, "part", p);
            if (result_json(r) != NULL)
                json_write_member_bool(result_json(r), "raw", 1);
            result_object_end(r, " {file}.{part}");
        }
        result_list_end(r);
        result_object_end(r, "file {file}:{parts}, {parts part}\n");
    }
    result_list_end(r);
    result_text(r, "last", "end");
    result_object_end(r, "{last}\n{files}[\n{none}][\n{full}]");
}

static void test_lists(void **state)
{
    (void)state;
    check(describe_table,
          "{\"rows\":[{\"feed\":\"inverse\",\"frames\":7},"
          "{\"feed\":null,\"frames\":12345678}]}\n",
          "feed         frames\n"
          "inverse           7\n"
          "-        12,345,678\n"
          "2 rows\n");
    check(describe_document,
          "{\"full\":[{\"feed\":\"x\",\"frames\":1}],\"none\":[],"
          "\"files\":[{\"file\":1,\"parts\":[{\"part\":0,\"raw\":true}]},"
          "{\"file\":2,\"parts\":[{\"part\":0,\"raw\":true},{\"part\":1,\"raw\":true}]}],"
          "\"last\":\"end\"}\n",
          "end\n"
          "file 1: 1.0, 1 part\n"
          "file 2: 2.0 2.1, 2 parts\n"
          "\n"
          "feed  frames\n"
          "x          1\n");
}

/* On a terminal the lines of a document are broken at spaces; names are not broken. */
static void test_broken_lines(void **state)
{
    (void)state;
    static const table_column FEW[] = {{"name", TABLE_LEFT, "{name}"},
                                       {"frames", TABLE_RIGHT, "{frames}"},
                                       {"note", TABLE_SPARE_LEFT, "-"}};
    output_stream output;
    result_writer r;
    open_output(&output, 20, 0);
    result_begin(&r, &output, &(json_options){0});
    result_object_begin(&r, NULL);
    result_styled(&r, "styled", TERMINAL_GOOD, "good");
    result_text(&r, "name", "a-name-of-more-than-20-columns");
    result_table_begin(&r, "rows", FEW, 3);
    result_object_begin(&r, NULL);
    result_text(&r, "name", "seventeen-columns");
    result_count(&r, "frames", 12345678);
    result_object_end(&r, NULL);
    result_list_end(&r);
    result_object_end(&r, "  {styled}: twenty columns are few\n{name} is wide\n{rows}end\n");
    result_end(&r);
    assert_string_equal(close_output(&output), "  good: twenty\n    columns are few\n"
                                               "a-name-of-more-than-20-columns\n  is wide\n"
                                               "name\n  frames\n"
                                               "seventeen-columns\n  12,345,678\n"
                                               "end\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_value),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_broken_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
