/* Any bytes as the document of a family. Besides not crashing: a refused document has an error that
 * names it, and an accepted one has only what its types allow. */
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/limits.h"
#include "schema/bybit/families.h"
#include "schema/family_file.h"
#include "tests/testing/fuzz_input.h"

static int find_text(void *user, td_bytes name, td_bytes *text)
{
    *text = *(const td_bytes *)user;
    return td_bytes_is(name, "fuzzed");
}

static void check_fields(const field_row *rows, size_t count, size_t most)
{
    TD_ASSERT(count <= most);
    for (size_t i = 0; i < count; i++) {
        TD_ASSERT(rows[i].key != NULL);
        TD_ASSERT(rows[i].member != MEMBER_NONE);
        TD_ASSERT(rows[i].type <= FIELD_JSON);
        TD_ASSERT(rows[i].scale_e10 <= 9);
    }
}

static void check_topic(const topic_row *row)
{
    TD_ASSERT(row->name != NULL);
    TD_ASSERT(row->pattern != NULL);
    TD_ASSERT(row->title != NULL);
    TD_ASSERT(row->items[0].path != NULL);
    TD_ASSERT(row->book_depth <= LIMIT_BOOK_LEVELS);
    check_fields(row->envelope, row->envelope_count, TOPIC_ENVELOPE_MAX);
    check_fields(row->fields, row->field_count, TOPIC_FIELDS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    td_bytes text = td_bytes_of(data, size);
    const family_texts texts = {.find = find_text, .user = &text};
    td_arena *memory = td_arena_open();
    family made;
    td_err err;
    td_err_clear(&err);
    if (family_file_read(&texts, "fuzzed", &BYBIT, memory, &made, &err) == TD_OK) {
        TD_ASSERT(made.name != NULL);
        TD_ASSERT(made.dialect != NULL);
        for (size_t i = 0; i < made.topic_count; i++)
            check_topic(&made.topics[i]);
    } else {
        TD_ASSERT(strstr(err.text, ".yaml") != NULL);
    }
    td_arena_close(memory);
    return 0;
}
