/* Documents of families in segments: which one is used, and what is reported about those that
 * cannot be. Each case has a family of its own, because families stay known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "archive/archive.h"
#include "format/segment_writer.h"
#include "schema/family.h"
#include "tape/kept_families.h"
#include "tests/testing/clock_sim.h"
#include "tests/testing/io_fault.h"
#include "tests/testing/segment_fixture.h"

enum { TEXT_BYTES = 1024, LOG_BYTES = 4096, FILES_MAX = 2, ARCHIVES_MAX = 100 };

/* A segment's beginning. */
typedef struct kept_file {
    const char *title;  /* of the family's topic; NULL: no such file; "": no documents */
    uint64_t start_ns;  /* of the session */
    const char *line;   /* at the end of the document */
    uint8_t is_damaged; /* 1: the hash is another one */
} kept_file;

typedef struct kept_case {
    const char *family;
    const char *document_of; /* the family that the document names; NULL: the same */
    kept_file files[FILES_MAX];
    const char *title;     /* of the topic that is known then; NULL: the family is not known */
    const char *logged[3]; /* parts of the only line of the log; none: nothing is logged */
} kept_case;

static const kept_case CASES[] = {
    {"sound", NULL, {{"One", 1, "", 0}}, "One", {NULL}},
    {"absent", NULL, {{"", 1, "", 0}}, NULL, {NULL}},
    {"same", NULL, {{"One", 1, "", 0}, {"One", 2, "", 0}}, "One", {NULL}},
    {"later",
     NULL,
     {{"One", 1, "", 0}, {"Two", 2, "", 0}},
     "Two",
     {"b.mcap.open, the newest ones; a.mcap.open has others"}},
    {"earlier",
     NULL,
     {{"One", 2, "", 0}, {"Two", 1, "", 0}},
     "One",
     {"a.mcap.open, the newest ones; b.mcap.open has others"}},
    {"partly", NULL, {{"One", 1, "", 0}, {"", 2, "", 0}}, "One", {NULL}},
    {"newer",
     NULL,
     {{"One", 1, "wheels: 4", 0}},
     NULL,
     {"a.mcap.open: the documents of family 'newer'", "own.yaml:15: a family has no key 'wheels'",
      "--families FILE"}},
    /* Earlier versions ignored keys beside `use`. */
    {"ignored", NULL, {{"One", 1, "  - use: deep\n    titel: Deep", 0}}, "One", {NULL}},
    {"bytes",
     NULL,
     {{"One", 1, "\x01\xff[", 0}},
     NULL,
     {"a.mcap.open", "own.yaml", "--families FILE"}},
    {"damaged",
     NULL,
     {{"One", 1, "", 1}},
     NULL,
     {"a.mcap.open", "the text is damaged", "--families FILE"}},
    {"other",
     "another",
     {{"One", 1, "", 0}},
     NULL,
     {"own.yaml: it is of a family 'another'", "--families FILE"}},
    {"taken", "linear", {{"One", 1, "", 0}}, NULL, {"own.yaml: it is of a family 'linear'"}},
};

/* ---- writing ---- */

static const char SHARED[] = "sets:\n  level:\n    - 0 price decimal price required\n"
                             "    - 1 size decimal quantity required\n"
                             "topics:\n  deep:\n    topic: \"deep.{symbol}\"\n"
                             "    message: book_change\n    title: Deep\n    fields: level\n"
                             "    entries: [b set any positional buy, a set any positional sell]\n";

static void write_document(const kept_case *of, const kept_file *file, char text[TEXT_BYTES])
{
    int size =
        snprintf(text, TEXT_BYTES,
                 "family: %s\nexchange: bybit\ndialect: v5\nuse: [shared]\ntopics:\n"
                 "  - topic: \"book.{symbol}\"\n    message: book_change\n    title: %s\n"
                 "    fields: level\n    entries:\n"
                 "      - b set any positional buy\n      - a set any positional sell\n"
                 "    rules: []\n# the end\n%s\n",
                 of->document_of == NULL ? of->family : of->document_of, file->title, file->line);
    assert_true(size > 0 && size < TEXT_BYTES);
}

static void write_file(io_fault *disk, const char *path, const kept_case *of, const kept_file *file)
{
    char text[TEXT_BYTES];
    document_set documents = {.count = 0};
    segment_writer *writer;
    segment_session session = fixture_session(&(fixture_spec){.path = path});
    session.family = session.feed = of->family;
    session.start_ns = file->start_ns;
    write_document(of, file, text);
    assert_int_equal(document_set_add(&documents, td_bytes_str("own"), td_bytes_str(text), NULL),
                     TD_OK);
    assert_int_equal(
        document_set_add(&documents, td_bytes_str("shared"), td_bytes_str(SHARED), NULL), TD_OK);
    document_set_seal(&documents);
    if (file->is_damaged)
        documents.hash[0] ^= 1;
    if (file->title[0] != '\0')
        session.documents = &documents;
    assert_int_equal(segment_writer_open(io_fault_io(disk), path, &session, &writer, NULL), TD_OK);
    segment_writer_close(writer);
}

/* ---- reading ---- */

typedef struct log_lines {
    char text[LOG_BYTES];
    size_t count;
} log_lines;

static void note_line(void *ctx, td_log_level level, const char *line)
{
    log_lines *lines = ctx;
    if (level > TD_LOG_WARNING)
        return;
    lines->count++;
    (void)snprintf(lines->text, sizeof lines->text, "%s", line);
}

/* Ask the files, as archives, for their families. */
static void add_kept(io_fault *disk, const char *const *paths, size_t count, log_lines *lines)
{
    archive *archives[ARCHIVES_MAX];
    const td_log log = {note_line, lines, TD_LOG_WARNING};
    clock_sim *clock = clock_sim_open(FIXTURE_START_NS, 1);
    const archive_options options = {.io = io_fault_io(disk), .clock = clock_sim_clock(clock)};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(archive_open(&options, paths[i], ARCHIVE_READ, &archives[i], NULL), TD_OK);
    kept_families_add(archives, count, &log);
    for (size_t i = 0; i < count; i++)
        archive_close(archives[i]);
    clock_sim_close(clock);
}

static void check_case(const kept_case *of)
{
    static const char *const NAMES[FILES_MAX] = {"a.mcap", "b.mcap"};
    static const char *const PATHS[FILES_MAX] = {"a.mcap.open", "b.mcap.open"};
    io_fault *disk = io_fault_open();
    log_lines lines = {.count = 0};
    size_t count = 0;
    for (; count < FILES_MAX && of->files[count].title != NULL; count++)
        write_file(disk, NAMES[count], of, &of->files[count]);
    add_kept(disk, PATHS, count, &lines);
    const family *found = family_find(td_bytes_str(of->family));
    if ((found == NULL) != (of->title == NULL))
        fail_msg("%s: it is %sknown; the log is '%s'", of->family, found == NULL ? "not " : "",
                 lines.text);
    if (found != NULL)
        assert_string_equal(found->topics[0].title, of->title);
    if (lines.count != (of->logged[0] != NULL))
        fail_msg("%s: %zu lines are logged: '%s'", of->family, lines.count, lines.text);
    for (size_t i = 0; i < 3 && of->logged[i] != NULL; i++)
        if (strstr(lines.text, of->logged[i]) == NULL)
            fail_msg("%s: the log is '%s'", of->family, lines.text);
    io_fault_close(disk);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_case(&CASES[i]);
}

/* A family of the programs, and one that was added before, stay as they are. */
static void test_known(void **state)
{
    static const kept_case OWN = {.family = "linear", .files = {{"Other", 9, "", 0}}};
    static const kept_case ADDED = {.family = "sound", .files = {{"Other", 9, "", 0}}};
    static const kept_case *const CASES_KNOWN[] = {&OWN, &ADDED};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const kept_case *of = CASES_KNOWN[i];
        const family *before = family_find(td_bytes_str(of->family));
        io_fault *disk = io_fault_open();
        log_lines lines = {.count = 0};
        write_file(disk, "a.mcap", of, &of->files[0]);
        add_kept(disk, &(const char *){"a.mcap.open"}, 1, &lines);
        assert_non_null(before);
        assert_ptr_equal(family_find(td_bytes_str(of->family)), before);
        assert_int_equal(lines.count, 0);
        io_fault_close(disk);
    }
}

/* A segment has room for names of less than 64 bytes. */
static void test_long_name(void **state)
{
    static const kept_case LONG = {
        .family = "a-name-of-more-bytes-than-there-is-room-for-in-the-session-of-a-segment"};
    static const kept_file FILE_OF = {"One", 1, "", 0};
    char text[TEXT_BYTES];
    td_err err;
    (void)state;
    write_document(&LONG, &FILE_OF, text);
    const family_text documents[] = {{"own", (const uint8_t *)text, strlen(text)},
                                     {"shared", (const uint8_t *)SHARED, sizeof SHARED - 1}};
    assert_int_equal(family_add(documents, 2, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "the name of a family has 1 to 63 bytes"));
}

/* More families than can be added: one warning reports them, and the others are as before. */
static void test_limit(void **state)
{
    enum { MOST = FAMILIES_ADDED_MAX + 10 };
    static char names[MOST][16], files[MOST][16];
    const char *paths[MOST];
    io_fault *disk = io_fault_open();
    log_lines lines = {.count = 0};
    (void)state;
    for (size_t i = 0; i < MOST; i++) {
        (void)snprintf(names[i], sizeof names[i], "many-%zu", i);
        (void)snprintf(files[i], sizeof files[i], "%zu.mcap.open", i);
        const kept_case of = {.family = names[i], .files = {{"One", 1, "", 0}}};
        char final[16];
        (void)snprintf(final, sizeof final, "%zu.mcap", i);
        write_file(disk, final, &of, &of.files[0]);
        paths[i] = files[i];
    }
    add_kept(disk, paths, MOST, &lines);
    assert_non_null(strstr(lines.text, "more than 64 families"));
    assert_non_null(family_find(td_bytes_str("many-0")));
    assert_null(family_find(td_bytes_str(names[MOST - 1])));
    io_fault_close(disk);
}

/* What is kept again is what was read: a cut of an archive has the same documents. */
static void test_documents(void **state)
{
    (void)state;
    const document_set *kept = family_documents(family_find(td_bytes_str("sound")));
    document_set again;
    assert_non_null(kept);
    assert_int_equal(kept->count, 2);
    assert_true(td_bytes_is(kept->at[0].name, "own"));
    assert_true(td_bytes_is(kept->at[1].text, SHARED));
    again = *kept;
    document_set_seal(&again);
    assert_string_equal(again.hash, kept->hash);
    again.at[1].text.size--;
    document_set_seal(&again);
    assert_string_not_equal(again.hash, kept->hash);
    assert_null(family_documents(family_find(td_bytes_str("linear"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_known),
                                       cmocka_unit_test(test_documents),
                                       cmocka_unit_test(test_long_name),
                                       cmocka_unit_test(test_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
