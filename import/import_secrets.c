#include "import/import_secrets.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/url.h"
#include "json/json.h"
#include "schema/exchange.h"

struct import_secrets {
    redactor values;
    json_parser *parser;
};

import_secrets *import_secrets_open(void)
{
    import_secrets *s = td_alloc_zero(1, sizeof *s);
    redactor_init(&s->values);
    s->parser = json_parser_open(0);
    return s;
}

void import_secrets_close(import_secrets *secrets)
{
    if (secrets == NULL)
        return;
    redactor_fini(&secrets->values);
    json_parser_close(secrets->parser);
    td_free(secrets);
}

static td_result add(import_secrets *s, td_bytes value, redact_spelling how, td_err *err)
{
    td_result rc = redactor_add_found(&s->values, value, how, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "keys and signatures of the capture");
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

/* The secrets of a request that authenticates. */
static td_result learn_auth(import_secrets *s, const auth_form *form, td_bytes frame, td_err *err)
{
    json_value root;
    json_value args;
    json_value arg;
    td_bytes text;
    if (form->op_key == NULL ||
        memmem(frame.data, frame.size, form->op, strlen(form->op)) == NULL ||
        json_parse(s->parser, frame, JSON_PADDED, &root, NULL) != TD_OK ||
        !json_find_text(root, form->op_key, &text) || !td_bytes_is(text, form->op) ||
        !json_find(root, form->args_key, &args))
        return TD_OK;
    json_iter it = json_iter_of(args);
    td_result rc = TD_OK;
    for (uint32_t secrets = form->secrets; rc == TD_OK && json_next(&it, NULL, &arg); secrets >>= 1)
        if ((secrets & 1) && json_text(arg, &text))
            rc = add(s, text, REDACT_EXACT, err);
    return rc;
}

td_result import_secrets_learn(import_secrets *secrets, const import_record *record, td_err *err)
{
    td_result rc = learn_url(secrets, record->url, err);
    if (rc == TD_OK && record->kind == IMPORT_FRAME && record->dir == DIR_OUT)
        rc = learn_auth(secrets, &exchange_of(family_find_by_url(record->url))->auth, record->data,
                        err);
    return rc;
}

redactor *import_secrets_learnt(import_secrets *secrets)
{
    return secrets->values.count == 0 ? NULL : &secrets->values;
}
