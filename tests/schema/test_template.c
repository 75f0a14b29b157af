/* schema/template: texts without lists, as dialects have them; expected texts follow from the
 * header. Lists and formats: tests/sim/test_value.c. */
#include "schema/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/document.h"

enum { VALUE_ID, VALUE_NOW, VALUE_GONE, VALUE_OBJECT };

static const document_word VALUES[] = {
    {"id", VALUE_ID}, {"now_ms", VALUE_NOW}, {"gone", VALUE_GONE}, {"request", VALUE_OBJECT}};
static const template_names NAMES = {.values = VALUES, .value_count = 4, .object = VALUE_OBJECT};

/* Writes the name of a value, or its path; `gone` is absent. */
static td_result put(void *user, unsigned id, const char *suffix, td_buf *out, int *is_there,
                     td_err *err)
{
    (void)user;
    *is_there = id != VALUE_GONE;
    const char *text = id == VALUE_OBJECT ? suffix : VALUES[id].word;
    return td_buf_append(out, text, strlen(text), err);
}

static void test_texts(void **state)
{
    static const struct {
        const char *text, *expected;
    } ROWS[] = {
        {"", ""},
        {"{\"id\":$id,\"args\":[\"a@b\"]}", "{\"id\":id,\"args\":[\"a@b\"]}"},
        /* Digits at the end of a name are text, if only the rest is a name. */
        {"$now_ms000", "now_ms000"},
        {"$id:s|$id.", "id:s|id."},
        {"$request.params.a_b,$request.op\"", "params.a_b,op\""},
        {"$request.a1", "a1"},
        {"(1)~(,$id)~(,$gone)~", "(1),id~"},
        /* Values that are absent count outside of parts, and one of a part is enough. */
        {"$gone~($id$gone)", "gone"},
        {"~(a~($gone)b)", "ab"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const template_source source = {.put = put};
        const template *made = NULL;
        td_buf out;
        td_arena *memory = td_arena_open();
        td_buf_init(&out, 1024);
        assert_int_equal(template_compile(memory, ROWS[i].text, &NAMES, &made, NULL), TD_OK);
        assert_int_equal(template_render(made, &source, &out, NULL, NULL), TD_OK);
        if (!td_bytes_is(td_buf_view(&out), ROWS[i].expected))
            fail_msg("%s: wrote %.*s", ROWS[i].text, (int)out.size, out.data);
        td_buf_fini(&out);
        td_arena_close(memory);
    }
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *error;
    } ROWS[] = {
        {"$requests", "there is no value 'requests'"},
        {"$request", "a path '.NAME' is expected before ''"},
        {"$request.,", "a path '.NAME' is expected before '.,'"},
        {"~($id", "')' expected before ''"},
        {"~(~(~(~(~(1)))))", "more than 4 brackets, one in the other"},
        {"a\x01", "a text has a control character"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const template *made = NULL;
        td_arena *memory = td_arena_open();
        td_err err;
        td_err_clear(&err);
        assert_int_equal(template_compile(memory, ROWS[i].text, &NAMES, &made, &err), TD_E_INVALID);
        assert_string_equal(err.text, ROWS[i].error);
        td_arena_close(memory);
    }
}

static void test_questions(void **state)
{
    const template *made = NULL;
    td_arena *memory = td_arena_open();
    (void)state;
    assert_int_equal(template_compile(memory, "a~($id)$request.x", &NAMES, &made, NULL), TD_OK);
    assert_true(template_has(made, VALUE_ID));
    assert_false(template_has(made, VALUE_NOW));
    assert_false(template_is(made, td_bytes_str("a")));
    assert_int_equal(template_compile(memory, "ping", &NAMES, &made, NULL), TD_OK);
    assert_true(template_is(made, td_bytes_str("ping")));
    assert_false(template_is(made, td_bytes_str("pin")));
    td_arena_close(memory);
}

static void test_plain_texts(void **state)
{
    const template_word words[] = {{"{topic}", td_bytes_str("a.B")}, {"{none}", {0}}};
    char out[12];
    (void)state;
    template_fill("$5 {topic}{none}{x}", words, 2, out, sizeof out);
    assert_string_equal(out, "$5 a.B{x}");
    template_fill("{topic}{topic}{topic}{topic}", words, 2, out, sizeof out);
    assert_string_equal(out, "a.Ba.Ba.Ba.");
    template_fill("", words, 2, out, sizeof out);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_plain_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
