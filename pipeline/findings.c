#include "pipeline/findings.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/ring.h"

struct findings {
    td_ring *ring; /* of events as JSON, each after its feed's index */
    td_log log;
    td_buf text;          /* the live check's thread's */
    event_reader *events; /* of who takes them */
};

enum { EVENT_BYTES_MAX = FINDINGS_RING_BYTES / 2 };

td_result findings_open(const td_log *log, findings **out, td_err *err)
{
    findings *self = td_alloc_zero(1, sizeof *self);
    if (log != NULL)
        self->log = *log;
    td_buf_init(&self->text, EVENT_BYTES_MAX);
    self->events = event_reader_open();
    td_result rc = td_ring_open(FINDINGS_RING_BYTES, &self->ring, err);
    if (rc != TD_OK) {
        findings_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

void findings_close(findings *self)
{
    if (self == NULL)
        return;
    td_ring_close(self->ring);
    td_buf_fini(&self->text);
    event_reader_close(self->events);
    td_free(self);
}

/* What is not recorded counts in the live check's statistics all the same. */
void findings_put(findings *self, uint16_t feed_index, const event *what)
{
    td_err err;
    td_buf_clear(&self->text);
    uint8_t *to = event_encode(what, &self->text, &err) == TD_OK
                      ? td_ring_reserve(self->ring, sizeof feed_index + self->text.size)
                      : NULL;
    if (to == NULL) {
        td_log_emit(&self->log, TD_LOG_WARNING,
                    "this finding of the live check is not recorded: the recorder is late; replay "
                    "finds it again");
        return;
    }
    memcpy(to, &feed_index, sizeof feed_index);
    memcpy(to + sizeof feed_index, self->text.data, self->text.size);
    td_ring_commit(self->ring, sizeof feed_index + self->text.size);
}

int findings_next(findings *self, uint16_t *feed_index, event *out)
{
    td_ring_release(self->ring);
    td_bytes record = td_ring_peek(self->ring);
    if (record.data == NULL)
        return 0;
    memcpy(feed_index, record.data, sizeof *feed_index);
    const td_bytes text =
        td_bytes_of(record.data + sizeof *feed_index, record.size - sizeof *feed_index);
    td_result rc = event_decode(self->events, text, out, NULL);
    TD_ASSERT(rc == TD_OK); /* by event_encode */
    return 1;
}
