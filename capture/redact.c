#include "capture/redact.h"

#include <errno.h>
#include <string.h>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/url.h"
#include "schema/decode.h"

enum { HEAD_BYTES = REDACT_SECRET_BYTES_MIN };

struct redact_secret {
    uint32_t size;
    uint32_t next; /* 1 + the next secret whose beginning has this hash; 0: none */
    char text[];   /* in lower case */
};

/* ---- characters ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* The character that is spelt at the place, and how many bytes its spelling has. */
static size_t read_spelt(const uint8_t *at, size_t left, uint8_t *out)
{
    TD_ASSERT(left > 0);
    size_t digits = left >= 6 && memcmp(at, "\\u00", 4) == 0 ? 4 : left >= 3 && *at == '%' ? 1 : 0;
    *out = *at;
    if (digits > 0 && td_hex_digit(at[digits]) >= 0 && td_hex_digit(at[digits + 1]) >= 0) {
        *out = (uint8_t)(td_hex_digit(at[digits]) * 16 + td_hex_digit(at[digits + 1]));
        return digits + 2;
    }
    if (left < 2 || *at != '\\' || (at[1] != '/' && at[1] != '"' && at[1] != '\\'))
        return 1;
    *out = at[1];
    return 2;
}

static size_t read_char(const uint8_t *at, size_t left, redact_spelling how, uint8_t *out)
{
    if (how == REDACT_SPELT)
        return read_spelt(at, left, out);
    *out = *at;
    return 1;
}

/* Hash of a beginning; equal for letters of either case. */
static uint32_t hash_of(const uint8_t head[HEAD_BYTES])
{
    uint32_t word;
    memcpy(&word, head, sizeof word);
    return (word | UINT32_C(0x20202020)) * UINT32_C(0x9e3779b1) >> 22;
}
_Static_assert(HEAD_BYTES == sizeof(uint32_t), "a beginning is one word");
_Static_assert(REDACT_HEADS == 1 << (32 - 22), "a hash is an index");

/* ---- secrets ---- */

td_result redactor_forbid_core_dumps(td_err *err)
{
    struct rlimit none = {0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return td_err_set_os(err, errno, "cannot forbid core dumps, which would hold secrets");
    return TD_OK;
}

void redactor_init(redactor *self)
{
    memset(self, 0, sizeof *self);
    pthread_mutex_init(&self->mutex, NULL);
}

static void free_secret(redact_secret *secret)
{
    explicit_bzero(secret, sizeof *secret + secret->size);
    td_free(secret);
}

void redactor_fini(redactor *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        free_secret(self->secrets[i]);
    td_free(self->secrets);
    pthread_mutex_destroy(&self->mutex);
    memset(self, 0, sizeof *self);
}

static void index_all(redactor *self)
{
    memset(self->heads, 0, sizeof self->heads);
    for (uint32_t i = 0; i < self->count; i++) {
        uint32_t *head = &self->heads[hash_of((const uint8_t *)self->secrets[i]->text)];
        self->secrets[i]->next = *head;
        *head = i + 1;
    }
}

static td_result put(redactor *self, uint32_t place, const char *value, td_err *err)
{
    TD_ASSERT(place <= self->count);
    size_t size = strlen(value);
    if (size < REDACT_SECRET_BYTES_MIN || size > LIMIT_SECRET_BYTES)
        return td_err_set(err, TD_E_INVALID,
                          "a secret of %zu bytes: only those of %d to %u can be hidden in frames",
                          size, REDACT_SECRET_BYTES_MIN, LIMIT_SECRET_BYTES);
    redact_secret *made = td_alloc_zero(1, sizeof *made + size);
    made->size = (uint32_t)size;
    for (size_t i = 0; i < size; i++)
        made->text[i] = (char)lower((uint8_t)value[i]);
    self->secrets = td_array_reach(self->secrets, &self->capacity, place, sizeof(redact_secret *));
    if (place < self->count)
        free_secret(self->secrets[place]);
    else
        self->count++;
    self->secrets[place] = made;
    index_all(self);
    return TD_OK;
}

/* The bytes that the secret takes at a place; 0: it is not there. */
static size_t size_at(const redact_secret *secret, const uint8_t *at, size_t left,
                      redact_spelling how)
{
    size_t used = 0;
    for (uint32_t i = 0; i < secret->size; i++) {
        uint8_t c;
        if (used == left)
            return 0;
        used += read_char(at + used, left - used, how, &c);
        if (lower(c) != (uint8_t)secret->text[i])
            return 0;
    }
    return used;
}

static int has(const redactor *self, const char *secret)
{
    size_t size = strlen(secret);
    for (uint32_t i = 0; i < self->count; i++)
        if (self->secrets[i]->size == size &&
            size_at(self->secrets[i], (const uint8_t *)secret, size, REDACT_EXACT) == size)
            return 1;
    return 0;
}

td_result redactor_add(redactor *self, const char *secret, td_err *err)
{
    TD_ASSERT(self->fixed == self->count);
    if (has(self, secret))
        return TD_OK;
    if (self->count == LIMIT_SECRETS)
        return td_err_set(err, TD_E_LIMIT, "more than %u secrets", LIMIT_SECRETS);
    td_result rc = put(self, self->count, secret, err);
    self->fixed = self->count;
    return rc;
}

/* Signatures are many in a long session: only the newest ones can still be echoed. */
td_result redactor_add_signature(redactor *self, const char *secret, td_err *err)
{
    pthread_mutex_lock(&self->mutex);
    uint32_t place = self->count;
    if (place == self->fixed + REDACT_SIGNATURES_MAX) {
        place = self->fixed + self->next_signature % REDACT_SIGNATURES_MAX;
        self->next_signature++;
    }
    td_result rc = put(self, place, secret, err);
    pthread_mutex_unlock(&self->mutex);
    return rc;
}

td_result redactor_add_found(redactor *self, redact_life life, td_bytes value, redact_spelling how,
                             td_err *err)
{
    char *text = td_alloc_zero(1, value.size + 1);
    size_t size = 0;
    td_result rc = TD_OK;
    for (size_t at = 0; at < value.size; size++) {
        uint8_t c;
        at += read_char(value.data + at, value.size - at, how, &c);
        text[size] = (char)c;
    }
    if (strlen(text) == size && size >= REDACT_SECRET_BYTES_MIN)
        rc = life == REDACT_FOR_GOOD ? redactor_add(self, text, err)
                                     : redactor_add_signature(self, text, err);
    explicit_bzero(text, size);
    td_free(text);
    return rc;
}

/* ---- secrets of requests ---- */

td_result redactor_add_url(redactor *self, redact_life life, td_bytes url, td_err *err)
{
    size_t at = 0;
    td_bytes found;
    td_result rc = TD_OK;
    while (rc == TD_OK && td_url_next_secret(url, &at, &found))
        rc = redactor_add_found(self, life, found, REDACT_SPELT, err);
    return rc;
}

static td_result add_args(redactor *self, redact_life life, const auth_form *form, json_value root,
                          td_err *err)
{
    json_value args;
    json_value arg;
    td_bytes text;
    td_result rc = TD_OK;
    if (!json_find_text(root, form->op_key, &text) || !td_bytes_is(text, form->op) ||
        !json_find(root, form->args_key, &args))
        return TD_OK;
    json_iter it = json_iter_of(args);
    for (uint32_t secrets = form->secrets; rc == TD_OK && json_next(&it, NULL, &arg); secrets >>= 1)
        if ((secrets & 1) && json_text(arg, &text))
            rc = redactor_add_found(self, life, text, REDACT_EXACT, err);
    return rc;
}

static td_result add_headers(redactor *self, redact_life life, const auth_form *form,
                             json_value root, td_err *err)
{
    json_value headers;
    td_bytes text;
    td_result rc = TD_OK;
    if (!json_find(root, form->headers_key, &headers))
        return TD_OK;
    for (size_t i = 0; rc == TD_OK && form->secret_headers[i] != NULL; i++)
        if (json_find_text(headers, form->secret_headers[i], &text))
            rc = redactor_add_found(self, life, text, REDACT_EXACT, err);
    return rc;
}

td_result redactor_add_request(redactor *self, redact_life life, json_parser *parser,
                               const auth_form *form, td_bytes frame, td_err *err)
{
    json_value root;
    if (form->op_key == NULL || json_parse(parser, frame, JSON_COPIED, &root, NULL) != TD_OK)
        return TD_OK;
    td_result rc = add_args(self, life, form, root, err);
    return rc == TD_OK && form->headers_key != NULL ? add_headers(self, life, form, root, err) : rc;
}

/* ---- searching ---- */

/* The bytes that the longest secret takes that is at a place; 0: none is there. */
static size_t match(const redactor *self, const uint8_t *at, size_t left, redact_spelling how)
{
    uint8_t head[HEAD_BYTES];
    size_t used = 0;
    for (size_t i = 0; i < HEAD_BYTES; i++) {
        if (used == left)
            return 0;
        used += read_char(at + used, left - used, how, &head[i]);
    }
    size_t longest = 0;
    for (uint32_t next = self->heads[hash_of(head)]; next != 0;) {
        const redact_secret *secret = self->secrets[next - 1];
        size_t size = size_at(secret, at, left, how);
        longest = size > longest ? size : longest;
        next = secret->next;
    }
    return longest;
}

/* Secrets that overlap are overwritten together, so that nothing is left of a longer one. */
static void hide(const redactor *self, uint8_t *bytes, size_t size, redact_spelling how,
                 redaction *done)
{
    size_t begin = 0;
    size_t end = 0;
    for (size_t at = 0; at < size; at++) {
        size_t found = match(self, bytes + at, size - at, how);
        if (found > 0 && at >= end)
            begin = at;
        if (found > 0 && at + found > end)
            end = at + found;
        if (at + 1 != end)
            continue;
        memset(bytes + begin, '*', end - begin);
        if (done->count == 0 || begin < done->first_offset)
            done->first_offset = begin;
        done->count++;
        done->bytes += end - begin;
    }
}

redaction redactor_apply(redactor *self, uint8_t *bytes, size_t size)
{
    redaction done = {0};
    pthread_mutex_lock(&self->mutex);
    if (self->count > 0 && size > 0) {
        /* The exchange's frames have such signs only in the words of an error. */
        if (memchr(bytes, '\\', size) != NULL || memchr(bytes, '%', size) != NULL)
            hide(self, bytes, size, REDACT_SPELT, &done);
        hide(self, bytes, size, REDACT_EXACT, &done);
    }
    pthread_mutex_unlock(&self->mutex);
    return done;
}

/* ---- frames ---- */

void frame_redactor_init(frame_redactor *self)
{
    self->inflater = NULL;
    td_buf_init(&self->copy, LIMIT_FRAME_BYTES + DECODE_PADDING_BYTES);
}

void frame_redactor_fini(frame_redactor *self)
{
    inflater_close(self->inflater);
    td_buf_fini(&self->copy);
}

/* 1 if it may be compressed. Text that the exchange or a client sends begins as JSON does. */
static int may_be_compressed(td_bytes frame, int is_binary)
{
    if (is_binary || frame.size == 0)
        return is_binary;
    uint8_t first = frame.data[0];
    return first != '{' && first != '[' && first != ' ' && (first < '\t' || first > '\r');
}

/* Secrets in what the frame inflates to. */
static uint32_t count_inside(frame_redactor *self, redactor *secrets, td_bytes frame)
{
    if (self->inflater == NULL)
        self->inflater = inflater_open(LIMIT_FRAME_BYTES, 0);
    td_bytes ignored;
    size_t size = 0;
    td_result rc = inflater_run(self->inflater, frame, &ignored, NULL);
    (void)rc; /* what came out of a broken stream is searched, too */
    uint8_t *text = inflater_output(self->inflater, &size);
    return redactor_apply(secrets, text, size).count;
}

redaction frame_redactor_apply(frame_redactor *self, redactor *secrets, td_bytes frame,
                               int is_binary, td_bytes *out)
{
    TD_ASSERT(frame.size <= LIMIT_FRAME_BYTES);
    redaction found = {0};
    td_buf_clear(&self->copy);
    td_buf_grow(&self->copy, frame.size + DECODE_PADDING_BYTES);
    td_buf_add(&self->copy, frame.data, frame.size);
    if (may_be_compressed(frame, is_binary))
        found.count = count_inside(self, secrets, frame);
    if (found.count > 0) {
        memset(self->copy.data, '*', frame.size);
        found.bytes = frame.size;
        found.is_whole = 1;
    } else {
        found = redactor_apply(secrets, self->copy.data, self->copy.size);
    }
    *out = found.count > 0 ? td_buf_view(&self->copy) : frame;
    return found;
}
