/* Lines written by a thread. Expected: the contract in base/cli/line_writer.h; the reader is a pipe
 * that the test may leave unread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cli/line_writer.h"

typedef struct fixture {
    int read_fd, write_fd;
    line_writer *writer;
    char *text; /* what was read */
    size_t size;
} fixture;

static size_t format_lost(void *user, uint64_t lines, char *out, size_t out_bytes)
{
    (void)user;
    return (size_t)snprintf(out, out_bytes, "lost %llu\n", (unsigned long long)lines);
}

static void open_fixture(fixture *f)
{
    int ends[2];
    memset(f, 0, sizeof *f);
    assert_int_equal(pipe(ends), 0);
    f->read_fd = ends[0];
    f->write_fd = ends[1];
    assert_int_equal(line_writer_open(f->write_fd, format_lost, NULL, &f->writer, NULL), TD_OK);
}

static void close_fixture(fixture *f)
{
    close(f->write_fd);
    if (f->read_fd >= 0)
        close(f->read_fd);
    free(f->text);
}

/* Fills the pipe, so that the writer blocks. */
static void fill_pipe(fixture *f)
{
    char dots[4096];
    memset(dots, '.', sizeof dots);
    assert_int_equal(fcntl(f->write_fd, F_SETFL, O_NONBLOCK), 0);
    while (write(f->write_fd, dots, sizeof dots) > 0) {
    }
    assert_int_equal(fcntl(f->write_fd, F_SETFL, 0), 0);
}

/* Reads what is available, without the dots. Waits for the first byte. */
static void read_some(fixture *f)
{
    char part[65536];
    ssize_t got = read(f->read_fd, part, sizeof part);
    assert_true(got > 0);
    f->text = realloc(f->text, f->size + (size_t)got + 1);
    assert_non_null(f->text);
    for (ssize_t i = 0; i < got; i++) {
        if (part[i] != '.')
            f->text[f->size++] = part[i];
    }
    f->text[f->size] = '\0';
}

static void read_until(fixture *f, const char *text)
{
    while (f->text == NULL || strstr(f->text, text) == NULL)
        read_some(f);
}

static void put(fixture *f, const char *word, int n)
{
    char line[64];
    int size = snprintf(line, sizeof line, "%s %08d\n", word, n);
    line_writer_put(f->writer, td_bytes_of(line, (size_t)size));
}

static void lines_come_in_order(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    for (int n = 0; n < 5000; n++) {
        put(&f, "line", n);
        if (n % 500 < 499)
            continue;
        /* The queue is small, so wait until everything was written. */
        char last[64];
        snprintf(last, sizeof last, "line %08d\n", n);
        read_until(&f, last);
    }
    char *at = f.text;
    for (int n = 0; n < 5000; n++) {
        char expected[64];
        int size = snprintf(expected, sizeof expected, "line %08d\n", n);
        assert_memory_equal(at, expected, (size_t)size);
        at += size;
    }
    assert_int_equal(line_writer_lost(f.writer), 0);
    assert_int_equal(line_writer_close(f.writer, NULL), TD_OK);
    close_fixture(&f);
}

static void *read_to_end(void *arg)
{
    fixture *f = arg;
    read_until(f, "end 00000000\n");
    return NULL;
}

/* A caller that puts a line never waits. Whole lines are dropped, from the first that does not fit
 * until the earlier ones are being written; a line with their number replaces them. */
static void lines_that_do_not_fit_are_dropped_whole_and_reported(void **state)
{
    (void)state;
    fixture f;
    pthread_t reader;
    open_fixture(&f);
    fill_pipe(&f);
    enum { LINE_BYTES = 14, PUT = 3 * LIMIT_OUTPUT_QUEUE_BYTES / LINE_BYTES };
    for (int n = 0; n < PUT; n++)
        put(&f, "line", n);
    uint64_t lost = line_writer_lost(f.writer);
    /* One queue is filled while another is being written. */
    assert_true(lost >= PUT - 2 * LIMIT_OUTPUT_QUEUE_BYTES / LINE_BYTES);
    assert_true(lost < PUT);
    /* Reads the rest: the kept lines, the number where lines are missing, and later lines. */
    assert_int_equal(pthread_create(&reader, NULL, read_to_end, &f), 0);
    while (!line_writer_is_idle(f.writer))
        sched_yield();
    put(&f, "end", 0);
    pthread_join(reader, NULL);
    assert_int_equal(line_writer_lost(f.writer), lost);
    uint64_t next = 0;
    uint64_t reported = 0;
    for (const char *at = f.text; strncmp(at, "end", 3) != 0; at = strchr(at, '\n') + 1) {
        if (strncmp(at, "lost ", 5) == 0)
            reported += strtoull(at + 5, NULL, 10);
        else
            assert_int_equal(strtoull(at + 5, NULL, 10), next++ + reported);
    }
    assert_int_equal(reported, lost);
    assert_int_equal(next + reported, PUT);
    assert_int_equal(line_writer_close(f.writer, NULL), TD_OK);
    close_fixture(&f);
}

static void a_reader_that_reads_nothing_is_given_up(void **state)
{
    (void)state;
    fixture f;
    td_err err;
    open_fixture(&f);
    fill_pipe(&f);
    for (int n = 0; n < 3; n++)
        put(&f, "line", n);
    uint64_t began_ns = clock_mono_ns(clock_real());
    assert_int_equal(line_writer_close(f.writer, &err), TD_E_IO);
    uint64_t took_ns = clock_mono_ns(clock_real()) - began_ns;
    assert_true(took_ns >= LIMIT_OUTPUT_END_NS);
    assert_string_equal(err.text,
                        "cannot write output: its reader has stopped; 3 lines were not written");
    /* The abandoned thread may still be writing, so its descriptor stays open. */
    close(f.read_fd);
    free(f.text);
}

static void a_reader_that_went_away_is_a_failure(void **state)
{
    (void)state;
    fixture f;
    td_err err;
    open_fixture(&f);
    close(f.read_fd);
    f.read_fd = -1;
    put(&f, "line", 1); /* no SIGPIPE */
    while (line_writer_failure(f.writer, &err) == TD_OK)
        sched_yield();
    assert_string_equal(err.text, "cannot write output: Broken pipe");
    put(&f, "line", 2);
    assert_int_equal(line_writer_lost(f.writer), 2);
    assert_true(line_writer_is_idle(f.writer));
    assert_int_equal(line_writer_close(f.writer, &err), TD_E_IO);
    close_fixture(&f);
}

static void *put_many(void *arg)
{
    for (int n = 0; n < 200; n++)
        put(arg, "line", n);
    return NULL;
}

static void several_threads_may_put(void **state)
{
    (void)state;
    fixture f;
    pthread_t threads[3];
    open_fixture(&f);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &f), 0);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(line_writer_lost(f.writer), 0); /* 600 lines fit */
    assert_int_equal(line_writer_close(f.writer, NULL), TD_OK);
    close(f.write_fd);
    f.write_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    while (f.size < (size_t)600 * 14)
        read_some(&f);
    for (size_t n = 0; n < 600; n++) {
        assert_memory_equal(f.text + n * 14, "line ", 5);
        assert_int_equal(f.text[n * 14 + 13], '\n');
    }
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_in_order),
        cmocka_unit_test(lines_that_do_not_fit_are_dropped_whole_and_reported),
        cmocka_unit_test(a_reader_that_reads_nothing_is_given_up),
        cmocka_unit_test(a_reader_that_went_away_is_a_failure),
        cmocka_unit_test(several_threads_may_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
