#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "export/export_days.h"
#include "export/book_trust.h"
#include "export/export_writer.h"
#include "play/message_line.h"
#include "json/json_write.h"
#include "tape/frame_json.h"
#include "archive/gap.h"

/* Bits of "flags", the same in every format that has them (docs/export.md). */
enum {
    FLAG_LAST_OF_FRAME = 1,
    FLAG_SNAPSHOT = 2,
    FLAG_LATE = 4,
    FLAG_NOT_TRUSTED = 8,
};

typedef struct export_jsonl {
    export_job job;
    export_days days;
    export_series *series; /* the only one */
    book_trust *trusts;    /* of books, by stream */
    size_t trust_count;
    const gap_row **gaps; /* those of the selection, by the moment at which they begin */
    size_t gap_count;
    size_t gap_next;
    uint64_t frames;            /* of the selection so far */
    uint64_t first_ns, last_ns; /* of these; 0: none */
} export_jsonl;

/* ---- gaps of the selection ---- */

static int compare_gaps(const void *a, const void *b)
{
    const gap_row *x = *(const gap_row *const *)a;
    const gap_row *y = *(const gap_row *const *)b;
    if (x->from_ns != y->from_ns)
        return x->from_ns < y->from_ns ? -1 : 1;
    return gap_row_compare(x, y);
}

/* By time over all feeds: they stand in one stream. */
static void gather_gaps(export_jsonl *self)
{
    const gap_list *all = self->job.gaps;
    self->gaps = td_alloc_zero(all->count + 1, sizeof(const gap_row *));
    for (size_t i = 0; i < all->count; i++)
        if (selection_wants_gap(self->job.wanted, self->job.window, &all->rows[i]))
            self->gaps[self->gap_count++] = &all->rows[i];
    TD_ASSERT(self->gap_count <= all->count);
    if (self->gap_count > 0)
        qsort(self->gaps, self->gap_count, sizeof(const gap_row *), compare_gaps);
}

/* ---- lines ---- */

/* Begin an object in the file of the day. from: as export_days_rows. */
static td_result begin_line(export_jsonl *self, const channel_info *from, json_writer *json,
                            td_err *err)
{
    td_buf *out = NULL;
    td_result rc = export_days_rows(&self->days, self->series, from, &out, err);
    if (rc != TD_OK)
        return rc;
    json_write_begin(json, out);
    json_write_object_begin(json);
    return TD_OK;
}

/* A failure of the writer shows here. */
static td_result end_line(export_jsonl *self, json_writer *json, td_err *err)
{
    json_write_object_end(json);
    td_result rc = json_write_end(json, err);
    if (rc == TD_OK)
        rc = td_buf_append(export_file_buf(self->series->file), "\n", 1, err);
    self->series->counts.rows++;
    return rc == TD_OK ? export_file_flush(self->series->file, err) : rc;
}

/* ---- gaps ---- */

/* Gaps that begin before this moment stand before its frame; one that began before the selection
 * stands at its start, one that begins after last_ns in the file of that day. */
static td_result write_gaps_before(export_jsonl *self, uint64_t recv_ns, uint64_t last_ns,
                                   td_err *err)
{
    const export_job *job = &self->job;
    uint64_t first_ns = job->wanted->has_from ? job->window.from_ns : self->first_ns;
    td_result rc = TD_OK;
    while (rc == TD_OK && self->gap_next < self->gap_count &&
           self->gaps[self->gap_next]->from_ns < recv_ns) {
        const gap_row *gap = self->gaps[self->gap_next++];
        uint64_t at_ns = gap->from_ns < first_ns ? first_ns : gap->from_ns;
        rc = export_days_turn(&self->days, at_ns < last_ns ? at_ns : last_ns, err);
        json_writer json;
        if (rc == TD_OK)
            rc = begin_line(self, NULL, &json, err);
        if (rc != TD_OK)
            break;
        json_write_member_text(&json, "type", "gap");
        gap_json_members(&json, gap);
        rc = end_line(self, &json, err);
    }
    return rc;
}

/* ---- messages ---- */

static book_trust *trust_of(export_jsonl *self, const frame_channel *channel)
{
    uint32_t at = channel->stream;
    TD_ASSERT(at != FRAME_NO_STREAM);
    self->trusts = td_array_reach(self->trusts, &self->trust_count, at, sizeof *self->trusts);
    return &self->trusts[at];
}

static td_result resume(void *ctx, const frame_ref *first, const symbol_topic *before, td_err *err)
{
    export_jsonl *self = ctx;
    (void)err;
    book_trust_resume(trust_of(self, first->channel), TRUST_WITHOUT_COPIES, self->job.gaps,
                      &first->channel->info, before);
    return TD_OK;
}

/* A frame of a book is judged by its book_trust: its flags. */
static unsigned judge(export_jsonl *self, const observed_frame *seen)
{
    const trust_answer answer =
        book_trust_apply(trust_of(self, seen->frame->channel), TRUST_WITHOUT_COPIES, self->job.gaps,
                         seen, cursor_damaged_until_ns(self->job.tape));
    return (answer.is_trusted ? 0U : FLAG_NOT_TRUSTED) | (answer.is_snapshot ? FLAG_SNAPSHOT : 0U);
}

/* A message as every program prints it (schema/message_json.h). What cannot be decoded is a line as
 * well: a stream without it would seem whole. */
static td_result on_message(export_jsonl *self, const observed_frame *seen, td_err *err)
{
    const frame_ref *frame = seen->frame;
    const message *m = frame->content.message;
    unsigned flags = FLAG_LAST_OF_FRAME;
    int is_book = seen->found != NULL && frame->row->type == MSG_BOOK_CHANGE;
    flags |= is_book ? judge(self, seen) : 0U;
    if (frame->is_lead_in)
        return TD_OK;
    flags |= frame->is_late ? FLAG_LATE : 0;
    flags |= m != NULL && m->head.kind == FRAME_SNAPSHOT ? FLAG_SNAPSHOT : 0;
    json_writer json;
    td_result rc = begin_line(self, &frame->channel->info, &json, err);
    if (rc != TD_OK)
        return rc;
    self->series->counts.frames++;
    self->series->counts.undecoded_frames += m == NULL;
    message_line(&json, frame);
    frame_json_place(&json, frame);
    json_write_member_u64(&json, "frame", self->frames);
    json_write_member_u64(&json, "flags", flags);
    return end_line(self, &json, err);
}

/* ---- frames ---- */

static td_result on_frame(void *ctx, const observed_frame *seen, td_err *err)
{
    export_jsonl *self = ctx;
    const frame_ref *frame = seen->frame;
    frame_role role = frame->channel->role;
    if (frame->is_copy)
        return TD_OK;
    if (!frame->is_lead_in) {
        self->frames += role != ROLE_HTTP;
        self->first_ns = self->first_ns == 0 ? frame->recv_ns : self->first_ns;
        self->last_ns = frame->recv_ns;
    }
    if (!frame_role_is_of_topic(role))
        return TD_OK;
    td_result rc = TD_OK;
    if (!frame->is_lead_in) {
        rc = write_gaps_before(self, frame->recv_ns, frame->recv_ns, err);
        if (rc == TD_OK)
            rc = export_days_turn(&self->days, frame->recv_ns, err);
    }
    if (rc == TD_OK)
        rc = on_message(self, seen, err);
    if (rc == TD_OK)
        return rc;
    return td_err_add(err, rc, "feed %s, %s", frame->channel->info.feed,
                      frame->channel->info.exchange_topic);
}

/* Gaps after the last frame. */
static td_result finish(void *ctx, td_err *err)
{
    export_jsonl *self = ctx;
    if (self->first_ns == 0)
        return TD_OK;
    uint64_t last_ns = self->job.wanted->has_to ? self->job.window.to_ns - 1 : self->last_ns;
    td_result rc = write_gaps_before(self, UINT64_MAX, last_ns, err);
    return rc == TD_OK ? export_days_finish(&self->days, err) : rc;
}

/* ---- the format ---- */

static void close_jsonl(void *writer)
{
    export_jsonl *self = writer;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->trust_count; i++)
        book_trust_fini(&self->trusts[i]);
    td_free(self->trusts);
    td_free(self->gaps);
    export_days_fini(&self->days);
    td_free(self);
}

static export_place place(const export_spec *spec, const frame_channel *channel)
{
    (void)channel;
    return (export_place){EXPORT_USE_FILE, spec->types[0], NULL};
}

static void *open_jsonl(const export_job *job)
{
    export_jsonl *made = td_alloc_zero(1, sizeof *made);
    made->job = *job;
    made->days = (export_days){.job = &made->job, .day = EXPORT_DAY_NONE};
    const export_place everything = {.type = job->spec->types[0]};
    const char *refusal = NULL;
    td_result rc = export_series_of(&made->days.series, &everything, td_bytes_str(""),
                                    &made->series, &refusal, NULL);
    TD_ASSERT(rc == TD_OK); /* it is the first */
    gather_gaps(made);
    return made;
}

const export_format EXPORT_JSONL = {
    .name = "jsonl",
    .summary = "one typed message per line, one file per day",
    .suffix = ".jsonl",
    .packing = EXPORT_PLAIN,
    .reads = TAPE_READS_ALL,
    .types = {{"messages", "", 0}},
    .place = place,
    .open = open_jsonl,
    .resume = resume,
    .frame = on_frame,
    .finish = finish,
    .close = close_jsonl,
};
