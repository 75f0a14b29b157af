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
static void copy_frame(frame_redactor *self, td_bytes frame)
{
    td_buf_clear(&self->text);
    td_buf_grow(&self->text, frame.size + DECODE_PADDING_BYTES);
    td_buf_add(&self->text, frame.data, frame.size);
}

/* Compress text again, into self->packed. 0 if that is too large for a frame, because the sender
 * compresses better. */
static int pack(frame_redactor *self, td_bytes text)
{
    td_buf_clear(&self->packed);
    return td_inflater_deflate(self->inflater, text, &self->packed, NULL) == TD_OK &&
           self->packed.size <= LIMIT_FRAME_BYTES &&
           td_buf_reserve(&self->packed, DECODE_PADDING_BYTES, NULL) == TD_OK;
}

/* What is inside of a compressed frame. found->done.count stays 0 if nothing has to change. */
static void hide_inside(frame_redactor *self, redactor *secrets, td_bytes frame, td_bytes *out,
                        frame_redaction *found)
{
    if (self->inflater == NULL)
        self->inflater = td_inflater_open(LIMIT_FRAME_BYTES, 0);
    td_bytes whole;
    int is_whole = td_inflater_run(self->inflater, frame, &whole, NULL) == TD_OK;
    size_t text_size = 0;
    uint8_t *text = td_inflater_output(self->inflater, &text_size);
    redaction done = redactor_apply(secrets, text, text_size);
    if (done.count == 0)
        return;
    if (is_whole && pack(self, td_bytes_of(text, text_size))) {
        *found = (frame_redaction){.done = done, .how = REDACT_RECOMPRESSED};
        *out = td_buf_view(&self->packed);
        return;
    }
    copy_frame(self, frame);
    memset(self->text.data, '*', frame.size);
    *found =
        (frame_redaction){.done = {.count = done.count, .bytes = frame.size}, .how = REDACT_WHOLE};
    *out = td_buf_view(&self->text);
}

void frame_redactor_apply(frame_redactor *self, redactor *secrets, td_bytes frame, int is_binary,
                          td_bytes *out, frame_redaction *found)
{
    TD_ASSERT(frame.size <= LIMIT_FRAME_BYTES);
    *found = (frame_redaction){.how = REDACT_IN_PLACE};
    *out = frame;
    if (may_be_compressed(frame, is_binary)) {
        hide_inside(self, secrets, frame, out, found);
        if (found->done.count > 0)
            return;
    }
    copy_frame(self, frame);
    found->done = redactor_apply(secrets, self->text.data, self->text.size);
    if (found->done.count > 0)
        *out = td_buf_view(&self->text);
}
