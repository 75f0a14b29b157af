/* Results, error texts and log lines. Expected texts: the contracts in base/err.h and base/log.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"

static void test_set_and_add(void **state)
{
    (void)state;
    td_err err;
    assert_int_equal(td_err_set(&err, TD_E_CORRUPT, "%d bytes, expected %d", 8, 20), TD_E_CORRUPT);
    assert_int_equal(err.code, TD_E_CORRUPT);
    assert_int_equal(td_err_add(&err, err.code, "footer at %d", 12), TD_E_CORRUPT);
    assert_int_equal(td_err_add(&err, TD_E_INVALID, "segment %s", "y"), TD_E_INVALID);
    assert_string_equal(err.text, "segment y: footer at 12: 8 bytes, expected 20");
    assert_int_equal(err.code, TD_E_INVALID);
    td_err_hint(&err, "run tapedeck recover -a %s", "x");
    assert_string_equal(err.hint, "run tapedeck recover -a x");
    td_err_set(&err, TD_E_LIMIT, "new");
    assert_string_equal(err.text, "new");
    assert_string_equal(err.hint, "");
    td_err_clear(&err);
    assert_int_equal(err.code, TD_OK);
    assert_string_equal(err.text, "");
}

static void test_os_errors(void **state)
{
    (void)state;
    td_err err;
    assert_int_equal(td_err_set_os(&err, EACCES, "cannot open '%s'", "x"), TD_E_IO);
    assert_string_equal(err.text, "cannot open 'x': Permission denied");
    assert_int_equal(err.os_errno, EACCES);
    assert_int_equal(td_err_set_os(&err, ENOSPC, "write"), TD_E_NOSPACE);
    assert_int_equal(td_err_set_os(&err, EDQUOT, "write"), TD_E_NOSPACE);
    assert_int_equal(err.os_errno, EDQUOT);
}

static void test_errors_without_a_log(void **state)
{
    (void)state;
    assert_int_equal(td_err_set(NULL, TD_E_IO, "x"), TD_E_IO);
    assert_int_equal(td_err_set_os(NULL, ENOSPC, "x"), TD_E_NOSPACE);
    assert_int_equal(td_err_add(NULL, TD_E_BUSY, "x"), TD_E_BUSY);
    td_err_hint(NULL, "x");
    td_err_clear(NULL);
}

/* Values come from files and peers: they can be long and contain line ends. */
static void test_long_and_many_lines(void **state)
{
    (void)state;
    static char text[3000];
    memset(text, 'x', sizeof text - 1);
    td_err err;
    td_err_set(&err, TD_E_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), TD_ERR_TEXT_BYTES - 1);
    assert_string_equal(err.text + TD_ERR_TEXT_BYTES - 4, "...");
    td_err_set(&err, TD_E_INVALID, "inner");
    td_err_add(&err, TD_E_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), TD_ERR_TEXT_BYTES - 1);
    td_err_set(&err, TD_E_INVALID, "%.1020s", text);
    td_err_add(&err, TD_E_INVALID, "outer");
    assert_int_equal(strlen(err.text), TD_ERR_TEXT_BYTES - 1);
    assert_string_equal(err.text + TD_ERR_TEXT_BYTES - 4, "...");
    td_err_set_os(&err, EIO, "%s", text);
    assert_non_null(strstr(err.text, "...: Input/output error"));
    td_err_set(&err, TD_E_INVALID, "a\nb\rc\td");
    assert_string_equal(err.text, "a\\x0ab\\x0dc\\x09d");
}

static void test_every_code_has_a_name(void **state)
{
    (void)state;
    for (int code = TD_E_NETWORK; code <= TD_EOF; code++)
        assert_string_not_equal(td_result_name((td_result)code), "unknown");
    assert_string_equal(td_result_name((td_result)99), "unknown");
}

typedef struct log_lines {
    int count;
    td_log_level level;
    char line[2000];
} log_lines;

static void on_log_line(void *ctx, td_log_level level, const char *line)
{
    log_lines *h = ctx;
    h->count++;
    h->level = level;
    snprintf(h->line, sizeof h->line, "%s", line);
}

static void test_log(void **state)
{
    (void)state;
    log_lines h = {0};
    td_log log = {.fn = on_log_line, .ctx = &h, .level_max = TD_LOG_INFO};
    td_log_emit(&log, TD_LOG_WARNING, "%d lost\n", 3);
    assert_string_equal(h.line, "3 lost\\x0a");
    assert_int_equal(h.level, TD_LOG_WARNING);
    td_log_emit(&log, TD_LOG_DEBUG, "not logged");
    assert_int_equal(h.count, 1);
    td_log_emit(&log, TD_LOG_INFO, "%2000d", 1);
    assert_int_equal(strlen(h.line), 1023);
    td_log_emit(NULL, TD_LOG_ERROR, "x");
    log.fn = NULL;
    td_log_emit(&log, TD_LOG_ERROR, "x");
    assert_int_equal(h.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_add),           cmocka_unit_test(test_os_errors),
        cmocka_unit_test(test_errors_without_a_log),  cmocka_unit_test(test_long_and_many_lines),
        cmocka_unit_test(test_every_code_has_a_name), cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
