/* The answer of a recorder that is replaced. Expected: what was written is read again, and nothing
 * else is taken for an answer. The recorder is a control socket of this program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

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
        {"0\nsession ../../ab 17\nslot a 0 0 1 0\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3F2A9C01 17\nslot a 0 0 1 0\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c0 17\nslot a 0 0 1 0\n", TD_E_IO, "cannot be read"},
        {"0\nsession 3f2a9c01 9223372036854775808\nslot a 0 0 1 0\n", TD_E_IO, "cannot be read"},
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

/* Listen at a folder's name as another user, and answer each request. Ends when its socket closes.
 */
static pid_t start_stranger(const char *folder, int is_ready)
{
    struct stat found;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    assert_int_equal(stat(folder, &found), 0);
    int size = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "tapedeck-control-%jx-%jx",
                        (uintmax_t)found.st_dev, (uintmax_t)found.st_ino);
    pid_t child = fork();
    if (child != 0)
        return child;
    static const char ANSWER[] = "0\nsession 3f2a9c01 17\nslot a 0 0 1 0\n";
    char request[CONTROL_REQUEST_BYTES];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (setuid(65534) != 0 ||
        bind(fd, (struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size)) != 0 ||
        listen(fd, 1) != 0 || write(is_ready, "", 1) != 1)
        _exit(1);
    int client = accept(fd, NULL, NULL);
    ssize_t got = read(client, request, sizeof request); /* 0: the client has asked nothing */
    (void)!send(client, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL);
    _exit(got > 0 ? 2 : 0);
}

static void another_users_process_is_not_asked(void **state)
{
    (void)state;
    td_err err;
    takeover to;
    char folder[TEMP_FOLDER_BYTES];
    int ends[2];
    int status;
    char byte;
    if (geteuid() != 0)
        skip(); /* it needs a second user */
    temp_folder_make(TEMP_ON_DISK, folder);
    assert_int_equal(pipe(ends), 0);
    pid_t child = start_stranger(folder, ends[1]);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(takeover_ask(folder, &to, &err), TD_E_IO);
    assert_non_null(strstr(err.text, "belongs to another user (uid 65534)"));
    takeover_fini(&to);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(close(ends[0]), 0);
    temp_folder_remove(folder);
}

static void an_answer_has_no_bytes_for_a_terminal(void **state)
{
    (void)state;
    td_err err;
    char folder[TEMP_FOLDER_BYTES];
    control *recorder = NULL;
    td_buf answered;
    temp_folder_make(TEMP_ON_DISK, folder);
    td_buf_init(&answered, CONTROL_ANSWER_BYTES);
    const control_options options = {
        .folder = folder,
        .answer = answer,
        .user = (void *)"0\nred \x1b[31m\n\xff\rback \xe2\x82\xbf\n\nlast"};
    assert_int_equal(control_open(&options, &recorder, &err), TD_OK);
    assert_int_equal(control_ask(folder, TAKEOVER_PREPARE " text", TAKEOVER_NS, &answered, &err),
                     TD_OK);
    control_close(recorder);
    td_buf_add(&answered, "", 1);
    assert_string_equal((const char *)answered.data,
                        "0\nred \\x1b[31m\n\\xff\\x0dback \xe2\x82\xbf\n\nlast");
    td_buf_fini(&answered);
    temp_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_read_as_they_were_written),
        cmocka_unit_test(nothing_else_is_an_answer),
        cmocka_unit_test(without_a_recorder_there_is_none),
        cmocka_unit_test(another_users_process_is_not_asked),
        cmocka_unit_test(an_answer_has_no_bytes_for_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
