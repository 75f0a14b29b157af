#include "recorder/capture/redact.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/credential.h"
#include "base/url.h"
#include "schema/decode.h"

enum {
    HEAD_BYTES = REDACT_SECRET_BYTES_MIN,
    ESCAPE_BYTES_MAX = 6, /* \u0061 */
};

struct redact_secret {
    uint32_t size;
    uint32_t next;     /* 1 + index of the next secret whose first bytes have this hash; 0: end */
    uint64_t last_use; /* for a signature: number of its latest use */
    char text[];       /* in lower case */
};

/* ---- characters ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Read a character whose escape's characters may be escapes: %2561, \\u0061. */
static size_t read_twice(const uint8_t *at, size_t left, uint8_t *out)
{
    uint8_t once[ESCAPE_BYTES_MAX];
    size_t ends[ESCAPE_BYTES_MAX];
    size_t count = 0;
    size_t used = 0;
    while (count < ESCAPE_BYTES_MAX && used < left) {
        used += td_read_escaped(td_bytes_of(at + used, left - used), &once[count]);
        ends[count++] = used;
        if (count == 1 && once[0] != '%' && once[0] != '\\')
            break;
    }
    TD_ASSERT(count > 0);
    /* cppcheck-suppress uninitvar ; at least one character was read, since left > 0 */
    return ends[td_read_escaped(td_bytes_of(once, count), out) - 1];
}

static size_t read_char(const uint8_t *at, size_t left, redact_escapes how, uint8_t *out)
{
    if (how == REDACT_ESCAPED)
        return td_read_escaped(td_bytes_of(at, left), out);
    if (how == REDACT_ESCAPED_TWICE)
        return read_twice(at, left, out);
    *out = *at;
    return how == REDACT_UTF16 && left > 1 && at[1] == 0 ? 2 : 1;
}

/* Hash a text's first bytes, ignoring case. */
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

static td_result set_secret(redactor *self, uint32_t index, td_bytes value, td_err *err)
{
    TD_ASSERT(index <= self->count);
    size_t size = value.size;
    if (size < REDACT_SECRET_BYTES_MIN || size > LIMIT_SECRET_BYTES)
        return td_err_set(
            err, TD_E_INVALID,
            "a secret of %zu bytes cannot be hidden in frames: only %d to %u bytes can", size,
            REDACT_SECRET_BYTES_MIN, LIMIT_SECRET_BYTES);
    redact_secret *made = td_alloc_zero(1, sizeof *made + size);
    made->size = (uint32_t)size;
    made->last_use = ++self->uses;
    for (size_t i = 0; i < size; i++)
        made->text[i] = (char)lower(value.data[i]);
    self->secrets = td_array_reach(self->secrets, &self->capacity, index, sizeof(redact_secret *));
    if (index < self->count)
        free_secret(self->secrets[index]);
    else
        self->count++;
    self->secrets[index] = made;
    index_all(self);
    return TD_OK;
}

/* Return the length of the secret in the text at `at`, with its escapes; 0 if it is not there. */
static size_t size_at(const redact_secret *secret, const uint8_t *at, size_t left,
                      redact_escapes how)
{
    size_t used = 0;
    size_t last = 0;
    for (uint32_t i = 0; i < secret->size; i++) {
        uint8_t c;
        if (used == left)
            return 0;
        last = used;
        used += read_char(at + used, left - used, how, &c);
        if (lower(c) != (uint8_t)secret->text[i])
            return 0;
    }
    /* In UTF-16 with the high byte first, the zero byte belongs to the next character. */
    return how == REDACT_UTF16 ? last + 1 : used;
}

/* Return the length of the text at `at` that begins like the secret; 0 if fewer than
 * REDACT_CUT_BYTES_MIN characters do. An escape that the text's end cuts off belongs to it. */
static size_t begin_size_at(const redact_secret *secret, const uint8_t *at, size_t left,
                            redact_escapes how)
{
    size_t used = 0;
    uint32_t count = 0;
    for (; count < secret->size && used < left; count++) {
        uint8_t c;
        size_t size = read_char(at + used, left - used, how, &c);
        if (lower(c) != (uint8_t)secret->text[count]) {
            int is_cut_off = how != REDACT_EXACT && (c == '\\' || c == '%') &&
                             left - used < (size_t)2 * ESCAPE_BYTES_MAX;
            used = is_cut_off ? left : used;
            break;
        }
        used += size;
    }
    return count < REDACT_CUT_BYTES_MIN ? 0 : used;
}

/* Return the index of this secret, or count if it is unknown. */
static uint32_t find_secret(const redactor *self, td_bytes secret)
{
    uint32_t index = 0;
    while (index < self->count &&
           (self->secrets[index]->size != secret.size ||
            size_at(self->secrets[index], secret.data, secret.size, REDACT_EXACT) != secret.size))
        index++;
    return index;
}

static td_result add_fixed(redactor *self, td_bytes secret, td_err *err)
{
    TD_ASSERT(self->fixed == self->count);
    if (find_secret(self, secret) < self->count)
        return TD_OK;
    if (self->count == LIMIT_SECRETS)
        return td_err_set(err, TD_E_LIMIT, "more than %u secrets", LIMIT_SECRETS);
    td_result rc = set_secret(self, self->count, secret, err);
    self->fixed = self->count;
    return rc;
}

/* Add a signature. A long session has many; beyond the limit the least recently used one is
 * replaced, because only the newest ones can still be echoed. */
static td_result add_signature(redactor *self, td_bytes secret, td_err *err)
{
    td_result rc = TD_OK;
    pthread_mutex_lock(&self->mutex);
    uint32_t index = find_secret(self, secret);
    if (index < self->count) {
        self->secrets[index]->last_use = ++self->uses;
    } else {
        if (index == self->fixed + REDACT_SIGNATURES_MAX)
            index = self->fixed;
        for (uint32_t i = index + 1; i < self->count; i++)
            if (self->secrets[i]->last_use < self->secrets[index]->last_use)
                index = i;
        rc = set_secret(self, index, secret, err);
    }
    pthread_mutex_unlock(&self->mutex);
    return rc;
}

td_result redactor_add(redactor *self, const char *secret, td_err *err)
{
    return add_fixed(self, td_bytes_str(secret), err);
}

td_result redactor_add_signature(redactor *self, const char *secret, td_err *err)
{
    return add_signature(self, td_bytes_str(secret), err);
}

/* Add a value in parts of LIMIT_SECRET_BYTES. The last one ends at the value's end, so it may
 * overlap the part before. */
static td_result add_parts(redactor *self, redact_life life, td_bytes value, td_err *err)
{
    td_result rc = TD_OK;
    size_t at = 0;
    size_t end = 0;
    while (rc == TD_OK && end < value.size) {
        size_t size = value.size < LIMIT_SECRET_BYTES ? value.size : LIMIT_SECRET_BYTES;
        end = at + size < value.size ? at + size : value.size;
        td_bytes part = td_bytes_of(value.data + end - size, size);
        rc = life == REDACT_FOR_GOOD ? add_fixed(self, part, err) : add_signature(self, part, err);
        at = end;
    }
    return rc;
}

td_result redactor_add_found(redactor *self, redact_life life, td_bytes value, redact_escapes how,
                             td_err *err)
{
    uint8_t *text = td_alloc_zero(1, value.size + 1);
    size_t size = 0;
    for (size_t at = 0; at < value.size; size++)
        at += read_char(value.data + at, value.size - at, how, &text[size]);
    td_result rc = size < REDACT_SECRET_BYTES_MIN
                       ? TD_OK
                       : add_parts(self, life, td_bytes_of(text, size), err);
    explicit_bzero(text, size);
    td_free(text);
    return rc;
}

td_result redactor_add_url(redactor *self, redact_life life, td_bytes url, td_err *err)
{
    size_t at = 0;
    td_bytes found;
    td_result rc = TD_OK;
    while (rc == TD_OK && td_url_next_secret(url, &at, &found))
        rc = redactor_add_found(self, life, found, REDACT_ESCAPED, err);
    return rc;
}

td_result redactor_add_sent(redactor *self, redact_life life, const sent_secrets *sent, td_err *err)
{
    size_t at = 0;
    td_bytes found;
    td_result rc = TD_OK;
    while (rc == TD_OK && sent_secrets_next(sent, &at, &found))
        rc = redactor_add_found(self, life, found, REDACT_EXACT, err);
    return rc;
}

/* ---- searching ---- */

/* Return the length of the longest secret in the text at `at`, as size_of finds it; 0 without a
 * match. */
static size_t match(const redactor *self, const uint8_t *at, size_t left, redact_escapes how,
                    size_t (*size_of)(const redact_secret *secret, const uint8_t *at, size_t left,
                                      redact_escapes how))
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
        size_t size = size_of(secret, at, left, how);
        longest = size > longest ? size : longest;
        next = secret->next;
    }
    return longest;
}

/* Overwrite the secrets in bytes. Overlapping ones are overwritten together, so that no part of
 * either is left. */
static void hide(const redactor *self, uint8_t *bytes, size_t size, redact_escapes how,
                 redaction *done)
{
    size_t begin = 0;
    size_t end = 0;
    for (size_t at = 0; at < size; at++) {
        size_t found = match(self, bytes + at, size - at, how, size_at);
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

/* Overwrite the beginning of a secret that the text's end cuts off. Returns 1 if there was one. */
static int hide_cut(const redactor *self, uint8_t *bytes, size_t size, redact_escapes how,
                    redaction *done)
{
    size_t end = size; /* of the last letter or digit: brackets and quotes may follow */
    while (end > 0 && !isalnum(bytes[end - 1]))
        end--;
    for (size_t at = 0; at < end; at++) {
        size_t found = match(self, bytes + at, size - at, how, begin_size_at);
        if (found == 0 || at + found < end)
            continue;
        memset(bytes + at, '*', found);
        if (done->count == 0 || at < done->first_offset)
            done->first_offset = at;
        done->count++;
        done->bytes += found;
        return 1;
    }
    return 0;
}

/* The forms in which bytes may have a secret. */
typedef struct text_forms {
    redact_escapes items[4];
    size_t count;
} text_forms;

static text_forms forms_of(const uint8_t *bytes, size_t size)
{
    text_forms forms = {0};
    /* These characters begin escapes. The exchange's frames have them only in error texts. */
    if (memchr(bytes, '\\', size) != NULL || memchr(bytes, '%', size) != NULL) {
        forms.items[forms.count++] = REDACT_ESCAPED_TWICE;
        forms.items[forms.count++] = REDACT_ESCAPED;
    }
    if (memchr(bytes, 0, size) != NULL)
        forms.items[forms.count++] = REDACT_UTF16;
    forms.items[forms.count++] = REDACT_EXACT;
    return forms;
}

redaction redactor_apply(redactor *self, uint8_t *bytes, size_t size)
{
    redaction done = {0};
    pthread_mutex_lock(&self->mutex);
    if (self->count > 0 && size > 0) {
        const text_forms forms = forms_of(bytes, size);
        for (size_t i = 0; i < forms.count; i++)
            hide(self, bytes, size, forms.items[i], &done);
    }
    pthread_mutex_unlock(&self->mutex);
    return done;
}

redaction redactor_apply_text(redactor *self, uint8_t *bytes, size_t size)
{
    redaction done = redactor_apply(self, bytes, size);
    pthread_mutex_lock(&self->mutex);
    if (self->count > 0 && size > 0) {
        const text_forms forms = forms_of(bytes, size);
        for (size_t i = 0; i < forms.count && !hide_cut(self, bytes, size, forms.items[i], &done);)
            i++;
    }
    pthread_mutex_unlock(&self->mutex);
    return done;
}

/* Overwrite secrets that are found by the names of their members. */
static redaction hide_sent(sent_secrets *sent, uint8_t *bytes, size_t size, int is_binary)
{
    const sent_found found = sent_secrets_hide(sent, bytes, size, is_binary);
    const sent_range whole = {0, size};
    const sent_range *ranges = found.is_whole ? &whole : found.ranges;
    redaction done = {.count = (uint32_t)(found.is_whole ? 1 : found.count),
                      .is_whole = found.is_whole};
    for (size_t i = 0; i < done.count; i++)
        done.bytes += ranges[i].size;
    done.first_offset = done.count > 0 ? ranges[0].offset : 0;
    return done;
}

static redaction sum_of(redaction a, redaction b)
{
    if (a.count == 0 || (b.count > 0 && b.first_offset < a.first_offset))
        a.first_offset = b.first_offset;
    a.count += b.count;
    a.bytes += b.bytes;
    return a;
}

redaction redactor_apply_sent(redactor *self, sent_secrets *sent, uint8_t *bytes, size_t size)
{
    redaction done = hide_sent(sent, bytes, size, 0);
    return done.is_whole ? done : sum_of(done, redactor_apply_text(self, bytes, size));
}

/* ---- frames ---- */

void frame_redactor_init(frame_redactor *self)
{
    self->inflater = NULL;
    self->sent = NULL;
    td_buf_init(&self->copy, LIMIT_FRAME_BYTES + DECODE_PADDING_BYTES);
}

void frame_redactor_fini(frame_redactor *self)
{
    inflater_close(self->inflater);
    sent_secrets_close(self->sent);
    td_buf_fini(&self->copy);
}

static void copy_frame(frame_redactor *self, td_bytes frame)
{
    TD_ASSERT(frame.size <= LIMIT_FRAME_BYTES);
    td_buf_clear(&self->copy);
    td_buf_grow(&self->copy, frame.size + DECODE_PADDING_BYTES);
    td_buf_add(&self->copy, frame.data, frame.size);
}

/* Hide known secrets in the copy of the frame. A compressed frame that contains a secret is
 * overwritten as a whole. */
static redaction hide_known(frame_redactor *self, redactor *secrets, td_bytes frame, int is_binary)
{
    redaction found = {0};
    if (frame_may_be_compressed(frame, is_binary)) {
        td_bytes ignored;
        size_t size = 0;
        if (self->inflater == NULL)
            self->inflater = inflater_open(LIMIT_FRAME_BYTES, 0);
        td_result rc = inflater_run(self->inflater, frame, &ignored, NULL);
        (void)rc; /* the output of a broken deflate stream is searched, too */
        uint8_t *text = inflater_output(self->inflater, &size);
        found.count = redactor_apply(secrets, text, size).count;
    }
    if (found.count == 0)
        return redactor_apply(secrets, self->copy.data, self->copy.size);
    memset(self->copy.data, '*', frame.size);
    found.bytes = frame.size;
    found.is_whole = 1;
    return found;
}

redaction frame_redactor_apply(frame_redactor *self, redactor *secrets, td_bytes frame,
                               int is_binary, td_bytes *out)
{
    copy_frame(self, frame);
    redaction found = hide_known(self, secrets, frame, is_binary);
    *out = found.count > 0 ? td_buf_view(&self->copy) : frame;
    return found;
}

redaction frame_redactor_apply_sent(frame_redactor *self, redactor *secrets, td_bytes frame,
                                    int is_binary, td_bytes *out)
{
    if (!secrets->has_clients)
        return frame_redactor_apply(self, secrets, frame, is_binary, out);
    if (self->sent == NULL)
        self->sent = sent_secrets_open();
    copy_frame(self, frame);
    redaction found = hide_sent(self->sent, self->copy.data, frame.size, is_binary);
    if (!found.is_whole) {
        redaction known = hide_known(self, secrets, frame, is_binary);
        found = known.is_whole ? known : sum_of(found, known);
    }
    *out = found.count > 0 ? td_buf_view(&self->copy) : frame;
    return found;
}
