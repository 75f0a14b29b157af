#include "capture/redact_frame.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

/* zlib asks for room for the worst case, whatever it then needs. */
enum { PACKED_BYTES_MAX = LIMIT_FRAME_BYTES + (64 << 10) };

void frame_redactor_init(frame_redactor *self)
{
    self->inflater = NULL;
    td_buf_init(&self->packed, PACKED_BYTES_MAX);
}

void frame_redactor_fini(frame_redactor *self)
{
    td_inflater_close(self->inflater);
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

/* What is inside of a compressed frame. found->done.count stays 0 if nothing has to change. */
static td_result hide_inside(frame_redactor *self, redactor *secrets, uint8_t *bytes, size_t size,
                             td_bytes *out, frame_redaction *found, td_err *err)
{
    td_result rc = TD_OK;
    if (self->inflater == NULL)
        rc = td_inflater_open(LIMIT_FRAME_BYTES, 0, &self->inflater, err);
    if (rc != TD_OK)
        return rc;
    td_bytes whole;
    td_result inflated = td_inflater_run(self->inflater, td_bytes_of(bytes, size), &whole, err);
    if (inflated == TD_E_NOMEM)
        return inflated;
    size_t text_size = 0;
    uint8_t *text = td_inflater_output(self->inflater, &text_size);
    redaction done = redactor_apply(secrets, text, text_size);
    if (done.count == 0)
        return TD_OK;
    td_buf_clear(&self->packed);
    if (inflated == TD_OK)
        rc = td_inflater_deflate(self->inflater, td_bytes_of(text, text_size), &self->packed, err);
    if (rc == TD_E_NOMEM)
        return rc;
    /* The sender may compress better than we do: what is then above the limit is no frame. */
    if (inflated == TD_OK && rc == TD_OK && self->packed.size <= LIMIT_FRAME_BYTES) {
        *found = (frame_redaction){.done = done, .how = REDACT_RECOMPRESSED};
        *out = td_buf_view(&self->packed);
        return TD_OK;
    }
    memset(bytes, '*', size);
    *found = (frame_redaction){.done = {.count = done.count, .bytes = size}, .how = REDACT_WHOLE};
    return TD_OK;
}

td_result frame_redactor_apply(frame_redactor *self, redactor *secrets, uint8_t *bytes, size_t size,
                               int is_binary, td_bytes *out, frame_redaction *found, td_err *err)
{
    TD_ASSERT(size <= LIMIT_FRAME_BYTES);
    *found = (frame_redaction){.how = REDACT_IN_PLACE};
    *out = td_bytes_of(bytes, size);
    int is_gzip = size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    if (is_binary || is_gzip) {
        td_result rc = hide_inside(self, secrets, bytes, size, out, found, err);
        if (rc != TD_OK || found->done.count > 0)
            return rc;
    }
    found->done = redactor_apply(secrets, bytes, size);
    return TD_OK;
}
