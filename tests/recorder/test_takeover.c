/* The answer of a recorder that is replaced. Expected: what was written is read again, and nothing
 * else is taken for an answer. The recorder is a control socket of this program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "recorder/control.h"
#include "recorder/takeover.h"
#include "tests/testing/files.h"

static const takeover_slot SLOTS[] = {
    {.feed = "v5-linear", .line = 0, .shard = 0, .conn = 7},
    {.feed = "v5-linear", .line = 1, .shard = 0, .conn = 4294967295u, .is_idle = 1},
    {.feed = "v5-linear", .line = 0, .shard = 1, .conn = 2, .is_idle = 1},
    {.feed = "v5-linear", .line = 1, .shard = 1, .conn = 1},
    {.feed = "spot-v1", .line = 0, .shard = 0},
};

static void answer(void *user, const char *request, td_buf *out)
{
    assert_string_equal(request, TAKEOVER_PREPARE " text");
    td_buf_add(out, user, strlen(user));
}

/* Ask a recorder that answers with this text. */
static td_result ask(const char *text, takeover *out, td_err *err)
{
    char folder[TEMP_FOLDER_BYTES];
    temp_folder_make(TEMP_ON_DISK, folder);
    control *recorder = NULL;
    const control_options options = {.folder = folder, .answer = answer, .user = (void *)text};
    assert_int_equal(control_open(&options, &recorder, err), TD_OK);
    td_result rc = takeover_ask(folder, out, err);
    control_close(recorder);
    temp_folder_remove(folder);
    return rc;
}

static void slots_are_read_as_they_were_written(void **state)
{
    (void)state;
    td_err err;
    takeover from = {.session = "3f2a9c01", .start_ns = 1795756544865000000};
    takeover to;
    td_buf text;
    td_buf_init(&text, CONTROL_ANSWER_BYTES);
    td_buf_add(&text, "0\n", 2);
    for (size_t i = 0; i < sizeof SLOTS / sizeof *SLOTS; i++)
        takeover_add(&from, &SLOTS[i]);
    assert_int_equal(takeover_write(&from, &text, &err), TD_OK);
    td_buf_add(&text, "", 1);
    assert_int_equal(ask((const char *)text.data, &to, &err), TD_OK);
    assert_string_equal(to.session, from.session);
    assert_int_equal(to.start_ns, from.start_ns);
    assert_int_equal(to.slot_count, from.slot_count);
    for (size_t i = 0; i < to.slot_count; i++) {
        assert_string_equal(to.slots[i].feed, SLOTS[i].feed);
        assert_int_equal(to.slots[i].line, SLOTS[i].line);
        assert_int_equal(to.slots[i].shard, SLOTS[i].shard);
        assert_int_equal(to.slots[i].conn, SLOTS[i].conn);
        assert_int_equal(to.slots[i].is_idle, SLOTS[i].is_idle);
    }
    assert_int_equal(takeover_shard_count(&to, "v5-linear"), 2);
    assert_int_equal(takeover_shard_count(&to, "v5"), 0);
    assert_int_equal(takeover_free_line(&to, "v5-linear", 0, 2), 1);
    assert_int_equal(takeover_free_line(&to, "v5-linear", 1, 2), 0);
    assert_int_equal(takeover_free_line(&to, "spot-v1", 0, 1), 1); /* none */
    assert_int_equal(takeover_free_line(&to, "spot-v1", 0, 2), 1); /* a line that it has not */
    takeover_fini(&from);
    takeover_fini(&to);
    td_buf_fini(&text);
}

static void nothing_else_is_an_answer(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        td_result rc;
        const char *why;
    } CASES[] = {
        {"4\nno line is free\n\n", TD_E_BUSY,
         "the running recorder cannot be replaced now: no line is free"},
        {"4\nthe recorder has no command 'prepare-replace'\nits version may be older\n", TD_E_BUSY,
         "the running recorder cannot be replaced now: the recorder has no command "
         "'prepare-replace'"},
        {"0\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c01 17\n", TD_E_IO, "cannot be read"}, /* no slot */
        {"0\nsession 3f2a9c0111 17\nslot a 0 0 1 0\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c01\nslot a 0 0 1 0\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c01 17\nslot a 0 0 1\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c01 17\nslot a 6 0 1 0\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c01 17\nslot a 0 256 1 0\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c01 17\nslot a 0 0 4294967296 0\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c01 17\nslot a 0 0 1 0\nmore\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c01 17\nslot "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
         "0 "
         "0 1 0\n",
         TD_E_IO, "cannot be read"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        td_err err;
        takeover to;
        assert_int_equal(ask(CASES[i].text, &to, &err), CASES[i].rc);
        assert_non_null(strstr(err.text, CASES[i].why));
        takeover_fini(&to);
    }
}

static void without_a_recorder_there_is_none(void **state)
{
    (void)state;
    td_err err;
    takeover to;
    char folder[TEMP_FOLDER_BYTES];
    temp_folder_make(TEMP_ON_DISK, folder);
    assert_int_equal(takeover_ask(folder, &to, &err), TD_E_NOTFOUND);
    takeover_fini(&to);
    temp_folder_remove(folder);
    assert_int_equal(takeover_ask(folder, &to, &err), TD_E_NOTFOUND);
    takeover_fini(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_read_as_they_were_written),
        cmocka_unit_test(nothing_else_is_an_answer),
        cmocka_unit_test(without_a_recorder_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
