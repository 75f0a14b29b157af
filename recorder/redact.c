#include "recorder/redact.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

void redactor_init(redactor *self)
{
    memset(self, 0, sizeof *self);
    pthread_mutex_init(&self->mutex, NULL);
}

void redactor_fini(redactor *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        td_free(self->secrets[i]);
    pthread_mutex_destroy(&self->mutex);
    memset(self, 0, sizeof *self);
}

static td_result put(redactor *self, uint32_t place, const char *secret, td_err *err)
{
    TD_ASSERT(place <= self->count);
    TD_ASSERT(place < REDACT_SECRETS_MAX);
    size_t length = strlen(secret);
    if (length < REDACT_SECRET_BYTES_MIN)
        return td_err_set(
            err, TD_E_INVALID,
            "a secret of %zu characters: %d is the least that can be hidden in frames", length,
            REDACT_SECRET_BYTES_MIN);
    char *copy = td_strndup(secret, length);
    if (copy == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a secret");
    td_free(self->secrets[place]);
    self->secrets[place] = copy;
    self->lengths[place] = length;
    if (place == self->count)
        self->count++;
    return TD_OK;
}

td_result redactor_add(redactor *self, const char *secret, td_err *err)
{
    TD_ASSERT(self->fixed == self->count);
    for (uint32_t i = 0; i < self->count; i++)
        if (strcmp(self->secrets[i], secret) == 0)
            return TD_OK;
    if (self->count == REDACT_FIXED_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d secrets", REDACT_FIXED_MAX);
    td_result rc = put(self, self->count, secret, err);
    if (rc == TD_OK)
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

static void hide_place(uint8_t *bytes, size_t offset, size_t length, redaction *done)
{
    memset(bytes + offset, '*', length);
    if (done->count == 0 || offset < done->first_offset)
        done->first_offset = offset;
    done->count++;
    done->bytes += length;
}

static void hide_one(uint8_t *bytes, size_t size, const char *secret, size_t length,
                     redaction *done)
{
    uint8_t *at = bytes;
    uint8_t *hit;
    TD_ASSERT(length >= REDACT_SECRET_BYTES_MIN);
    while ((hit = memmem(at, size - (size_t)(at - bytes), secret, length)) != NULL) {
        TD_ASSERT((size_t)(hit - bytes) + length <= size);
        hide_place(bytes, (size_t)(hit - bytes), length, done);
        at = hit + length;
    }
}

/* ---- spelt with escapes ---- */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20; /* upper case to lower */
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character that is spelt at the place, and how many bytes its spelling has. */
static size_t spelling_at(const uint8_t *at, size_t left, uint8_t *out)
{
    size_t digits = left >= 6 && memcmp(at, "\\u00", 4) == 0 ? 4 : left >= 3 && *at == '%' ? 1 : 0;
    TD_ASSERT(left > 0);
    *out = *at;
    if (digits > 0 && hex_value(at[digits]) >= 0 && hex_value(at[digits + 1]) >= 0) {
        *out = (uint8_t)(hex_value(at[digits]) * 16 + hex_value(at[digits + 1]));
        return digits + 2;
    }
    if (left < 2 || *at != '\\' || (at[1] != '/' && at[1] != '"' && at[1] != '\\'))
        return 1;
    *out = at[1];
    return 2;
}

/* How many bytes from the place on spell the secret; 0: they do not. */
static size_t spells(const uint8_t *at, size_t left, const char *secret, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = 0;
        if (used == left)
            return 0;
        used += spelling_at(at + used, left - used, &c);
        if (c != (uint8_t)secret[i])
            return 0;
    }
    TD_ASSERT(used >= length);
    return used;
}

/* The longest spelling of any secret at the place; 0: of none. */
static size_t spelt_secret(const redactor *self, const uint8_t *at, size_t left)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        size_t used = spells(at, left, self->secrets[i], self->lengths[i]);
        longest = used > longest ? used : longest;
    }
    return longest;
}

/* Only a text with such a sign can have escapes; the exchange's frames have none but in the words
 * of an error, so nearly none pays for this. */
static void hide_spelt(const redactor *self, uint8_t *bytes, size_t size, redaction *done)
{
    uint8_t starts[UINT8_MAX + 1] = {0}; /* first characters of secrets */
    if (memchr(bytes, '\\', size) == NULL && memchr(bytes, '%', size) == NULL)
        return;
    for (uint32_t i = 0; i < self->count; i++)
        starts[(uint8_t)self->secrets[i][0]] = 1;
    for (size_t at = 0, used; at < size; at += used) {
        uint8_t first = 0;
        size_t one = spelling_at(bytes + at, size - at, &first);
        size_t whole = starts[first] ? spelt_secret(self, bytes + at, size - at) : 0;
        used = whole > 0 ? whole : one;
        if (whole > 0)
            hide_place(bytes, at, whole, done);
    }
}

/* Hidden by descending length: of a key that begins a longer secret nothing must stay behind. */
static void hide_plain(const redactor *self, uint8_t *bytes, size_t size, redaction *done)
{
    size_t below = SIZE_MAX;
    for (;;) {
        size_t length = 0;
        for (uint32_t i = 0; i < self->count; i++)
            if (self->lengths[i] < below && self->lengths[i] > length)
                length = self->lengths[i];
        if (length == 0)
            return;
        for (uint32_t i = 0; i < self->count; i++)
            if (self->lengths[i] == length)
                hide_one(bytes, size, self->secrets[i], length, done);
        below = length;
    }
}

/* Encoder and network thread both call it, hence the mutex; without secrets nobody does. */
redaction redactor_apply(redactor *self, uint8_t *bytes, size_t size)
{
    redaction done = {0};
    pthread_mutex_lock(&self->mutex);
    if (self->count > 0)
        hide_spelt(self, bytes, size, &done);
    hide_plain(self, bytes, size, &done);
    pthread_mutex_unlock(&self->mutex);
    return done;
}
