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

static void hide_one(uint8_t *bytes, size_t size, const char *secret, size_t length,
                     redaction *done)
{
    uint8_t *at = bytes;
    size_t left = size;
    uint8_t *hit;
    TD_ASSERT(length >= REDACT_SECRET_BYTES_MIN);
    while ((hit = memmem(at, left, secret, length)) != NULL) {
        size_t offset = (size_t)(hit - bytes);
        TD_ASSERT(offset + length <= size);
        memset(hit, '*', length);
        if (done->count == 0 || offset < done->first_offset)
            done->first_offset = offset;
        done->count++;
        done->bytes += length;
        left -= (size_t)(hit - at) + length;
        at = hit + length;
    }
}

/* Encoder and network thread both call it, hence the mutex; without secrets nobody does. */
redaction redactor_apply(redactor *self, uint8_t *bytes, size_t size)
{
    redaction done = {0};
    pthread_mutex_lock(&self->mutex);
    for (uint32_t i = 0; i < self->count; i++)
        hide_one(bytes, size, self->secrets[i], self->lengths[i], &done);
    pthread_mutex_unlock(&self->mutex);
    return done;
}
