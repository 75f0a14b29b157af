#include "tests/testing/canonical_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "json/json_write.h"
#include "schema/canonical.h"
#include "schema/message_json.h"

struct canonical_check {
    json_parser *parser;
    td_arena *arena;
    td_buf form;
    td_buf again;
};

canonical_check *canonical_check_open(void)
{
    canonical_check *check = calloc(1, sizeof *check);
    TD_ASSERT(check != NULL);
    check->parser = json_parser_open(0);
    check->arena = td_arena_open(LIMIT_RECORD_BYTES);
    td_buf_init(&check->form, LIMIT_RECORD_BYTES);
    td_buf_init(&check->again, LIMIT_RECORD_BYTES);
    return check;
}

void canonical_check_close(canonical_check *check)
{
    td_buf_fini(&check->form);
    td_buf_fini(&check->again);
    td_arena_close(check->arena);
    json_parser_close(check->parser);
    free(check);
}

static td_bytes form_of(const message *m, canonical_members members, td_buf *out)
{
    td_buf_clear(out);
    td_result rc = canonical_write(m, members, out, NULL);
    TD_ASSERT(rc == TD_OK);
    return td_buf_view(out);
}

/* The digest is of the plain form after the type and its length. */
static void check_digest(const message *m, td_bytes plain)
{
    td_hasher *hasher = td_hasher_open();
    TD_ASSERT(hasher != NULL);
    canonical_digest(m, hasher);
    size_t type_bytes = 8 + strlen(msg_type_name(m->head.type));
    td_hash128 expected = td_hash128_of(plain.data + type_bytes, plain.size - type_bytes);
    TD_ASSERT(td_hash128_equal(td_hasher_digest(hasher), expected));
    td_hasher_close(hasher);
}

void canonical_check_message(canonical_check *check, const message *m)
{
    for (int i = 0; i < 2; i++) {
        canonical_members members = i == 0 ? CANONICAL_PLAIN : CANONICAL_WHOLE;
        td_bytes form = form_of(m, members, &check->form);
        uint64_t hash = td_xxh64(form.data, form.size) & ~UINT64_C(1);
        TD_ASSERT(canonical_hash(m, members) == (hash == 0 ? 2 : hash));
        if (members == CANONICAL_PLAIN)
            check_digest(m, form);
        int is_accepted = canonical_check_form(check, form);
        TD_ASSERT(is_accepted);
    }
}

/* Other programs print it: its JSON is JSON. */
static void check_json(canonical_check *check, const message *m)
{
    json_writer w;
    json_value root;
    td_buf_clear(&check->again);
    json_write_begin(&w, &check->again);
    json_write_object_begin(&w);
    message_json_members(&w, m);
    json_write_object_end(&w);
    td_result rc = json_write_end(&w, NULL);
    TD_ASSERT(rc == TD_OK);
    rc = json_parse(check->parser, td_buf_view(&check->again), JSON_COPIED, &root, NULL);
    TD_ASSERT(rc == TD_OK || check->again.size > LIMIT_FRAME_BYTES);
}

int canonical_check_form(canonical_check *check, td_bytes form)
{
    message m;
    td_err err;
    td_err_clear(&err);
    td_arena_reset(check->arena);
    td_result rc = canonical_read(form, check->parser, check->arena, &m, &err);
    if (rc != TD_OK) {
        TD_ASSERT(rc == TD_E_INVALID);
        TD_ASSERT(strncmp(err.text, "byte ", 5) == 0);
        return 0;
    }
    td_bytes again = form_of(&m, CANONICAL_WHOLE, &check->again);
    TD_ASSERT(td_bytes_equal(form, again));
    check_json(check, &m);
    return 1;
}
