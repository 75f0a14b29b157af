#include "export/export_jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "export/export_gate.h"
#include "export/export_lateness.h"
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
    export_lateness *lateness;
    export_series *series; /* the only one */
    export_file *file;     /* NULL: none yet on this day */
    char name[EXPORT_NAME_BYTES];
    export_counts counts;
    export_gate **gates; /* of books, by stream */
    size_t gate_count;
    const gap_row **gaps; /* those of the selection, by the moment at which they begin */
    size_t gap_count;
    size_t gap_next;
    uint64_t frames; /* of the selection so far */
    uint32_t day;
    uint32_t last_day;
    export_stretch empty;
    uint8_t has_days;
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
static td_result gather_gaps(export_jsonl *self, td_err *err)
{
    const gap_list *all = self->job.gaps;
    self->gaps = td_alloc_zero(all->count + 1, sizeof(const gap_row *));
    if (self->gaps == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu gaps", all->count);
    for (size_t i = 0; i < all->count; i++)
        if (selection_wants_gap(self->job.wanted, self->job.window, &all->rows[i]))
            self->gaps[self->gap_count++] = &all->rows[i];
    TD_ASSERT(self->gap_count <= all->count);
    if (self->gap_count > 0)
        qsort(self->gaps, self->gap_count, sizeof(const gap_row *), compare_gaps);
    return TD_OK;
}

/* ---- days and lines ---- */

static td_result end_day(export_jsonl *self, td_err *err)
{
    export_sums sums;
    export_entry entry = {.type = self->series->type,
                          .day = self->day,
                          .counts = &self->counts,
                          .empty = &self->empty};
    TD_ASSERT((self->file != NULL) == (self->counts.rows > 0));
    if (self->file != NULL) {
        export_file *file = self->file;
        self->file = NULL;
        td_result rc = export_file_finish(file, &sums, err);
        if (rc != TD_OK)
            return rc;
        entry.name = self->name;
        entry.sums = &sums;
    }
    td_result rc = export_manifest_add(self->job.manifest, &entry, err);
    export_counts_clear(&self->counts);
    return rc;
}

/* Days between without a message stand in the manifest, too. */
static td_result turn_to(export_jsonl *self, uint32_t day, td_err *err)
{
    TD_ASSERT(self->has_days);
    TD_ASSERT(day <= self->last_day + 1);
    td_result rc = TD_OK;
    for (; self->day < day && rc == TD_OK; self->day++)
        rc = end_day(self, err);
    return rc;
}

/* The file of the day, made when it gets its first line. */
static td_result open_file(export_jsonl *self, td_err *err)
{
    const export_format *format = self->job.spec->format;
    TD_ASSERT(self->day <= self->last_day);
    td_result rc =
        export_name_format(format, self->series->type, "", "", self->day, self->name, err);
    if (rc == TD_OK)
        rc = export_folder_check(self->job.folder, self->name, err);
    return rc == TD_OK
               ? export_file_open(self->job.folder, self->name, format->packing, &self->file, err)
               : rc;
}

/* Begin an object in the file of the day. */
static td_result begin_line(export_jsonl *self, json_writer *json, td_err *err)
{
    td_result rc = self->file == NULL ? open_file(self, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    json_write_begin(json, export_file_buf(self->file));
    json_write_object_begin(json);
    return TD_OK;
}

/* Each object is passed on when it is whole; a failure of the writer shows here. */
static td_result end_line(export_jsonl *self, json_writer *json, td_err *err)
{
    TD_ASSERT(self->file != NULL);
    json_write_object_end(json);
    td_result rc = json_write_end(json, err);
    if (rc == TD_OK)
        rc = td_buf_append(export_file_buf(self->file), "\n", 1, err);
    self->counts.rows++;
    return rc == TD_OK ? export_file_settle(self->file, err) : rc;
}

/* ---- gaps ---- */

static td_result write_gap(export_jsonl *self, const gap_row *gap, td_err *err)
{
    json_writer json;
    td_result rc = begin_line(self, &json, err);
    if (rc != TD_OK)
        return rc;
    json_write_member_text(&json, "type", "gap");
    gap_json_members(&json, gap);
    return end_line(self, &json, err);
}

/* Gaps that begin before this moment stand before its frame; one that began before the selection
 * stands at its start. */
static td_result write_gaps_before(export_jsonl *self, uint64_t recv_ns, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && self->gap_next < self->gap_count &&
           self->gaps[self->gap_next]->from_ns < recv_ns) {
        const gap_row *gap = self->gaps[self->gap_next++];
        uint32_t day = export_day_of(gap->from_ns);
        if (day > self->last_day)
            day = self->last_day;
        if (day > self->day)
            rc = turn_to(self, day, err);
        if (rc == TD_OK)
            rc = write_gap(self, gap, err);
    }
    return rc;
}

/* ---- messages ---- */

static td_result gate_of(export_jsonl *self, const tape_channel *channel, export_gate **out,
                         td_err *err)
{
    TD_ASSERT(channel->stream != TAPE_NO_STREAM);
    export_gate **gates =
        td_array_reach(self->gates, &self->gate_count, channel->stream, sizeof(export_gate *));
    if (gates == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u topics", channel->stream + 1);
    self->gates = gates;
    export_gate **at = &gates[channel->stream];
    td_result rc =
        *at == NULL ? export_gate_open(self->job.gaps, GATE_WITHOUT_COPIES, at, err) : TD_OK;
    *out = *at;
    return rc;
}

/* A frame of a book goes through the book's gate. change NULL: it could not be decoded. */
static td_result judge(export_jsonl *self, const tape_frame *frame, const message *change,
                       unsigned *flags, td_err *err)
{
    export_gate *gate = NULL;
    gate_answer answer;
    td_result rc = gate_of(self, frame->channel, &gate, err);
    if (rc == TD_OK)
        rc = export_gate_take(gate, frame, change, self->job.damaged_until_ns(self->job.user),
                              &answer, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(change != NULL || !answer.is_trusted);
    *flags |= answer.is_trusted ? 0 : FLAG_NOT_TRUSTED;
    *flags |= answer.is_snapshot ? FLAG_SNAPSHOT : 0;
    return TD_OK;
}

/* A message as every program prints it (schema/message_json.h). What cannot be decoded is a line as
 * well: a stream without it would seem whole. */
static td_result take_message(export_jsonl *self, const tape_frame *frame, td_err *err)
{
    const message *m = frame->content->message;
    unsigned flags = FLAG_LAST_OF_FRAME;
    int is_book = frame->row != NULL && frame->row->type == MSG_BOOK_CHANGE;
    td_result rc = is_book ? judge(self, frame, m, &flags, err) : TD_OK;
    if (rc != TD_OK || frame->is_lead_in)
        return rc;
    flags |= export_lateness_is_late(self->lateness, frame) ? FLAG_LATE : 0;
    flags |= m != NULL && m->head.kind == FRAME_SNAPSHOT ? FLAG_SNAPSHOT : 0;
    json_writer json;
    rc = begin_line(self, &json, err);
    if (rc != TD_OK)
        return rc;
    self->counts.frames++;
    self->counts.undecoded_frames += m == NULL;
    message_line(&json, frame);
    frame_json_place(&json, frame);
    json_write_member_u64(&json, "frame", self->frames);
    json_write_member_u64(&json, "flags", flags);
    return end_line(self, &json, err);
}

/* ---- the sink ---- */

static td_result take_frame(void *ctx, const tape_frame *frame, uint64_t deadline_ns, td_err *err)
{
    export_jsonl *self = ctx;
    frame_role role = frame->channel->role;
    (void)deadline_ns;
    if (role == ROLE_EVENT)
        return export_lateness_event(self->lateness, frame, err);
    self->frames += !frame->is_lead_in && role != ROLE_HTTP;
    if (role != ROLE_DATA && role != ROLE_UNKNOWN)
        return TD_OK;
    td_result rc = TD_OK;
    if (!frame->is_lead_in) {
        rc = write_gaps_before(self, frame->recv_ns, err);
        if (rc == TD_OK)
            rc = turn_to(self, export_day_of(frame->recv_ns), err);
    }
    if (rc == TD_OK)
        rc = take_message(self, frame, err);
    if (rc == TD_OK)
        return rc;
    return td_err_add(err, rc, "feed %s, %s", frame->channel->info.feed,
                      frame->channel->info.exchange_topic);
}

/* Gaps behind the last frame, and the days up to the end of the selection. */
static td_result finish(void *ctx, td_err *err)
{
    export_jsonl *self = ctx;
    if (!self->has_days)
        return TD_OK;
    td_result rc = write_gaps_before(self, UINT64_MAX, err);
    if (rc == TD_OK)
        rc = turn_to(self, self->last_day + 1, err);
    const export_entry entry = {.type = self->series->type, .empty = &self->empty};
    return rc == TD_OK ? export_manifest_end_days(self->job.manifest, &entry, err) : rc;
}

/* ---- the format ---- */

static void close_jsonl(void *writer)
{
    export_jsonl *self = writer;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->gate_count; i++)
        export_gate_close(self->gates[i]);
    td_free(self->gates);
    td_free(self->gaps);
    export_file_abandon(self->file);
    export_counts_clear(&self->counts);
    export_lateness_close(self->lateness);
    td_free(self);
}

static td_result open_jsonl(const export_job *job, sink *out, td_err *err)
{
    static const sink_ops OPS = {.name = "jsonl",
                                 .frame = take_frame,
                                 .finish = finish,
                                 .wants_events = 1,
                                 .wants_lead_in = 1};
    export_jsonl *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a writer");
    made->job = *job;
    made->has_days = (uint8_t)export_survey_days(job->survey, job->wanted, job->window, &made->day,
                                                 &made->last_day);
    const export_type *type = job->spec->types[EXPORT_MESSAGES];
    TD_ASSERT(type != NULL);
    td_result rc =
        export_series_get(&made->job.survey->series, type, "", "", "", &made->series, err);
    if (rc == TD_OK)
        rc = gather_gaps(made, err);
    if (rc == TD_OK)
        rc = export_lateness_open(&made->lateness, err);
    if (rc != TD_OK) {
        close_jsonl(made);
        return rc;
    }
    *out = (sink){&OPS, made};
    return TD_OK;
}

const export_format EXPORT_JSONL = {
    .name = "jsonl",
    .summary = "JSON lines, one typed message a line, all feeds in one stream, one file a day",
    .suffix = ".jsonl",
    .packing = EXPORT_PLAIN,
    .wants_events = 1,
    .reads = TAPE_READS_ALL,
    .types = {{EXPORT_MESSAGES, "messages", ""}},
    .open = open_jsonl,
    .close = close_jsonl,
};
