#include "book/state_io.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "schema/family.h"

void state_raw(state_io *io, void *bytes, size_t size)
{
    if (!state_is_loading(io)) {
        io->is_failed |= io->out->size + size > LIMIT_STATE_BYTES;
        if (!io->is_failed)
            td_buf_add(io->out, bytes, size);
        return;
    }
    io->is_failed |= io->in.size < size;
    if (size == 0)
        return;
    if (io->is_failed) {
        memset(bytes, 0, size);
        return;
    }
    memcpy(bytes, io->in.data, size);
    io->in = td_bytes_of(io->in.data + size, io->in.size - size);
}

void state_u8(state_io *io, uint8_t *value)
{
    state_raw(io, value, 1);
}

void state_u32(state_io *io, uint32_t *value)
{
    uint8_t bytes[4];
    td_put_le32(bytes, *value);
    state_raw(io, bytes, sizeof bytes);
    *value = td_le32(bytes);
}

void state_u64(state_io *io, uint64_t *value)
{
    uint8_t bytes[8];
    td_put_le64(bytes, *value);
    state_raw(io, bytes, sizeof bytes);
    *value = td_le64(bytes);
}

void state_i64(state_io *io, int64_t *value)
{
    uint64_t bits = (uint64_t)*value;
    state_u64(io, &bits);
    *value = (int64_t)bits;
}

void state_flag(state_io *io, uint8_t *value)
{
    state_u8(io, value);
    state_check(io, *value <= 1);
}

void state_decimal(state_io *io, td_decimal *value)
{
    state_i64(io, &value->mantissa);
    state_u8(io, &value->scale);
    state_check(io, value->scale <= TD_DECIMAL_SCALE_MAX);
}

uint32_t state_count(state_io *io, size_t count, size_t most, size_t element_bytes)
{
    TD_ASSERT(most <= UINT32_MAX);
    uint32_t is = (uint32_t)count;
    io->is_failed |= count > most;
    state_u32(io, &is);
    if (state_is_loading(io))
        io->is_failed |= is > most || is > io->in.size / element_bytes;
    return io->is_failed ? 0 : is;
}

void state_check(state_io *io, int holds)
{
    if (state_is_loading(io) && !holds)
        io->is_failed = 1;
}

void state_name(state_io *io, char name[STATE_NAME_BYTES])
{
    uint32_t size = state_count(io, strlen(name), STATE_NAME_BYTES - 1, 1);
    state_raw(io, name, size);
    name[size] = '\0';
}

void state_set_name(char name[STATE_NAME_BYTES], const char *text)
{
    TD_ASSERT(strlen(text) < STATE_NAME_BYTES);
    memcpy(name, text, strlen(text) + 1);
}

/* The name of a family, and, if its definition is not the programs' own, "@HASH" of it: states are
 * of one definition. */
static void set_definition(char name[STATE_NAME_BYTES], const family *of)
{
    const document_set *documents = family_documents(of);
    char text[STATE_NAME_BYTES];
    (void)snprintf(text, sizeof text, "%s%s%s", of->name, documents == NULL ? "" : "@",
                   documents == NULL ? "" : documents->hash); /* fits: names are short */
    state_set_name(name, text);
}

/* The family of a definition; NULL: it is unknown, or has another definition now. */
static const family *find_definition(const char *definition)
{
    char own[STATE_NAME_BYTES];
    const char *hash = strrchr(definition, '@');
    const size_t size = hash == NULL ? strlen(definition) : (size_t)(hash - definition);
    const family *of = family_find(td_bytes_of(definition, size));
    if (of == NULL)
        return NULL;
    set_definition(own, of);
    return strcmp(own, definition) == 0 ? of : NULL;
}

static const topic_row *find_row(const char *definition, const char *pattern, const char *since)
{
    const family *of = find_definition(definition);
    for (size_t i = 0; of != NULL && i < of->topic_count; i++) {
        const topic_row *row = &of->topics[i];
        if (strcmp(row->pattern, pattern) == 0 &&
            strcmp(row->valid_from == NULL ? "" : row->valid_from, since) == 0)
            return row;
    }
    return NULL;
}

void state_row(state_io *io, const topic_row **row)
{
    char definition[STATE_NAME_BYTES] = "";
    char pattern[STATE_NAME_BYTES] = "";
    char since[STATE_NAME_BYTES] = "";
    if (!state_is_loading(io)) {
        const family *of = family_of_row(*row);
        TD_ASSERT(of != NULL);
        set_definition(definition, of);
        state_set_name(pattern, (*row)->pattern);
        state_set_name(since, (*row)->valid_from == NULL ? "" : (*row)->valid_from);
    }
    state_name(io, definition);
    state_name(io, pattern);
    state_name(io, since);
    if (!state_is_loading(io))
        return;
    *row = find_row(definition, pattern, since);
    state_check(io, *row != NULL);
}
