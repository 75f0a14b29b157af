#include "capture/redact_frame.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "schema/decode.h"

enum {
    TEXT_BYTES_MAX = LIMIT_FRAME_BYTES + DECODE_PADDING_BYTES,
    /* zlib requires space for the worst case, whatever it then needs. */
    PACKED_BYTES_MAX = TEXT_BYTES_MAX + (64 << 10),
};

void frame_redactor_init(frame_redactor *self)
{
    self->inflater = NULL;
    td_buf_init(&self->text, TEXT_BYTES_MAX);
    td_buf_init(&self->packed, PACKED_BYTES_MAX);
}

void frame_redactor_fini(frame_redactor *self)
{
    td_inflater_close(self->inflater);
    td_buf_fini(&self->text);
    td_buf_fini(&self->packed);
    self->inflater = NULL;
}

const char *redact_how_name(redact_how how)
{
    static const char *const NAMES[] = {
        [REDACT_IN_PLACE] = NULL,
        [REDACT_RECOMPRESSED] = "recompressed",
        [REDACT_WHOLE] = "overwritten",
    };
    TD_ASSERT((size_t)how < sizeof NAMES / sizeof NAMES[0]);
    return NAMES[how];
}

/* 1 if it may be compressed. Text that the exchange or a client sends begins as JSON does. */
static int may_be_compressed(td_bytes frame, int is_binary)
{
    if (is_binary || frame.size == 0)
        return is_binary;
    uint8_t first = frame.data[0];
    return first != '{' && first != '[' && first != ' ' && (first < '\t' || first > '\r');
}

/* The frame in self->text, where it may be changed. */
static td_result copy_frame(frame_redactor *self, td_bytes frame, td_err *err)
{
    td_buf_clear(&self->text);
    td_result rc = td_buf_reserve(&self->text, frame.size + DECODE_PADDING_BYTES, err);
    return rc == TD_OK ? td_buf_append(&self->text, frame.data, frame.size, err) : rc;
}

/* Compress text again, into self->packed. TD_E_LIMIT: the sender compresses better than we do, and
 * what is above the limit is no frame. */
static td_result pack(frame_redactor *self, td_bytes text, td_err *err)
{
    td_buf_clear(&self->packed);
    td_result rc = td_inflater_deflate(self->inflater, text, &self->packed, err);
    if (rc == TD_OK && self->packed.size > LIMIT_FRAME_BYTES)
        return td_err_set(err, TD_E_LIMIT, "%zu bytes compressed again", self->packed.size);
    return rc == TD_OK ? td_buf_reserve(&self->packed, DECODE_PADDING_BYTES, err) : rc;
}

/* What is inside of a compressed frame. found->done.count stays 0 if nothing has to change. */
static td_result hide_inside(frame_redactor *self, redactor *secrets, td_bytes frame, td_bytes *out,
                             frame_redaction *found, td_err *err)
{
    td_result rc = TD_OK;
    if (self->inflater == NULL)
        rc = td_inflater_open(LIMIT_FRAME_BYTES, 0, &self->inflater, err);
    if (rc != TD_OK)
        return rc;
    td_bytes whole;
    td_result inflated = td_inflater_run(self->inflater, frame, &whole, err);
    if (inflated == TD_E_NOMEM)
        return inflated;
    size_t text_size = 0;
    uint8_t *text = td_inflater_output(self->inflater, &text_size);
    redaction done = redactor_apply(secrets, text, text_size);
    if (done.count == 0)
        return TD_OK;
    td_result packed = inflated == TD_OK ? pack(self, td_bytes_of(text, text_size), err) : inflated;
    if (packed == TD_E_NOMEM)
        return packed;
    if (packed == TD_OK) {
        *found = (frame_redaction){.done = done, .how = REDACT_RECOMPRESSED};
        *out = td_buf_view(&self->packed);
        return TD_OK;
    }
    rc = copy_frame(self, frame, err);
    if (rc != TD_OK)
        return rc;
    memset(self->text.data, '*', frame.size);
    *found =
        (frame_redaction){.done = {.count = done.count, .bytes = frame.size}, .how = REDACT_WHOLE};
    *out = td_buf_view(&self->text);
    return TD_OK;
}

td_result frame_redactor_apply(frame_redactor *self, redactor *secrets, td_bytes frame,
                               int is_binary, td_bytes *out, frame_redaction *found, td_err *err)
{
    TD_ASSERT(frame.size <= LIMIT_FRAME_BYTES);
    *found = (frame_redaction){.how = REDACT_IN_PLACE};
    *out = frame;
    if (may_be_compressed(frame, is_binary)) {
        td_result rc = hide_inside(self, secrets, frame, out, found, err);
        if (rc != TD_OK || found->done.count > 0)
            return rc;
    }
    td_result rc = copy_frame(self, frame, err);
    if (rc != TD_OK)
        return rc;
    found->done = redactor_apply(secrets, self->text.data, self->text.size);
    if (found->done.count > 0)
        *out = td_buf_view(&self->text);
    return TD_OK;
}
