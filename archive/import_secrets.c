#include "archive/import_secrets.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "schema/decode.h"
#include "schema/json.h"
#include "wire/url.h"

enum { AUTH_KEY_ARG = 0, AUTH_SIGNATURE_ARG = 2 };

struct import_secrets {
    char *values[IMPORT_SECRETS_MAX];
    size_t sizes[IMPORT_SECRETS_MAX];
    uint32_t count;
    json_parser *parser;
    td_buf copy; /* of the frame that was changed last */
};

td_result import_secrets_open(import_secrets **out, td_err *err)
{
    import_secrets *s = td_alloc_zero(1, sizeof *s);
    if (s == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to look for secrets");
    td_buf_init(&s->copy, LIMIT_FRAME_BYTES + DECODE_PADDING_BYTES);
    td_result rc = json_parser_open(0, &s->parser, err);
    if (rc != TD_OK) {
        import_secrets_close(s);
        return rc;
    }
    *out = s;
    return TD_OK;
}

void import_secrets_close(import_secrets *secrets)
{
    if (secrets == NULL)
        return;
    for (uint32_t i = 0; i < secrets->count; i++)
        td_free(secrets->values[i]);
    td_buf_fini(&secrets->copy);
    json_parser_close(secrets->parser);
    td_free(secrets);
}

static td_result add(import_secrets *s, td_bytes value, td_err *err)
{
    if (value.size < IMPORT_SECRET_BYTES_MIN)
        return TD_OK;
    for (uint32_t i = 0; i < s->count; i++)
        if (td_bytes_equal(value, td_bytes_of(s->values[i], s->sizes[i])))
            return TD_OK;
    if (s->count == IMPORT_SECRETS_MAX)
        return td_err_set(err, TD_E_LIMIT, "the capture holds more than %d keys and signatures",
                          IMPORT_SECRETS_MAX);
    char *copy = td_strndup((const char *)value.data, value.size);
    if (copy == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a secret");
    s->values[s->count] = copy;
    s->sizes[s->count] = value.size;
    s->count++;
    return TD_OK;
}

/* "?api_key=…&expires=…&signature=…" */
static td_result learn_url(import_secrets *s, td_bytes url, td_err *err)
{
    size_t at = 0;
    td_bytes value;
    td_result rc = TD_OK;
    while (rc == TD_OK && wire_url_next_secret(url, &at, &value))
        rc = add(s, value, err);
    return rc;
}

/* {"op":"auth","args":[key, expires, signature]}, in whatever dialect. */
static td_result learn_auth(import_secrets *s, td_bytes frame, td_err *err)
{
    json_value root;
    json_value args;
    json_value arg;
    td_bytes text;
    if (memmem(frame.data, frame.size, "auth", 4) == NULL ||
        json_parse(s->parser, frame, JSON_PADDED, &root, NULL) != TD_OK ||
        !json_find_text(root, "op", &text) || !td_bytes_is(text, "auth") ||
        !json_find(root, "args", &args))
        return TD_OK;
    json_iter it = json_iter_of(args);
    td_result rc = TD_OK;
    for (int i = 0; rc == TD_OK && json_next(&it, NULL, &arg); i++)
        if ((i == AUTH_KEY_ARG || i == AUTH_SIGNATURE_ARG) && json_text(arg, &text))
            rc = add(s, text, err);
    return rc;
}

td_result import_secrets_learn(import_secrets *secrets, const import_record *record, td_err *err)
{
    td_result rc = learn_url(secrets, record->url, err);
    if (rc == TD_OK && record->kind == IMPORT_FRAME && record->dir == DIR_OUT)
        rc = learn_auth(secrets, record->data, err);
    return rc;
}

/* Overwrite one secret wherever it stands. */
static void hide_one(uint8_t *bytes, size_t size, const char *secret, size_t secret_size,
                     import_redaction *found)
{
    uint8_t *at = bytes;
    while ((at = memmem(at, size - (size_t)(at - bytes), secret, secret_size)) != NULL) {
        uint64_t offset = (uint64_t)(at - bytes);
        memset(at, '*', secret_size);
        if (found->count == 0 || offset < found->offset)
            found->offset = offset;
        found->count++;
        found->bytes += secret_size;
        at += secret_size;
    }
}

td_result import_secrets_hide(import_secrets *secrets, td_bytes frame, td_bytes *out,
                              import_redaction *found, td_err *err)
{
    *out = frame;
    *found = (import_redaction){.count = 0};
    for (uint32_t i = 0; i < secrets->count; i++) {
        if (memmem(out->data, out->size, secrets->values[i], secrets->sizes[i]) == NULL)
            continue;
        if (found->count == 0) {
            td_buf_clear(&secrets->copy);
            td_result rc = td_buf_reserve(&secrets->copy, frame.size + DECODE_PADDING_BYTES, err);
            if (rc == TD_OK)
                rc = td_buf_append(&secrets->copy, frame.data, frame.size, err);
            if (rc != TD_OK)
                return rc;
            *out = td_buf_view(&secrets->copy);
        }
        hide_one(secrets->copy.data, secrets->copy.size, secrets->values[i], secrets->sizes[i],
                 found);
    }
    TD_ASSERT(out->size == frame.size);
    return TD_OK;
}
