/* The contract in base/io.h: what holds for both tables is tested with both, the real one in its
 * own folder; the rest with the real one only, because the simulated disk lacks such files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io_posix.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"

static td_io io;
static io_fault *disk; /* NULL with the real table */

static int enter_folder(void **state)
{
    static char path[TEMP_FOLDER_BYTES];
    temp_folder_make(TEMP_ON_DISK, path);
    *state = path;
    io = io_posix();
    return chdir(path);
}

static int leave_folder(void **state)
{
    temp_folder_remove(*state);
    return chdir("/");
}

static int open_disk(void **state)
{
    (void)state;
    disk = io_fault_open();
    io = io_fault_io(disk);
    return 0;
}

static int close_disk(void **state)
{
    (void)state;
    assert_int_equal(io_fault_open_count(disk), 0);
    io_fault_close(disk);
    disk = NULL;
    return 0;
}

static td_file *make_file(const char *path, const char *content)
{
    td_file *file = NULL;
    assert_int_equal(td_io_open(io, path, TD_OPEN_CREATE, &file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, content, strlen(content), NULL), TD_OK);
    return file;
}

static void test_write_and_read(void **state)
{
    (void)state;
    td_err err = {0};
    td_file *file = make_file("a", "hello ");
    assert_int_equal(td_io_append(file, "world", 5, &err), TD_OK);
    assert_int_equal(td_io_sync(file, &err), TD_OK);
    uint64_t size = 0;
    assert_int_equal(td_io_size(file, &size, &err), TD_OK);
    assert_int_equal(size, 11);
    char buf[32] = "";
    size_t got = 0;
    assert_int_equal(td_io_read_at(file, 6, buf, sizeof buf, &got, &err), TD_OK);
    assert_int_equal(got, 5);
    assert_memory_equal(buf, "world", 5);
    assert_int_equal(td_io_read_at(file, 99, buf, sizeof buf, &got, &err), TD_OK);
    assert_int_equal(got, 0);
    if (disk == NULL)
        assert_int_equal(td_io_read_at(file, UINT64_MAX, buf, 1, &got, &err), TD_E_INVALID);
    assert_int_equal(td_io_read_exact(file, 6, buf, 6, &err), TD_E_TRUNCATED);
    assert_int_equal(td_io_truncate(file, 5, &err), TD_OK);
    assert_int_equal(td_io_append(file, "!", 1, &err), TD_OK); /* at the new end */
    td_io_close(file);

    assert_int_equal(td_io_open(io, "a", TD_OPEN_APPEND, &file, &err), TD_OK);
    assert_int_equal(td_io_append(file, "?", 1, &err), TD_OK);
    assert_int_equal(td_io_append(file, NULL, 0, &err), TD_OK);
    assert_int_equal(td_io_read_exact(file, 0, buf, 7, &err), TD_OK);
    assert_memory_equal(buf, "hello!?", 7);
    /* Rewritten in place; the next append still goes to the end. */
    assert_int_equal(td_io_rewrite(file, 2, 3, &err), TD_OK);
    assert_int_equal(td_io_append(file, "+", 1, &err), TD_OK);
    assert_int_equal(td_io_read_at(file, 0, buf, sizeof buf, &got, &err), TD_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(buf, "hello!?+", 8);
    assert_int_equal(td_io_rewrite(file, 7, 2, &err), TD_E_TRUNCATED);
    td_io_close(file);

    assert_int_equal(td_io_open(io, "a", TD_OPEN_READ, &file, &err), TD_OK);
    assert_int_equal(td_io_append(file, "?", 1, &err), TD_E_IO);
    assert_int_not_equal(err.os_errno, 0);
    td_io_close(file);
    td_io_close(NULL);
}

static void test_read_file(void **state)
{
    (void)state;
    td_err err = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    td_io_close(make_file("a", "hello"));
    td_io_close(make_file("empty", ""));
    assert_int_equal(td_io_read_file(io, "a", 5, &bytes, &size, &err), TD_OK);
    assert_int_equal(size, 5);
    assert_memory_equal(bytes, "hello", 6); /* with a NUL */
    td_free(bytes);
    assert_int_equal(td_io_read_file(io, "empty", 0, &bytes, &size, &err), TD_OK);
    assert_int_equal(size, 0);
    assert_int_equal(bytes[0], '\0');
    td_free(bytes);
    assert_int_equal(td_io_read_file(io, "a", 4, &bytes, &size, &err), TD_E_LIMIT);
    assert_string_equal(err.text, "5 bytes: at most 4 are read");
    assert_null(bytes);
    assert_int_equal(td_io_read_file(io, "missing", 4, &bytes, &size, &err), TD_E_NOTFOUND);
    assert_null(bytes);
}

static void test_open_refusals(void **state)
{
    (void)state;
    td_io_close(make_file("a", "x"));
    assert_int_equal(mkdir("dir", 0755), 0);
    assert_int_equal(mkfifo("fifo", 0644), 0);
    static const struct {
        const char *path;
        td_open_mode mode;
        td_result rc;
        const char *text;
    } ROWS[] = {
        {"none", TD_OPEN_READ, TD_E_NOTFOUND, "cannot open 'none': No such file"},
        {"none", TD_OPEN_APPEND, TD_E_NOTFOUND, "cannot open 'none': No such file"},
        {"a/b", TD_OPEN_READ, TD_E_NOTFOUND, "cannot open 'a/b': Not a directory"},
        {"none/b", TD_OPEN_CREATE, TD_E_NOTFOUND, "cannot create 'none/b': No such file"},
        {"a", TD_OPEN_CREATE, TD_E_INVALID, "cannot create 'a': it exists already"},
        {"dir", TD_OPEN_READ, TD_E_UNSUPPORTED, "cannot open 'dir': not a regular file"},
        {"fifo", TD_OPEN_READ, TD_E_UNSUPPORTED, "cannot open 'fifo': not a regular file"},
        {"/dev/null", TD_OPEN_READ, TD_E_UNSUPPORTED,
         "cannot open '/dev/null': not a regular file"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_file *file = NULL;
        td_err err = {0};
        assert_int_equal(td_io_open(io, ROWS[i].path, ROWS[i].mode, &file, &err), ROWS[i].rc);
        assert_null(file);
        if (strstr(err.text, ROWS[i].text) != err.text)
            fail_msg("'%s', expected '%s…'", err.text, ROWS[i].text);
        if (ROWS[i].mode != TD_OPEN_READ)
            continue;
        uint64_t size = 0;
        td_err unopened = {0};
        assert_int_equal(td_io_size_at(io, ROWS[i].path, &size, &unopened), ROWS[i].rc);
        assert_string_equal(unopened.text, err.text);
    }
}

static void test_size_without_opening(void **state)
{
    (void)state;
    uint64_t size = 0;
    td_err err = {0};
    td_io_close(make_file("a", "hello"));
    assert_int_equal(symlink("a", "link"), 0);
    assert_int_equal(td_io_size_at(io, "a", &size, &err), TD_OK);
    assert_int_equal(size, 5);
    size = 0;
    assert_int_equal(td_io_size_at(io, "link", &size, &err), TD_OK);
    assert_int_equal(size, 5);
    /* A file that cannot be opened: no permission to read it. */
    assert_int_equal(chmod("a", 0), 0);
    uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(65534), 0);
    td_result rc = td_io_size_at(io, "a", &size, &err);
    td_file *file = NULL;
    td_err opened = {0};
    td_result open_rc = td_io_open(io, "a", TD_OPEN_READ, &file, &opened);
    if (user == 0)
        assert_int_equal(seteuid(user), 0);
    assert_int_equal(rc, TD_E_IO);
    assert_int_equal(open_rc, TD_E_IO);
    assert_string_equal(err.text, opened.text);
}

static td_result note_entry(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    static const char KINDS[] = {
        [TD_ENTRY_FILE] = 'f', [TD_ENTRY_DIR] = 'd', [TD_ENTRY_OTHER] = 'o'};
    if (strcmp(name, "stop") == 0)
        return td_err_set(err, TD_E_LIMIT, "stopped");
    return td_buf_printf(user, err, "%s:%c ", name, KINDS[kind]);
}

static void assert_content(const char *path, const char *want)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    td_result rc = td_io_read_file(io, path, 100, &bytes, &size, NULL);
    assert_int_equal(rc, want == NULL ? TD_E_NOTFOUND : TD_OK);
    if (want != NULL)
        assert_string_equal((char *)bytes, want);
    td_free(bytes);
}

static void test_names(void **state)
{
    (void)state;
    td_err err = {0};
    assert_int_equal(io.ops->mkdir(io.ctx, "d", &err), TD_OK);
    assert_int_equal(io.ops->mkdir(io.ctx, "d", &err), TD_OK);
    assert_int_equal(io.ops->mkdir(io.ctx, "x/y", &err), TD_E_NOTFOUND);
    assert_int_equal(td_io_mkdir_all(io, "x/y//z/", &err), TD_OK);
    assert_int_equal(td_io_mkdir_all(io, "x/y/z", &err), TD_OK);
    assert_int_equal(td_io_mkdir_all(io, "", &err), TD_E_LIMIT);
    assert_int_equal(td_io_mkdir_below(io, "x", "y/h//i", &err), TD_OK);
    assert_int_equal(td_io_mkdir_below(io, "x", "y/h/i", &err), TD_OK);
    assert_int_equal(td_io_mkdir_below(io, "none", "f", &err), TD_E_NOTFOUND);
    td_io_close(make_file("x/b", "b"));
    td_io_close(make_file("x/Z", "Z"));
    td_io_close(make_file("x/a", "a"));
    td_buf names;
    td_buf_init(&names, 100);
    assert_int_equal(td_io_list(io, "x", note_entry, &names, &err), TD_OK);
    assert_true(td_bytes_is(td_buf_view(&names), "Z:f a:f b:f y:d "));
    td_buf_fini(&names);
    assert_int_equal(td_io_list(io, "none", note_entry, &names, &err), TD_E_NOTFOUND);
    td_io_close(make_file("stop", ""));
    assert_int_equal(td_io_list(io, ".", note_entry, &names, &err), TD_E_LIMIT);
    td_buf_fini(&names);

    assert_int_equal(td_io_rename(io, "x/a", "x/b", &err), TD_OK);
    assert_content("x/b", "a");
    assert_content("x/a", NULL);
    assert_int_equal(td_io_rename(io, "x/b", "x/y/z/c", &err), TD_OK);
    assert_content("x/y/z/c", "a");
    assert_int_equal(td_io_rename(io, "x/none", "x/c", &err), TD_E_NOTFOUND);
    assert_int_equal(td_io_rename(io, "x/Z", "none/c", &err), TD_E_NOTFOUND);
    assert_int_equal(td_io_rename(io, "x/Z", "x/y", &err), TD_E_IO);
    assert_int_equal(io.ops->mkdir(io.ctx, "x/Z", &err), TD_E_IO);
    assert_int_equal(td_io_mkdir_all(io, "x/Z/q", &err), TD_E_IO);
    assert_int_equal(td_io_unlink(io, "x/Z", &err), TD_OK);
    assert_int_equal(td_io_unlink(io, "x/Z", &err), TD_E_NOTFOUND);
    assert_int_equal(td_io_unlink(io, "x/y", &err), TD_E_IO);
    assert_int_equal(td_io_sync_dir(io, "x/y/h/i", &err), TD_OK);
    assert_int_equal(td_io_sync_dir(io, "none", &err), TD_E_NOTFOUND);
    td_space space = {0};
    assert_int_equal(td_io_space(io, ".", &space, &err), TD_OK);
    assert_true(space.total_bytes > 0 && space.free_bytes <= space.total_bytes);
    assert_int_equal(td_io_space(io, "none", &space, &err), TD_E_NOTFOUND);
}

static void test_list(void **state)
{
    (void)state;
    td_err err = {0};
    td_buf names;
    td_buf_init(&names, 1000);
    assert_int_equal(mkdir("l", 0755), 0);
    assert_int_equal(td_io_list(io, "l", note_entry, &names, &err), TD_OK);
    assert_int_equal(names.size, 0);
    static const char *const FILES[] = {"l/b",        "l/a",  "l/Z", "l/a.open",
                                        "l/\xc3\xa4", "l/10", "l/9"};
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++)
        td_io_close(make_file(FILES[i], ""));
    assert_int_equal(mkdir("l/dir", 0755), 0);
    assert_int_equal(mkfifo("l/fifo", 0644), 0);
    assert_int_equal(symlink("dir", "l/link"), 0);
    assert_int_equal(symlink("nowhere", "l/dangling"), 0);
    assert_int_equal(td_io_list(io, "l", note_entry, &names, &err), TD_OK);
    /* Byte order: digits, upper case, lower case, then non-ASCII. */
    assert_true(td_bytes_is(td_buf_view(&names),
                            "10:f 9:f Z:f a:f a.open:f b:f dangling:o dir:d fifo:o link:d "
                            "\xc3\xa4:f "));
    assert_int_equal(td_io_list(io, "l/a", note_entry, &names, &err), TD_E_NOTFOUND);
    td_buf_fini(&names);
}

static void test_lock(void **state)
{
    (void)state;
    td_err err = {0};
    td_lock *lock = NULL;
    td_lock *second = NULL;
    assert_int_equal(td_io_lock(io, "lock", "pid 12, record, since noon", &lock, &err), TD_OK);
    /* A second lock by this process. */
    assert_int_equal(td_io_lock(io, "lock", "pid 13", &second, &err), TD_E_BUSY);
    assert_null(second);
    assert_string_equal(err.text, "'lock' is locked by pid 12, record, since noon");
    td_io_unlock(lock);
    assert_int_equal(td_io_lock(io, "lock", "pid 13", &second, &err), TD_OK);
    td_io_unlock(second);
    td_io_unlock(NULL);
    assert_int_equal(td_io_lock(io, "none/lock", "pid 9", &lock, &err), TD_E_NOTFOUND);
    assert_null(lock);
}

/* A killed process leaves no lock, but its line: the next holder replaces that. */
static void test_lock_of_a_killed_process(void **state)
{
    (void)state;
    int pipe_fd[2];
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t child = fork();
    if (child == 0) {
        td_lock *lock = NULL;
        td_result rc =
            td_io_lock(io, "lock", "pid 8, a much longer line of the child", &lock, NULL);
        char ok = rc == TD_OK ? 1 : 0;
        if (write(pipe_fd[1], &ok, 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    char ok = 0;
    assert_int_equal(read(pipe_fd[0], &ok, 1), 1);
    assert_int_equal(ok, 1);
    td_lock *lock = NULL;
    td_err err = {0};
    assert_int_equal(td_io_lock(io, "lock", "pid 7", &lock, &err), TD_E_BUSY);
    assert_non_null(strstr(err.text, "pid 8, a much longer line of the child"));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(td_io_lock(io, "lock", "pid 7", &lock, &err), TD_OK);
    td_lock *second = NULL;
    assert_int_equal(td_io_lock(io, "lock", "pid 9", &second, &err), TD_E_BUSY);
    assert_string_equal(err.text, "'lock' is locked by pid 7");
    td_io_unlock(lock);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}

/* The lock of an open file excludes other descriptors, of this process and others, until it is
 * released or closed, also after a rename; checking it takes only a descriptor for reading. */
static void test_lock_of_a_file(void **state)
{
    (void)state;
    td_err err = {0};
    td_lock_view view;
    td_file *second = NULL;
    td_file *reader = NULL;
    td_file *file = make_file("a.open", "text\nmore");
    assert_int_equal(td_io_lock_file(file, &err), TD_OK);
    assert_int_equal(td_io_lock_file(file, &err), TD_OK); /* the caller holds it already */
    assert_int_equal(td_io_open(io, "a.open", TD_OPEN_APPEND, &second, &err), TD_OK);
    assert_int_equal(td_io_lock_file(second, &err), TD_E_BUSY);
    assert_int_equal(td_io_check_lock(io, "a.open", &view, &err), TD_OK);
    assert_true(view.is_held);
    assert_string_equal(view.holder, "text");
    assert_int_equal(td_io_rename(io, "a.open", "a", &err), TD_OK);
    assert_int_equal(td_io_check_lock(io, "a.open", &view, &err), TD_OK);
    assert_false(view.is_held);
    assert_int_equal(td_io_check_lock(io, "a", &view, &err), TD_OK);
    assert_true(view.is_held);
    pid_t child = disk == NULL ? fork() : -1;
    if (child == 0) {
        td_file *own = NULL;
        td_result rc = td_io_open(io, "a", TD_OPEN_APPEND, &own, &err);
        _exit(rc == TD_OK && td_io_lock_file(own, &err) == TD_E_BUSY ? 0 : 1);
    }
    int status = 0;
    if (child > 0)
        assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    td_io_unlock_file(second); /* not held by this descriptor */
    assert_int_equal(td_io_lock_file(second, &err), TD_E_BUSY);
    td_io_unlock_file(file);
    assert_int_equal(td_io_lock_file(second, &err), TD_OK);
    assert_int_equal(td_io_lock_file(file, &err), TD_E_BUSY);
    td_io_close(second);
    assert_int_equal(td_io_lock_file(file, &err), TD_OK);
    td_io_close(file);
    assert_int_equal(td_io_check_lock(io, "a", &view, &err), TD_OK);
    assert_false(view.is_held);
    assert_int_equal(td_io_open(io, "a", TD_OPEN_READ, &reader, &err), TD_OK);
    assert_int_equal(td_io_lock_file(reader, &err), TD_E_IO);
    td_io_close(reader);
}

static td_name_state name_state(const char *path, td_file *file)
{
    td_name_state state = TD_NAME_GONE;
    assert_int_equal(td_io_check_name(io, path, file, &state, NULL), TD_OK);
    return state;
}

static void test_names_of_open_files(void **state)
{
    (void)state;
    td_file *file = make_file("a", "x");
    assert_int_equal(name_state("a", file), TD_NAME_SAME);
    assert_int_equal(name_state("none", file), TD_NAME_GONE);
    assert_int_equal(name_state("a/b", file), TD_NAME_GONE);
    assert_int_equal(name_state(".", file), TD_NAME_OTHER);
    assert_int_equal(td_io_rename(io, "a", "b", NULL), TD_OK);
    assert_int_equal(name_state("a", file), TD_NAME_GONE);
    if (disk == NULL) {
        assert_int_equal(symlink("b", "a"), 0);
        assert_int_equal(name_state("a", file), TD_NAME_OTHER);
    }
    assert_int_equal(td_io_unlink(io, "b", NULL), TD_OK);
    td_io_close(make_file("b", "x"));
    assert_int_equal(name_state("b", file), TD_NAME_OTHER);
    /* The file is usable as long as it is open. */
    char byte = 0;
    assert_int_equal(td_io_append(file, "y", 1, NULL), TD_OK);
    assert_int_equal(td_io_read_exact(file, 1, &byte, 1, NULL), TD_OK);
    assert_int_equal(byte, 'y');
    td_io_close(file);
}

/* A file with a lock's name is overwritten only if it is empty or has an earlier holder's line. */
static void test_locks_spare_other_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        td_result rc;
    } ROWS[] = {
        {"", 0, TD_OK},
        {"pid 1, record, since noon\n", 26, TD_OK},
        {"pid 1, rec", 10, TD_OK},      /* torn */
        {"\0\0\0\0\0\0\0\0", 8, TD_OK}, /* after a power cut */
        {"pid", 3, TD_E_UNSUPPORTED},
        {"secret\n", 7, TD_E_UNSUPPORTED},
        {"\0\0x", 3, TD_E_UNSUPPORTED},
    };
    char large[TD_HOLDER_BYTES];
    memset(large, '\0', sizeof large);
    for (size_t i = 0; i <= sizeof ROWS / sizeof ROWS[0]; i++) {
        int is_large = i == sizeof ROWS / sizeof ROWS[0];
        const char *text = is_large ? large : ROWS[i].text;
        size_t size = is_large ? sizeof large : ROWS[i].size;
        td_result want = is_large ? TD_E_UNSUPPORTED : ROWS[i].rc;
        td_lock *lock = NULL;
        td_err err = {0};
        FILE *made = fopen("lock", "w");
        assert_non_null(made);
        assert_int_equal(fwrite(text, 1, size, made), size);
        assert_int_equal(fclose(made), 0);
        assert_int_equal(td_io_lock(io, "lock", "pid 7", &lock, &err), want);
        td_io_unlock(lock);
        uint64_t after = 0;
        td_file *file = NULL;
        assert_int_equal(td_io_open(io, "lock", TD_OPEN_READ, &file, &err), TD_OK);
        assert_int_equal(td_io_size(file, &after, &err), TD_OK);
        td_io_close(file);
        assert_int_equal(after, want == TD_OK ? 0 : size);
        if (want != TD_OK)
            assert_string_not_equal(err.hint, "");
    }
}

static void test_nothing_is_written_through_links(void **state)
{
    (void)state;
    td_err err = {0};
    td_lock *lock = NULL;
    td_file *file = NULL;
    td_lock_view view;
    td_io_close(make_file("victim", ""));
    assert_int_equal(symlink("victim", "lock"), 0);
    assert_int_equal(symlink("none", "dangling"), 0);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(td_io_lock(io, "lock", "pid 7", &lock, &err), TD_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "symbolic link"));
    assert_int_equal(td_io_lock(io, "dangling", "pid 7", &lock, &err), TD_E_UNSUPPORTED);
    assert_int_equal(access("none", F_OK), -1);
    assert_int_equal(td_io_lock(io, "fifo", "pid 7", &lock, &err), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_check_lock(io, "lock", &view, &err), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_check_lock(io, "none", &view, &err), TD_OK);
    assert_false(view.is_held);
    assert_int_equal(td_io_open(io, "lock", TD_OPEN_APPEND, &file, &err), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_open(io, "lock", TD_OPEN_CREATE, &file, &err), TD_E_INVALID);
    assert_int_equal(td_io_open(io, "lock", TD_OPEN_READ, &file, &err), TD_OK);
    td_io_close(file);
}

/* Later processes look for the lock by its name. */
static void test_lock_that_lost_its_name(void **state)
{
    (void)state;
    td_lock *first = NULL;
    td_lock *second = NULL;
    td_name_state named = TD_NAME_GONE;
    assert_int_equal(td_io_lock(io, "lock", "pid 7", &first, NULL), TD_OK);
    assert_int_equal(td_io_lock_name(first, &named, NULL), TD_OK);
    assert_int_equal(named, TD_NAME_SAME);
    assert_int_equal(unlink("lock"), 0);
    assert_int_equal(td_io_lock_name(first, &named, NULL), TD_OK);
    assert_int_equal(named, TD_NAME_GONE);
    assert_int_equal(td_io_lock(io, "lock", "pid 8", &second, NULL), TD_OK);
    assert_int_equal(td_io_lock_name(first, &named, NULL), TD_OK);
    assert_int_equal(named, TD_NAME_OTHER);
    td_io_unlock(first);
    td_lock_view view;
    assert_int_equal(td_io_check_lock(io, "lock", &view, NULL), TD_OK);
    assert_true(view.is_held);
    assert_string_equal(view.holder, "pid 8");
    td_io_unlock(second);
}

static void test_no_descriptor_stays(void **state)
{
    (void)state;
    int before = dup(0);
    close(before);
    td_file *file = make_file("a", "x");
    assert_int_equal(fcntl(before, F_GETFD), FD_CLOEXEC);
    td_lock *lock = NULL;
    assert_int_equal(td_io_lock(io, "lock", "pid 7", &lock, NULL), TD_OK);
    td_lock *second = NULL;
    assert_int_equal(td_io_lock(io, "lock", "pid 7", &second, NULL), TD_E_BUSY);
    td_file *refused = NULL;
    assert_int_equal(td_io_open(io, ".", TD_OPEN_READ, &refused, NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_sync_dir(io, ".", NULL), TD_OK);
    td_io_unlock(lock);
    td_io_close(file);
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

static void test_absent_is_not_unreadable(void **state)
{
    (void)state;
    char long_name[400];
    td_err err;
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    td_io_close(make_file("there", "x"));
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(td_io_check_absent(io, "nowhere", &err), TD_OK);
    for (const char *const *name = (const char *const[]){"there", "folder", NULL}; *name != NULL;
         name++) {
        assert_int_equal(td_io_check_absent(io, *name, &err), TD_E_INVALID);
        assert_non_null(strstr(err.text, "exists already"));
    }
    assert_int_equal(td_io_check_absent(io, long_name, &err), TD_E_IO);
    assert_non_null(strstr(err.text, "File name too long"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)
#define ON_DISK(test)   cmocka_unit_test_setup_teardown(test, open_disk, close_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_absent_is_not_unreadable),
        IN_FOLDER(test_write_and_read),
        ON_DISK(test_write_and_read),
        IN_FOLDER(test_read_file),
        ON_DISK(test_read_file),
        IN_FOLDER(test_open_refusals),
        IN_FOLDER(test_size_without_opening),
        IN_FOLDER(test_names),
        ON_DISK(test_names),
        IN_FOLDER(test_list),
        IN_FOLDER(test_lock),
        ON_DISK(test_lock),
        IN_FOLDER(test_lock_of_a_killed_process),
        IN_FOLDER(test_lock_of_a_file),
        ON_DISK(test_lock_of_a_file),
        IN_FOLDER(test_names_of_open_files),
        ON_DISK(test_names_of_open_files),
        IN_FOLDER(test_locks_spare_other_files),
        IN_FOLDER(test_nothing_is_written_through_links),
        IN_FOLDER(test_lock_that_lost_its_name),
        IN_FOLDER(test_no_descriptor_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
