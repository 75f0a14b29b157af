/* A misspelt key is refused, wherever it is: each mapping of each document of the programs gets an
 * unknown key, which the reader of an exchange, a family or a simulator then names with its line.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/document.h"
#include "schema/exchange_file.h"
#include "schema/family_file.h"
#include "schema/family_texts.h"
#include "sim/catalog_file.h"

enum { FAMILIES_MAX = 64 };

static const char UNKNOWN[] = "unknown_key: 1";

/* Keys of mappings whose keys are names that documents give: any name is right. */
static const char *const NAMED[] = {"parts", "streams", "topics"};

/* A document with an unknown key. */
typedef struct changed {
    const family_text *of;
    td_buf text;
    size_t line;    /* of the key */
    uint64_t asked; /* by index: documents that were read */
    td_arena *memory;
} changed;

static int find_text(void *user, td_bytes name, td_bytes *out)
{
    changed *c = user;
    for (size_t i = 0; i < FAMILY_TEXT_COUNT; i++)
        if (td_bytes_is(name, FAMILY_TEXTS[i].name)) {
            c->asked |= UINT64_C(1) << i;
            *out = &FAMILY_TEXTS[i] == c->of
                       ? td_buf_view(&c->text)
                       : td_bytes_of(FAMILY_TEXTS[i].data, FAMILY_TEXTS[i].size);
            return 1;
        }
    return 0;
}

/* As family_texts.exchange. */
static td_result read_exchange(void *user, td_bytes name, const exchange_row **out, td_err *err)
{
    const changed *c = user;
    char file[64];
    td_bytes text = {0};
    exchange_row *made = td_arena_alloc(c->memory, sizeof *made);
    (void)snprintf(file, sizeof file, "%.*s.exchange", (int)name.size, (const char *)name.data);
    assert_true(find_text(user, td_bytes_str(file), &text));
    *out = made;
    return exchange_file_read(file, text, DOCUMENT_GIVEN, c->memory, made, err);
}

/* 1 for the families of accounts that the simulator does not have. */
static int is_without_simulator(const char *name)
{
    return (strstr(name, "-private") != NULL || strstr(name, "-api") != NULL) &&
           (strncmp(name, "binance-", 8) == 0 || strncmp(name, "kraken-", 7) == 0);
}

/* Read a family and its simulator. */
static td_result read_family(changed *c, const char *name, td_err *err)
{
    const family_texts texts = {.find = find_text, .exchange = read_exchange, .user = c};
    family of;
    catalog_row row;
    td_result rc = family_file_read(&texts, name, c->memory, &of, err);
    if (is_without_simulator(name))
        return rc; /* it has no simulator */
    return rc == TD_OK ? catalog_file_read(&texts, name, c->memory, &row, err) : rc;
}

/* By family: the documents that it is read from. */
static uint64_t documents_of[FAMILIES_MAX];

static void find_documents(void)
{
    for (size_t i = 0; FAMILY_NAMES[i] != NULL; i++) {
        changed none = {.memory = td_arena_open()};
        assert_true(i < FAMILIES_MAX);
        assert_int_equal(read_family(&none, FAMILY_NAMES[i], NULL), TD_OK);
        documents_of[i] = none.asked;
        td_arena_close(none.memory);
    }
}

/* Read the families of the changed document, until it is refused. */
static td_result read_changed(changed *c, td_err *err)
{
    const uint64_t own = UINT64_C(1) << (c->of - FAMILY_TEXTS);
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && FAMILY_NAMES[i] != NULL; i++)
        if ((documents_of[i] & own) != 0)
            rc = read_family(c, FAMILY_NAMES[i], err);
    return rc;
}

/* The offset of a mapping's first key in the document. */
static size_t offset_of(td_bytes text, document_node name)
{
    const td_bytes key = document_text(name);
    size_t at = 0;
    for (size_t line = 1; line < document_line(name); at++)
        line += text.data[at] == '\n';
    while (memcmp(text.data + at, key.data, key.size) != 0 || isalnum(text.data[at - 1]) ||
           strchr(":\"'", text.data[at + key.size]) == NULL)
        at++;
    return at - (strchr("\"'", text.data[at - 1]) != NULL);
}

/* Put the unknown key before a mapping's first one. */
static void change(changed *c, document_node mapping)
{
    const td_bytes text = td_bytes_of(c->of->data, c->of->size);
    const document_node first = document_key(mapping, 0);
    const size_t at = offset_of(text, first);
    size_t begin = at;
    while (begin > 0 && text.data[begin - 1] != '\n')
        begin--;
    c->line = document_line(first);
    td_buf_clear(&c->text);
    td_buf_add(&c->text, text.data, at);
    td_buf_add(&c->text, UNKNOWN, sizeof UNKNOWN - 1);
    if (at > begin && text.data[at - 1] == '{')
        td_buf_add(&c->text, ", ", 2);
    else
        td_buf_add(&c->text, "\n", 1);
    for (size_t i = begin; i < at && text.data[at - 1] != '{'; i++)
        td_buf_add(&c->text, " ", 1);
    td_buf_add(&c->text, text.data + at, text.size - at);
}

static void check_mapping(const family_text *of, document_node mapping)
{
    changed c = {.of = of, .memory = td_arena_open()};
    td_err err = {0};
    char place[128];
    td_buf_init(&c.text, 1 << 20);
    change(&c, mapping);
    (void)snprintf(place, sizeof place, "%s.yaml:%zu: ", of->name, c.line);
    if (read_changed(&c, &err) == TD_OK)
        fail_msg("%s an unknown key is accepted", place);
    if (strncmp(err.text, place, strlen(place)) != 0)
        fail_msg("%s the error is '%s'", place, err.text);
    td_buf_fini(&c.text);
    td_arena_close(c.memory);
}

/* Check a mapping and all in it. key: under which it is; "": a document, or an entry of a list. */
static size_t check_all(const family_text *of, document_node at, td_bytes key)
{
    size_t count = 0;
    int is_named = 0;
    for (size_t i = 0; i < sizeof NAMED / sizeof NAMED[0]; i++)
        is_named |= td_bytes_is(key, NAMED[i]) && strstr(of->name, ".exchange") == NULL;
    if (document_pair_count(at) > 0 && !is_named) {
        check_mapping(of, at);
        count++;
    }
    for (size_t i = 0; i < document_pair_count(at); i++)
        count += check_all(of, document_value(at, i), document_text(document_key(at, i)));
    for (size_t i = 0; i < document_size(at); i++)
        count += check_all(of, document_entry(at, i), td_bytes_str(""));
    return count;
}

static void test_shipped(void **state)
{
    (void)state;
    size_t count = 0;
    assert_true(FAMILY_TEXT_COUNT <= 64);
    find_documents();
    for (size_t i = 0; i < FAMILY_TEXT_COUNT; i++) {
        const family_text *of = &FAMILY_TEXTS[i];
        document read;
        assert_int_equal(document_open(&read, of->name, td_bytes_of(of->data, of->size),
                                       DOCUMENT_GIVEN, NULL, NULL),
                         TD_OK);
        count += check_all(of, document_root(&read), td_bytes_str(""));
        document_close(&read);
    }
    assert_true(count > 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shipped)};
    return cmocka_run_group_tests_name("sim/unknown_keys", tests, NULL, NULL);
}
