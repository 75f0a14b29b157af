#include "tests/testing/prune_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "base/limits.h"

static char removed[PRUNE_TEXT_BYTES]; /* "why feed number\n" for each segment, in order */

static void note_removal(void *user, const segment_index *going, prune_reason reason)
{
    (void)user;
    segment_name name;
    size_t size = strlen(removed);
    assert_true(segment_name_parse(strrchr(going->path, '/') + 1, &name));
    (void)snprintf(removed + size, sizeof removed - size, "%s %s %u\n", prune_reason_name(reason),
                   going->feed, name.number);
}

td_result prune_try(archive_env *env, prune_options options, prune_report *report, td_err *err)
{
    archive *a = NULL;
    archive_mode mode = options.is_dry_run ? ARCHIVE_READ : ARCHIVE_MAINTAIN;
    removed[0] = '\0';
    options.removing = note_removal;
    td_result rc = archive_env_try_open(env, mode, "prune", &a, err);
    if (rc == TD_OK)
        rc = archive_prune(a, &options, report, err);
    archive_close(a);
    return rc;
}

prune_report prune(archive_env *env, prune_options options)
{
    prune_report report;
    td_err err;
    if (prune_try(env, options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    return report;
}

const char *prune_removed(void)
{
    return removed;
}

prune_options older_than_frame(uint64_t i)
{
    return (prune_options){.is_all = 1, .before_ns = AT(i), .keep_bytes = UINT64_MAX};
}

static void keep_finding(void *user, const verify_finding *finding)
{
    prune_found *f = user;
    size_t size = strlen(f->text);
    (void)snprintf(f->text + size, sizeof f->text - size, "%s %s %s\n",
                   verify_severity_name(finding->severity), finding->segment, finding->what);
}

const prune_found *prune_verify(archive_env *env)
{
    static prune_found f;
    const verify_options options = {
        .time = TIME_SPAN_ALL, .threads = 1, .finding = keep_finding, .user = &f};
    f.text[0] = '\0';
    f.verdict = archive_fixture_verify(env, &options).verdict;
    return &f;
}

/* Drop the lines of segments without a file. In a sound archive, those were moved to a store. */
static void drop_absent(archive_env *env, char *dump)
{
    td_io io = env->disk == NULL ? io_posix() : io_fault_io(env->disk);
    char *to = dump;
    for (char *line = dump, *next; *line != '\0'; line = next) {
        char path[LIMIT_PATH_BYTES];
        uint64_t bytes = 0;
        next = strchr(line, '\n') + 1;
        const size_t size = (size_t)(next - line);
        (void)snprintf(path, sizeof path, "%s/%.*s", env->path, (int)strcspn(line, "\t"), line);
        if (td_io_size_at(io, path, &bytes, NULL) != TD_OK)
            continue;
        memmove(to, line, size);
        to += size;
    }
    *to = '\0';
}

void prune_check_sound(archive_env *env)
{
    const prune_found *f = prune_verify(env);
    if (f->verdict != VERIFY_SOUND || f->text[0] != '\0')
        fail_msg("%s", f->text);
    char *kept = archive_fixture_dump(env);
    char *made = archive_fixture_dump_rebuilt(env);
    drop_absent(env, kept);
    assert_string_equal(kept, made);
    td_free(kept);
    td_free(made);
}
