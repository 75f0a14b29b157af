#include "archive/import_secrets.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/url.h"
#include "schema/decode.h"
#include "json/json.h"

enum { AUTH_KEY_ARG = 0, AUTH_SIGNATURE_ARG = 2 };

struct import_secrets {
    redactor values;
    frame_redactor frames;
    json_parser *parser;
    td_buf copy; /* of the frame that was looked at last */
};

td_result import_secrets_open(import_secrets **out, td_err *err)
{
    import_secrets *s = td_alloc_zero(1, sizeof *s);
    if (s == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to look for secrets");
    redactor_init(&s->values);
    frame_redactor_init(&s->frames);
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
    redactor_fini(&secrets->values);
    frame_redactor_fini(&secrets->frames);
    td_buf_fini(&secrets->copy);
    json_parser_close(secrets->parser);
    td_free(secrets);
}

/* A value that is too short to be hidden, or too long to be a secret, stays. */
static td_result add(import_secrets *s, td_bytes value, redact_spelling how, td_err *err)
{
    td_result rc = redactor_add_found(&s->values, value, how, err);
    return rc == TD_E_LIMIT ? td_err_add(err, rc, "keys and signatures of the capture") : rc;
}

/* "wss://user:password@…?api_key=…&expires=…&signature=…" */
static td_result learn_url(import_secrets *s, td_bytes url, td_err *err)
{
    size_t at = 0;
    td_bytes value;
    td_result rc = TD_OK;
    while (rc == TD_OK && td_url_next_secret(url, &at, &value))
        rc = add(s, value, REDACT_SPELT, err);
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
            rc = add(s, text, REDACT_EXACT, err);
    return rc;
}

td_result import_secrets_learn(import_secrets *secrets, const import_record *record, td_err *err)
{
    td_result rc = learn_url(secrets, record->url, err);
    if (rc == TD_OK && record->kind == IMPORT_FRAME && record->dir == DIR_OUT)
        rc = learn_auth(secrets, record->data, err);
    return rc;
}

/* Is it worth a try to inflate? A capture does not say what was binary; text begins as JSON does.
 */
static int may_be_compressed(td_bytes frame)
{
    if (frame.size == 0)
        return 0;
    uint8_t first = frame.data[0];
    return first != '{' && first != '[' && first != ' ' && (first < '\t' || first > '\r');
}

td_result import_secrets_hide(import_secrets *secrets, td_bytes frame, td_bytes *out,
                              frame_redaction *found, td_err *err)
{
    *out = frame;
    *found = (frame_redaction){.how = REDACT_IN_PLACE};
    if (secrets->values.count == 0)
        return TD_OK;
    td_bytes hidden = {0};
    td_buf *copy = &secrets->copy;
    td_buf_clear(copy);
    td_result rc = td_buf_reserve(copy, frame.size + DECODE_PADDING_BYTES, err);
    if (rc == TD_OK)
        rc = td_buf_append(copy, frame.data, frame.size, err);
    if (rc == TD_OK)
        rc = frame_redactor_apply(&secrets->frames, &secrets->values, copy->data, copy->size,
                                  may_be_compressed(frame), &hidden, found, err);
    if (rc != TD_OK || found->done.count == 0)
        return rc;
    if (found->how == REDACT_RECOMPRESSED) { /* it is not padded where it is */
        td_buf_clear(copy);
        rc = td_buf_reserve(copy, hidden.size + DECODE_PADDING_BYTES, err);
        if (rc == TD_OK)
            rc = td_buf_append(copy, hidden.data, hidden.size, err);
    }
    *out = td_buf_view(copy);
    return rc;
}
