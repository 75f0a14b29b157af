#include "export/export_day.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "base/cli/units.h"
#include "archive/read_plan.h"
#include "tape/topic_trust.h"
#include "tape/content.h"
#include "export/export_manifest.h"
#include "export/export_name.h"
#include "export/export_scan.h"
#include "export/export_writers.h"
#include "replay/play/player.h"
#include "schema/entry_order.h"
#include "tape/cursor.h"
#include "tape/found_gaps.h"

/* How the export uses the frames of a channel. */
typedef enum channel_use {
    USE_UNKNOWN,
    USE_NOT_CLEAN,
    USE_OTHER_PASS,
    USE_NOTHING,
    USE_FOREIGN,
    USE_ROWS
} channel_use;

/* The writer of one format for a maker's rows (export/export_row.h). */
typedef struct maker_output {
    const export_output *output;
    export_writer *writer; /* NULL: each row goes to the writer of the row's own symbol */
    uint8_t is_deferred;   /* 1: the topic's symbol is written in another pass */
} maker_output;

struct day_route;

/* Topics of a symbol that supply a type's rows together (export_type.joins). */
typedef struct joined_topics {
    const export_type *type;
    void *type_maker;
    struct day_route **routes;
    size_t route_count;
} joined_topics;

/* The maker of one type for one topic (export/export_type.h). */
typedef struct day_maker {
    struct day_route *route;
    const export_type *type;
    void *type_maker;            /* opened by the type; NULL if the type opens none */
    joined_topics *joined;       /* owns type_maker; NULL: the maker owns it */
    const export_choice *choice; /* NULL: the type exports all topics */
    maker_output *outputs;
    size_t output_count;
} day_maker;

/* The makers that get the frames of one topic of a symbol; one thread at a time. */
typedef struct day_route {
    struct day_run *run;
    const frame_channel *channel; /* of the first frame */
    const channel_info *latest;   /* of the last frame */
    const struct stream *stream;  /* its trust decides which rows are written */
    uint8_t has_intervals;        /* 1 if a maker's rows are about time intervals (bars) */
    coverage covered;             /* the time in which no trades are missing */
    size_t gap_next;              /* index of the first gap in the ledger not checked yet */
    const gap_row *gap_last;      /* the last one that concerns the topic; NULL: none yet */
    const gap_row *gap_held;      /* found before a frame of another topic, not yet given to the
                                     makers; NULL: none */
    uint64_t last_ns;             /* receive time of the last frame; 0: none yet */
    const char *refusal;        /* the reason why the symbol is left out; NULL if it is exported */
    const maker_frame *current; /* NULL between frames */
    entry_order order;          /* of the current frame's entries */
    day_maker *makers;
    size_t maker_count;
    const char **others; /* topics that supply rows instead of this one, each for its types */
    size_t other_count;  /* 0 once they are noted */
    trust_break *breaks; /* of the day, if books are made from the topic */
    size_t break_count;
} day_route;

typedef struct day_run {
    const export_day *day;
    cursor *tape;
    player *player;
    observer_ops ops;
    export_choices choices;
    export_writers writers;
    export_precisions precisions;
    int64_t clock_offset_ns;
    uint8_t has_first_pass; /* 0: another unit of the day has it */
    uint8_t *uses;          /* channel_use by the channel's index */
    size_t use_count;
    export_writer *frame_writer; /* of the format for whole frames (jsonl); NULL if not requested */
    day_route **routes;
    size_t route_count;
    joined_topics **joined;
    size_t joined_count;
    row_table joined_by_symbol; /* indexes in joined, by feed and symbol */
    topic_times *times;         /* NULL if no type's rows are about intervals */
    pthread_mutex_t lock;       /* guards left_out and left_out_topics */
    export_left_out left_out[LIMIT_EXPORT_LEFT_OUT + 1];
    size_t left_out_count;
    left_out_topics left_out_topics;
    uint64_t useful_frames;
    uint64_t foreign_frames;
    atomic_uint left_out_formats;   /* bits by index in the spec's formats */
    atomic_uchar has_other_symbols; /* 1: an entry of a symbol's topic names another one */
    silent_list silent;             /* topics that were asked for on the day and sent nothing */
    gap_list began;                 /* their states that were not right before */
    replay_report report;           /* of the first pass, which plays all frames */
    gap_list found;                 /* gaps that the ledger lacks */
} day_run;

/* ---- symbols that are left out ---- */

static export_left_out *find_left_out(day_run *run, const char *feed, const char *symbol,
                                      const char *reason)
{
    for (size_t i = 0; i < run->left_out_count; i++) {
        export_left_out *row = &run->left_out[i];
        if (strcmp(row->feed, feed) == 0 && strcmp(row->symbol, symbol) == 0)
            return row;
    }
    if (run->left_out_count > LIMIT_EXPORT_LEFT_OUT)
        return &run->left_out[LIMIT_EXPORT_LEFT_OUT];
    export_left_out *row = &run->left_out[run->left_out_count++];
    if (run->left_out_count > LIMIT_EXPORT_LEFT_OUT) {
        row->reason = "further symbols that are left out";
        return row;
    }
    (void)snprintf(row->feed, sizeof row->feed, "%s", feed);
    (void)snprintf(row->symbol, sizeof row->symbol, "%s", symbol);
    row->reason = reason;
    return row;
}

/* Counts a frame whose symbol is left out. */
static void leave_out(day_run *run, const frame_ref *frame, td_bytes symbol, const char *reason)
{
    char name[LIMIT_SYMBOL_BYTES] = "";
    if (run->writers.pass > 0)
        return; /* counted */
    (void)snprintf(name, sizeof name, "%.*s", (int)symbol.size, (const char *)symbol.data);
    (void)pthread_mutex_lock(&run->lock);
    export_left_out *row = find_left_out(run, frame->channel->info.feed, name, reason);
    row->frames += row->position != frame->position + 1; /* once per frame, not per entry */
    row->position = frame->position + 1;
    (void)pthread_mutex_unlock(&run->lock);
}

/* ---- topics that are left out ---- */

static void leave_topic_out(const day_route *route, td_bytes symbol, const char *supplied_by)
{
    day_run *run = route->run;
    (void)pthread_mutex_lock(&run->lock);
    left_out_topics_add(&run->left_out_topics, &route->channel->info, symbol, supplied_by);
    (void)pthread_mutex_unlock(&run->lock);
}

/* Notes a topic that has a frame in the day, and whose rows other topics supply. */
static void note_others(day_route *route)
{
    for (size_t i = 0; i < route->other_count; i++)
        leave_topic_out(route, td_bytes_str(route->channel->info.symbol), route->others[i]);
    route->other_count = 0;
}

/* ---- formats that are left out ---- */

static unsigned format_bit(const day_run *run, const export_format *format)
{
    size_t i = 0;
    while (run->day->spec->formats[i] != format)
        i++;
    return 1U << i;
}

static int is_left_out(const day_run *run, const export_format *format)
{
    return (atomic_load(&run->left_out_formats) & format_bit(run, format)) != 0;
}

/* Leaves a format out of the day because of an error (rc) that only this format has. The last
 * format's error ends the day. */
static td_result leave_format_out(day_run *run, const export_format *format, td_result rc,
                                  td_err *err)
{
    const unsigned bit = format_bit(run, format);
    (void)pthread_mutex_lock(&run->lock);
    const unsigned others = atomic_load(&run->left_out_formats) & ~bit;
    if ((others | bit) != (1U << run->day->spec->format_count) - 1) {
        if (!is_left_out(run, format))
            td_log_emit(run->day->log, TD_LOG_ERROR, "%s: %s is not written: %s",
                        run->writers.template.date, format->name, err->text);
        atomic_store(&run->left_out_formats, others | bit);
        td_err_clear(err);
        rc = TD_OK;
    }
    (void)pthread_mutex_unlock(&run->lock);
    return rc;
}

/* ---- rows ---- */

/* Gives a row of the current frame, or a batch, to a writer. A frame with several symbols counts
 * once for each symbol. */
static td_result put_row(const day_maker *maker, export_writer *writer, int is_by_row,
                         const export_row *row, td_err *err)
{
    const frame_ref *frame = maker->route->current == NULL ? NULL : maker->route->current->frame;
    export_counts *counts = &writer->owner->counts;
    (void)pthread_mutex_lock(&writer->owner->lock);
    td_result rc = TD_OK;
    if (frame != NULL && !row->is_gap)
        rc = export_writer_claim(writer, frame->channel, err);
    int is_refusal = rc == TD_E_INVALID; /* two sources for one file */
    if (frame != NULL && is_by_row && writer->position != frame->position + 1) {
        writer->position = frame->position + 1;
        counts->frames++;
    }
    export_row each = *row;
    each.frame = counts->frames;
    each.channel = &maker->route->channel->info;
    if (rc == TD_OK) {
        rc = export_writer_put(writer, &each, err);
        is_refusal = rc == TD_E_LIMIT; /* a value that the file cannot hold */
    }
    (void)pthread_mutex_unlock(&writer->owner->lock);
    return is_refusal ? leave_format_out(maker->route->run, writer->output->format, rc, err) : rc;
}

/* 1 if the format gets the row. Only a row of an incomplete interval can be left out: unless the
 * user requested such rows, it goes only to formats that can mark it, and in an export of clean
 * days to no format. */
static int is_for_output(const day_maker *maker, size_t output, const export_row *row)
{
    const export_spec *spec = maker->route->run->day->spec;
    return (maker->type->flags & EXPORT_OF_INTERVALS) == 0 || !row->is_suspect ||
           spec->settings.has_suspect_bars ||
           (maker->outputs[output].output->format->marks_suspect && spec->days == NULL);
}

/* 1 if an entry of a topic of one symbol names another one. */
static int names_other_symbol(const day_maker *maker, const export_row *row)
{
    return row->symbol.size > 0 &&
           (maker->type->flags & (EXPORT_ALL_SYMBOLS | EXPORT_OF_REPLIES)) == 0 &&
           !td_bytes_is(row->symbol, maker->route->channel->info.symbol);
}

/* 1 if this pass writes an output's rows, of the symbols that it has. Tables of replies are written
 * in the last pass, when all symbols are known. */
static int is_of_pass(const day_run *run, const export_output *output)
{
    if (output->format->grouping == EXPORT_PER_DAY)
        return run->writers.pass == 0;
    return (output->type->flags & EXPORT_OF_REPLIES) == 0 ||
           (run->has_first_pass && !run->writers.has_more);
}

/* Notes how far the recorder's clock was behind in a row that a later pass writes, because files
 * with an offset need that of the whole day. */
static void note_clock(day_run *run, const export_row *row)
{
    (void)pthread_mutex_lock(&run->lock);
    int64_t behind_ns = (int64_t)(row->exchange_ns - row->recv_ns) + 1;
    if (row->exchange_ns != 0 && !row->is_gap && behind_ns > run->clock_offset_ns)
        run->clock_offset_ns = behind_ns;
    (void)pthread_mutex_unlock(&run->lock);
}

/* Notes the precision of a listed instrument, for the formats that record one. No lock: rows of
 * replies are put when the player has ended. */
static void note_listed(day_run *run, const export_row *row)
{
    const export_spec *spec = run->day->spec;
    for (size_t i = 0; i < spec->format_count; i++)
        if (spec->formats[i]->add_listed != NULL)
            spec->formats[i]->add_listed(row, &run->precisions);
}

/* 1 if the row's symbol has a topic of its own that supplies such rows, so that this topic, of
 * several symbols, would repeat them: the manifest lists it. Without shared files no such topic is
 * there, and the choices may change meanwhile. */
static int has_own_topic(const day_maker *maker, const export_row *row)
{
    const day_run *run = maker->route->run;
    const frame_channel *channel = maker->route->channel;
    if (!run->choices.has_shared_files || maker->type->prefers == NULL ||
        !export_entries_have_symbols(channel->topic.row))
        return 0;
    const export_choice *own =
        export_choice_of_symbol(&run->choices, maker->type, channel, row->symbol);
    if (own == NULL || own->row == channel->topic.row)
        return 0;
    const maker_frame *seen = maker->route->current;
    if (seen == NULL || !seen->frame->is_lead_in)
        leave_topic_out(maker->route, row->symbol, own->row->name);
    return 1;
}

/* Puts a maker's row into each format that has the type. */
static td_result put(void *ctx, const export_row *row, td_err *err)
{
    day_maker *maker = ctx;
    day_run *run = maker->route->run;
    const maker_frame *seen = maker->route->current;
    td_result rc = TD_OK;
    const channel_info *from = &maker->route->channel->info;
    if ((seen != NULL && seen->frame->is_lead_in &&
         (maker->type->flags & EXPORT_OF_INTERVALS) == 0) ||
        (((maker->type->flags & EXPORT_OF_REPLIES) != 0 ||
          (row->symbol.size > 0 && !td_bytes_is(row->symbol, from->symbol))) &&
         !selection_has_topic(run->day->wanted, td_bytes_str(from->topic),
                              td_bytes_str(from->exchange_topic), row->symbol)) ||
        has_own_topic(maker, row))
        return TD_OK;
    if ((maker->type->flags & EXPORT_OF_REPLIES) != 0) {
        note_listed(run, row);
        run->useful_frames += run->writers.pass == 0 && maker->output_count > 0;
    }
    for (size_t i = 0; i < maker->output_count && rc == TD_OK; i++) {
        export_writer *writer = maker->outputs[i].writer;
        if (is_left_out(run, maker->outputs[i].output->format) ||
            !is_of_pass(run, maker->outputs[i].output))
            continue;
        int is_other = names_other_symbol(maker, row);
        int is_of_symbol = writer != NULL || maker->outputs[i].is_deferred;
        int is_by_row = !is_of_symbol || is_other;
        const char *refusal = NULL;
        if (is_other && is_of_symbol)
            atomic_store(&run->has_other_symbols, 1);
        if (is_by_row)
            rc = export_writers_get(&run->writers, maker->outputs[i].output, maker->route->channel,
                                    row->symbol, &writer, &refusal, err);
        if (rc == TD_OK && refusal != NULL && seen != NULL)
            leave_out(run, seen->frame, row->symbol, refusal);
        if (writer == NULL && refusal == NULL &&
            maker->outputs[i].output->format->grouping == EXPORT_JOINED)
            note_clock(run, row);
        if (rc != TD_OK || writer == NULL ||
            (row->is_initial && !writer->output->format->marks_suspect))
            continue;
        if (is_for_output(maker, i, row)) {
            rc = put_row(maker, writer, is_by_row, row, err);
            continue;
        }
        (void)pthread_mutex_lock(&writer->owner->lock);
        writer->owner->counts.left_out_bars++;
        (void)pthread_mutex_unlock(&writer->owner->lock);
    }
    return rc;
}

/* ---- routes ---- */

static channel_use find_use(const export_spec *spec, const frame_channel *channel)
{
    channel_use use = USE_NOTHING;
    if (!frame_role_is_of_topic(channel->role) && channel->role != ROLE_HTTP)
        return use;
    int has_market = channel->family != NULL && channel->family->market.exchange != NULL;
    for (size_t i = 0; i < spec->output_count; i++) {
        const export_output *output = &spec->outputs[i];
        if (output->format->frame != NULL && channel->role != ROLE_HTTP)
            return USE_ROWS;
        if (output->format->needs_market && !has_market)
            use = channel->role == ROLE_HTTP ? use : USE_FOREIGN;
        else if (export_type_takes(output->type, &spec->settings, channel))
            return USE_ROWS;
    }
    return use;
}

static int is_wanted(const export_day *day, const channel_info *info)
{
    return export_is_clean(day->spec, day->day, info->feed, info->symbol);
}

/* 0 if the rows of a channel are for a symbol that another pass writes. The first pass plays
 * all channels. */
static int has_channel(day_run *run, const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    return run->writers.pass == 0 || row == NULL || export_entries_have_symbols(row) ||
           atomic_load(&run->has_other_symbols) ||
           export_writers_may_have(&run->writers, td_bytes_str(channel->info.symbol));
}

static channel_use use_of(day_run *run, const frame_channel *channel)
{
    run->uses = td_array_reach(run->uses, &run->use_count, channel->index, sizeof *run->uses);
    uint8_t *use = &run->uses[channel->index];
    if (*use == USE_UNKNOWN)
        *use = !is_wanted(run->day, &channel->info) ? (uint8_t)USE_NOT_CLEAN
               : !has_channel(run, channel)         ? (uint8_t)USE_OTHER_PASS
                                                    : (uint8_t)find_use(run->day->spec, channel);
    return (channel_use)*use;
}

/* Finds the topic that supplies a type's rows of this symbol; *choice is NULL if all topics supply
 * rows. The scan may have missed the symbol in damaged data: then this channel's topic is chosen,
 * unless the frame is before the selection. *is_own: 1 if this channel's topic supplies rows. */
static td_result choose(day_run *run, const export_type *type, const frame_ref *first,
                        const export_choice **choice, int *is_own, td_err *err)
{
    const frame_channel *channel = first->channel;
    td_result rc = TD_OK;
    *choice = NULL;
    *is_own = 1;
    if (!export_chooses(type, channel))
        return TD_OK;
    *choice = export_choice_find(&run->choices, type, channel);
    if (*choice == NULL && !first->is_lead_in) {
        rc = export_choice_offer(&run->choices, type, channel, err);
        *choice = export_choice_find(&run->choices, type, channel);
    }
    *is_own = *choice != NULL && strcmp((*choice)->row->name, channel->topic.row->name) == 0;
    return rc;
}

/* Finds the writers for a type's rows of a channel. If all rows have one symbol, the writer is made
 * now, so that the manifest lists it even on a day without rows. */
static td_result find_outputs(day_run *run, day_route *route, day_maker *maker, td_err *err)
{
    const export_spec *spec = run->day->spec;
    const frame_channel *channel = route->channel;
    const topic_row *row = channel->topic.row;
    int is_by_row = row != NULL && export_entries_have_symbols(row) &&
                    (maker->type->flags & EXPORT_ALL_SYMBOLS) == 0;
    int has_market = channel->family != NULL && channel->family->market.exchange != NULL;
    td_result rc = TD_OK;
    maker->outputs = td_alloc_zero(spec->output_count, sizeof *maker->outputs);
    for (size_t i = 0; rc == TD_OK && i < spec->output_count; i++) {
        const export_output *output = &spec->outputs[i];
        if (output->type != maker->type || (output->format->needs_market && !has_market))
            continue;
        maker_output *to = &maker->outputs[maker->output_count++];
        to->output = output;
        if ((maker->type->flags & EXPORT_OF_REPLIES) != 0)
            rc = export_writers_of_type(&run->writers, output, channel->family, &to->writer, err);
        else if (!is_by_row)
            rc = export_writers_get(&run->writers, output, channel,
                                    td_bytes_str(channel->info.symbol), &to->writer,
                                    &route->refusal, err);
        to->is_deferred = to->writer == NULL && !is_by_row;
        if (route->refusal != NULL)
            maker->output_count = 0;
        if (route->refusal != NULL)
            break;
    }
    return rc;
}

/* The topics of the channel's symbol, line and exchange that supply a type's rows together. */
static joined_topics *find_joined(day_run *run, const export_type *type,
                                  const frame_channel *channel, uint64_t hash)
{
    row_probe at = row_probe_of(hash);
    while (row_table_next(&run->joined_by_symbol, &at)) {
        const channel_info *info = &run->joined[at.row]->routes[0]->channel->info;
        if (run->joined[at.row]->type == type && info->line == channel->info.line &&
            strcmp(info->feed, channel->info.feed) == 0 &&
            strcmp(info->symbol, channel->info.symbol) == 0)
            return run->joined[at.row];
    }
    return NULL;
}

/* Adds a route to the topics that supply a type's rows together, and opens their maker with the
 * first one. */
static void join(day_maker *maker, const maker_begin *begin)
{
    day_run *run = maker->route->run;
    const channel_info *info = &begin->channel->info;
    const uint64_t hash = td_xxh64(info->feed, strlen(info->feed)) * 31 +
                          td_xxh64(info->symbol, strlen(info->symbol));
    joined_topics *joined = find_joined(run, begin->type, begin->channel, hash);
    if (joined == NULL) {
        joined = td_alloc_zero(1, sizeof *joined);
        joined->type = begin->type;
        joined->type_maker = begin->type->open(begin);
        run->joined = td_array_grow(run->joined, run->joined_count, sizeof(joined_topics *));
        row_table_put(&run->joined_by_symbol, hash, run->joined_count);
        run->joined[run->joined_count++] = joined;
    }
    joined->routes = td_array_grow(joined->routes, joined->route_count, sizeof(day_route *));
    joined->routes[joined->route_count++] = maker->route;
    maker->joined = joined;
    maker->type_maker = joined->type_maker;
}

static td_result add_maker(day_run *run, day_route *route, const export_type *type,
                           const frame_ref *first, const book *before, td_err *err)
{
    const export_choice *choice = NULL;
    int is_own = 0;
    td_result rc = choose(run, type, first, &choice, &is_own, err);
    if (rc == TD_OK && !is_own && choice != NULL)
        route->others[route->other_count++] = choice->row->name;
    if (rc != TD_OK || !is_own)
        return rc;
    day_maker *made = &route->makers[route->maker_count++];
    *made = (day_maker){.route = route, .type = type, .choice = choice};
    rc = find_outputs(run, route, made, err);
    const maker_begin begin = {
        .type = type,
        .settings = &run->day->spec->settings,
        .channel = first->channel,
        .before = before,
        .covered = &route->covered,
    };
    if (type->joins != NULL && type->joins(first->channel))
        join(made, &begin);
    else if (type->open != NULL)
        made->type_maker = type->open(&begin);
    route->has_intervals |= (type->flags & EXPORT_OF_INTERVALS) != 0;
    return rc;
}

/* The reason why a channel's book is left out, or NULL. A book is left out if the symbol has no
 * book of the requested depth. */
static const char *depth_refusal(const day_run *run, const frame_channel *channel)
{
    const export_spec *spec = run->day->spec;
    const topic_row *row = channel->topic.row;
    if (spec->settings.depth == 0 || row == NULL || !export_is_book_topic(row, 0) ||
        export_is_book_topic(row, spec->settings.depth))
        return NULL;
    for (size_t i = 0; i < spec->type_count; i++)
        if ((spec->types[i]->flags & EXPORT_OF_BOOKS) != 0 &&
            export_choice_find(&run->choices, spec->types[i], channel) == NULL)
            return "no book of the requested depth was recorded";
    return NULL;
}

static td_result make_route(day_run *run, const struct stream *of, const frame_ref *first,
                            const symbol_topic *before, day_route **out, td_err *err)
{
    const export_spec *spec = run->day->spec;
    const gap_list *ledger = run->day->ledger;
    const frame_channel *channel = first->channel;
    const track *checkpoint = before == NULL ? NULL : symbol_topic_track(before);
    day_route *made = td_alloc_zero(1, sizeof *made);
    td_result rc = TD_OK;
    *made = (day_route){.run = run,
                        .stream = of,
                        .channel = channel,
                        .latest = &channel->info,
                        .refusal = depth_refusal(run, channel)};
    while (made->gap_next < ledger->count && /* the ledger is sorted by feed */
           strcmp(ledger->rows[made->gap_next].feed, channel->info.feed) < 0)
        made->gap_next++;
    made->makers = td_alloc_zero(spec->type_count + 1, sizeof *made->makers);
    made->others = td_alloc_zero(spec->type_count + 1, sizeof *made->others);
    run->routes = td_array_grow(run->routes, run->route_count, sizeof(day_route *));
    run->routes[run->route_count++] = *out = made;
    for (size_t i = 0; rc == TD_OK && i < spec->type_count; i++)
        if (export_type_takes(spec->types[i], &spec->settings, channel))
            rc = add_maker(run, made, spec->types[i], first,
                           checkpoint == NULL ? NULL : track_book(checkpoint), err);
    uint64_t since_ns = 0;
    if (rc != TD_OK || !made->has_intervals)
        return rc;
    rc = topic_times_since(run->times, first, &since_ns, err);
    coverage_begin(&made->covered, ledger, &channel->info, run->day->window, since_ns);
    return rc;
}

/* ---- frames ---- */

/* The last gap in the ledger that concerns the route's topic and began since the previous call. */
static const gap_row *find_gap(day_route *route, const channel_info *info, uint64_t until_ns)
{
    const gap_list *ledger = route->run->day->ledger;
    const gap_row *found = NULL;
    for (; route->gap_next < ledger->count; route->gap_next++) {
        const gap_row *gap = &ledger->rows[route->gap_next];
        if (gap->from_ns >= until_ns || strcmp(gap->feed, info->feed) != 0)
            break;
        if (gap->line == info->line && gap->shard == info->shard &&
            gap_row_affects_topic(gap, info->topic, info->symbol))
            found = gap;
    }
    route->gap_last = found == NULL ? route->gap_last : found;
    return found;
}

/* The last gap in the ledger that concerns the route's topic and began since the previous frame. */
static const gap_row *gap_before(day_route *route, const channel_info *info, uint64_t until_ns)
{
    const gap_row *found = find_gap(route, info, until_ns);
    const gap_row *held = route->gap_held;
    route->gap_held = NULL;
    return found == NULL ? held : found;
}

/* Tells a shared maker which of the other topics lack frames now. */
static void tell_losses(const day_maker *maker, uint64_t recv_ns)
{
    const joined_topics *joined = maker->joined;
    for (size_t i = 0; i < joined->route_count; i++) {
        day_route *other = joined->routes[i];
        if (other == maker->route)
            continue;
        const gap_row *found = find_gap(other, other->latest, recv_ns);
        other->gap_held = found == NULL ? other->gap_held : found;
        const gap_row *last = other->gap_last;
        if (last != NULL && (last->to_ns == GAP_OPEN || other->last_ns < last->to_ns))
            joined->type->lost(joined->type_maker, other->channel);
    }
}

/* Counts a frame, apart from its rows. */
static void count_frame(const day_maker *maker, export_counts *counts, const maker_frame *seen)
{
    const message *m = seen->message;
    int is_of_books = (maker->type->flags & EXPORT_OF_BOOKS) != 0 && seen->trust != NULL;
    counts->undecoded_frames += m == NULL && seen->frame->channel->role != ROLE_HTTP;
    counts->possible_copies += seen->frame->is_doubtful;
    if (m == NULL)
        counts->frames += seen->frame->channel->role == ROLE_HTTP;
    else if (!is_of_books)
        counts->frames += message_item_count(m) > 0;
    else
        counts->frames += seen->trust->is_trusted;
    if (!is_of_books)
        return;
    if (m != NULL && !seen->trust->is_trusted) {
        counts->left_out_frames++;
        counts->left_out_entries += message_item_count(m);
    }
    if (seen->trust->began_broken->reason != TIME_IS_RIGHT) {
        trust_break since_begin = *seen->trust->began_broken;
        since_begin.from_ns = seen->part.from_ns;
        since_begin.rule = RULE_NONE; /* a saved state does not know it */
        export_counts_break(counts, &since_begin);
    }
    if (seen->trust->broke->reason != TIME_IS_RIGHT)
        export_counts_break(counts, seen->trust->broke);
    if (seen->trust->is_trusted && !seen->trust->was_alive)
        export_counts_restart(counts, seen->frame->recv_ns);
}

/* 1 if a book whose stretch ended lacks frames until it begins again. A book that continues on
 * another connection does not, unless frames were removed. */
static int has_hole(const trust_answer *trust)
{
    return trust->broke->reason != TIME_IS_RIGHT &&
           (!trust->is_taken_over || gap_reason_is_hole(trust->broke->reason));
}

/* Each maker of the topic finds the break after its last frame: it counts once. */
static void add_break(day_route *route, const trust_break *broke, uint64_t from_ns)
{
    const trust_break *last =
        route->break_count == 0 ? NULL : &route->breaks[route->break_count - 1];
    if (last != NULL && last->to_ns == 0 && last->from_ns == broke->from_ns)
        return;
    route->breaks = td_array_grow(route->breaks, route->break_count, sizeof *route->breaks);
    route->breaks[route->break_count] = *broke;
    route->breaks[route->break_count++].from_ns =
        broke->from_ns > from_ns ? broke->from_ns : from_ns;
}

/* Keeps the stretches without a right book, for the rows of gaps. */
static void note_breaks(day_route *route, const maker_frame *seen)
{
    const trust_answer *trust = seen->trust;
    int is_of_books = 0;
    for (size_t i = 0; i < route->maker_count; i++)
        is_of_books |= (route->makers[i].type->flags & EXPORT_OF_BOOKS) != 0;
    if (!is_of_books || trust == NULL || seen->frame->is_lead_in)
        return;
    if (trust->began_broken->reason != TIME_IS_RIGHT) {
        add_break(route, trust->began_broken, seen->part.from_ns);
        route->breaks[route->break_count - 1].rule = RULE_NONE; /* not saved */
    }
    if (has_hole(trust))
        add_break(route, trust->broke, seen->part.from_ns);
    trust_break *last = route->break_count == 0 ? NULL : &route->breaks[route->break_count - 1];
    if (trust->is_trusted && last != NULL && last->to_ns == 0)
        last->to_ns = seen->frame->recv_ns;
}

/* Writes a gap row at the time at which the book broke, because the book's rows stop there. */
static td_result put_gap(day_maker *maker, const trust_break *broke, td_err *err)
{
    TD_ASSERT(broke != NULL);
    const export_row row = {
        .recv_ns = broke->from_ns, .is_suspect = 1, .is_gap = 1, .flags = ROW_SYNTHESIZED};
    return put(maker, &row, err);
}

static td_result run_maker(day_maker *maker, const maker_frame *seen, td_err *err)
{
    const row_out out = {put, maker};
    const trust_answer *trust = seen->trust;
    int is_counted =
        !seen->frame->is_lead_in && seen->frame->recv_ns < seen->part.to_ns &&
        ((maker->type->flags & EXPORT_OF_REPLIES) == 0 || maker->route->run->writers.pass == 0);
    for (size_t i = 0; is_counted && i < maker->output_count; i++) {
        export_writer *writer = maker->outputs[i].writer;
        if (writer == NULL)
            continue;
        (void)pthread_mutex_lock(&writer->owner->lock);
        count_frame(maker, &writer->owner->counts, seen);
        writer->choice = maker->choice;
        (void)pthread_mutex_unlock(&writer->owner->lock);
    }
    int has_broken = is_counted && (maker->type->flags & EXPORT_OF_BOOKS) != 0 && trust != NULL &&
                     has_hole(trust);
    td_result rc = has_broken ? put_gap(maker, trust->broke, err) : TD_OK;
    if (maker->joined != NULL)
        tell_losses(maker, seen->frame->recv_ns);
    return rc == TD_OK ? maker->type->frame(maker->type_maker, seen, &out, err) : rc;
}

/* Rejects a feed that changed its family within the day, because its files would mix two
 * markets. */
static td_result check_family(const day_route *route, const frame_channel *channel, td_err *err)
{
    if (channel == route->channel || channel->family == route->channel->family ||
        strcmp(export_exchange_of(channel->family), export_exchange_of(route->channel->family)) ==
            0)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "its frames of one day come from two exchanges, %s and %s",
               export_exchange_of(route->channel->family), export_exchange_of(channel->family));
    td_err_hint(err, "export them into separate folders: choose by --from and --to");
    return TD_E_INVALID;
}

/* Updates the covered time with a frame of trades. */
static void cover(day_route *route, const frame_ref *frame, const trust_answer *trust)
{
    const coverage_frame next = coverage_frame_of(frame, trust);
    coverage_add(&route->covered, route->run->day->ledger, &next);
}

static maker_frame maker_frame_of(const day_route *route, const frame_ref *frame)
{
    return (maker_frame){.frame = frame,
                         .message = frame->content.message,
                         .order = &route->order,
                         .part = route->run->day->window};
}

/* Gives a frame to the makers whose types have all of these flags. */
static td_result run_makers(day_route *route, const maker_frame *next, unsigned flags, td_err *err)
{
    td_result rc = TD_OK;
    entry_order_set(&route->order, next->message);
    route->current = next;
    for (size_t i = 0; rc == TD_OK && i < route->maker_count; i++)
        if ((route->makers[i].type->flags & flags) == flags)
            rc = run_maker(&route->makers[i], next, err);
    route->current = NULL;
    return rc;
}

static td_result route_frame(day_route *route, const applied_frame *observed, td_err *err)
{
    const frame_ref *frame = observed->frame;
    maker_frame next = maker_frame_of(route, frame);
    next.trust = observed->trust;
    if (frame->is_copy) {
        if (route->has_intervals)
            cover(route, frame, observed->trust);
        return TD_OK;
    }
    if (!frame->is_lead_in)
        note_others(route);
    route->latest = &frame->channel->info;
    next.gap = gap_before(route, route->latest, frame->recv_ns);
    route->last_ns = frame->recv_ns;
    if (observed->found != NULL && msg_type_has_book(frame->row->type))
        next.book = track_book(observed->found->track);
    if (!frame->is_lead_in && route->refusal != NULL)
        leave_out(route->run, frame, td_bytes_str(frame->channel->info.symbol), route->refusal);
    if (observed->found == NULL && frame->channel->role != ROLE_HTTP)
        return TD_OK;
    td_result rc = check_family(route, frame->channel, err);
    if (route->has_intervals)
        cover(route, frame, observed->trust);
    note_breaks(route, &next);
    return rc == TD_OK ? run_makers(route, &next, 0, err) : rc;
}

/* Gives the makers the frames that hold a ticker's values at the checkpoint. These frames are
 * marked as frames before the selection. */
static td_result apply_ticker(day_route *route, const symbol_topic *before, const frame_ref *first,
                              td_err *err)
{
    const conn_choice *choice = &before->choice;
    const ticker_frames *ticker = symbol_topic_ticker(before);
    if (ticker == NULL || (!first->is_copy && !conn_choice_follows(choice, first->conn)))
        return TD_OK;
    content_reader *reader = content_reader_open(TAPE_READS_MESSAGES);
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < ticker->count; i++) {
        frame_ref frame = {.channel = first->channel,
                           .conn = first->is_copy ? NULL : first->conn,
                           .recv_ns = ticker->frames[i].recv_ns,
                           .bytes = ticker_frames_bytes_at(ticker, i),
                           .is_lead_in = 1};
        frame.row = content_row(reader, frame.channel, frame.recv_ns);
        content_read(reader, &frame);
        maker_frame next = maker_frame_of(route, &frame);
        next.gap = gap_before(route, &frame.channel->info, frame.recv_ns);
        route->last_ns = frame.recv_ns;
        if (frame.recv_ns >= ticker->since_ns && frame.recv_ns >= choice->since_ns)
            rc = run_makers(route, &next, 0, err);
    }
    content_reader_close(reader);
    return rc;
}

static td_result add_context(const frame_ref *frame, td_result rc, td_err *err)
{
    if (rc == TD_OK)
        return rc;
    return td_err_add(err, rc, "feed %s, %s", frame->channel->info.feed,
                      frame->channel->info.exchange_topic);
}

static td_result on_frame(void *ctx, const struct stream *of, void **state,
                          const applied_frame *seen, td_err *err)
{
    day_run *run = ctx;
    export_writer *writer = run->frame_writer;
    const frame_ref *frame = seen->frame;
    td_result rc = TD_OK;
    (void)of;
    /* jsonl is EXPORT_PER_DAY, so the player has no workers and frames arrive in the order of the
     * tape. */
    if (writer != NULL && !frame->is_lead_in && !is_left_out(run, writer->output->format)) {
        int is_of_topic = frame_role_is_of_topic(frame->channel->role);
        if (is_of_topic && (rc = export_writer_claim(writer, frame->channel, err)) != TD_OK)
            rc = leave_format_out(run, writer->output->format, rc, err);
        else
            rc = writer->output->format->frame(writer->format_writer, frame, seen->trust, err);
    }
    if (rc == TD_OK && *state != NULL && run->day->spec->type_count > 0)
        rc = route_frame(*state, seen, err);
    return add_context(frame, rc, err);
}

/* The topic's state before its first frame, from a checkpoint; NULL if unknown. */
static const symbol_topic *checkpoint_topic(const struct stream *of, const frame_ref *first)
{
    const symbol_topic *topic;
    for (size_t i = 0; (topic = symbol_state_topic_at(of->tape.symbol, i)) != NULL; i++)
        if (topic->line == first->channel->info.line && strcmp(topic->name, of->topic) == 0 &&
            topic->row != NULL && topic_row_has_state(topic->row))
            return topic;
    return NULL;
}

/* Opens the route of a topic. Called by the thread that reads the tape. */
static td_result on_begin(void *ctx, const struct stream *of, void **state, const frame_ref *first,
                          td_err *err)
{
    day_run *run = ctx;
    const frame_channel *channel = first->channel;
    day_route *made = NULL;
    if (!frame_role_is_of_topic(channel->role) && channel->role != ROLE_HTTP)
        return TD_OK;
    /* Wait for the workers, which may be adding topics to the symbol. */
    td_result rc = player_drain(run->player, err);
    if (rc != TD_OK)
        return rc;
    const symbol_topic *before = checkpoint_topic(of, first);
    rc = make_route(run, of, first, before, &made, err);
    if (rc == TD_OK && before != NULL && made->maker_count > 0)
        rc = apply_ticker(made, before, first, err);
    *state = made;
    return add_context(first, rc, err);
}

static void on_close(void *ctx, void *state)
{
    day_route *route = state;
    (void)ctx;
    for (size_t i = 0; i < route->maker_count; i++) {
        const day_maker *maker = &route->makers[i];
        if (maker->joined == NULL && maker->type_maker != NULL && maker->type->close != NULL)
            maker->type->close(maker->type_maker);
        td_free(maker->outputs);
    }
    coverage_fini(&route->covered);
    entry_order_fini(&route->order);
    td_free(route->makers);
    td_free(route->others);
    td_free(route->breaks);
    td_free(route);
}

/* ---- playing ---- */

/* 1 if the day has a topic that was chosen by this preference. */
static int has_topics(const day_run *run,
                      int (*prefers)(const family_market *, const topic_row *, const topic_row *))
{
    for (size_t i = 0; i < run->choices.count; i++)
        if (run->choices.items[i]->prefers == prefers)
            return 1;
    return 0;
}

/* 1 if the day, or the unit without the first pass, needs the channel. A channel of an unknown role
 * may have frames of any symbol. */
static int wants_channel(void *user, const channel_info *info)
{
    day_run *run = user;
    if (channel_role(info) == ROLE_UNKNOWN)
        return 1;
    const topic_row *row = run->has_first_pass ? NULL : export_topic_of(info);
    return is_wanted(run->day, info) &&
           (row == NULL || export_entries_have_symbols(row) ||
            export_writers_may_have(&run->writers, td_bytes_str(info->symbol)));
}

/* The number of symbols that are written in one pass, by the number of files that a symbol has. */
static size_t count_pass_symbols(const export_spec *spec, const uint64_t *symbols)
{
    uint64_t files = 0;
    uint64_t most = 1;
    for (size_t i = 0; i < spec->output_count; i++) {
        const export_output *output = &spec->outputs[i];
        size_t type = 0;
        while (type < spec->type_count && spec->types[type] != output->type)
            type++;
        if (output->format->grouping == EXPORT_PER_DAY || type == spec->type_count ||
            (output->type->flags & EXPORT_ALL_SYMBOLS) != 0)
            continue;
        files += symbols[type];
        most = symbols[type] > most ? symbols[type] : most;
    }
    uint64_t of_symbol = (files + most - 1) / most;
    return of_symbol == 0                   ? LIMIT_EXPORT_FILES
           : of_symbol > LIMIT_EXPORT_FILES ? 1
                                            : LIMIT_EXPORT_FILES / of_symbol;
}

/* Chooses the topics that supply rows, and how many symbols a pass has. */
static td_result scan(day_run *run, const selection *wanted, td_err *err)
{
    const export_day *day = run->day;
    const export_spec *spec = day->spec;
    uint64_t symbols[EXPORT_OUTPUTS_MAX] = {0};
    const export_scan by = {&spec->settings, spec->types, spec->type_count, symbols,
                            day->archive,    wanted,      day->window};
    td_result rc = export_scan_run(&by, &run->choices, err);
    run->writers.symbols_max = count_pass_symbols(spec, symbols);
    return rc;
}

static td_result open_tape(day_run *run, td_err *err)
{
    const export_day *day = run->day;
    const export_spec *spec = day->spec;
    selection wanted = *day->wanted;
    cursor_options reading = {.threads = day->threads,
                              .log = day->log,
                              .reads = TAPE_READS_MESSAGES,
                              .states = TAPE_STATES_AUDITED};
    td_result rc = TD_OK;
    if (export_has_intervals(spec))
        rc = topic_times_open(day->archive, day->window, &run->times, err);
    const selection_window read = export_read_window(spec, day->window);
    selection_set_window(&wanted, (selection_window){day->window.from_ns, read.to_ns});
    reading.before_ns = day->window.from_ns - read.from_ns;
    if (spec->days != NULL || !run->has_first_pass) {
        reading.wants_channel = wants_channel;
        reading.user = run;
    }
    for (size_t i = 0; i < spec->format_count; i++)
        if (spec->formats[i]->reads == TAPE_READS_ALL)
            reading.reads = TAPE_READS_ALL;
    if (run->writers.pass > 0)
        reading.log = NULL; /* has what the first pass found */
    if (rc == TD_OK && run->writers.symbols_max == 0)
        rc = scan(run, &wanted, err);
    if (run->choices.has_members)
        reading.reads = TAPE_READS_ALL;
    reading.with_tickers =
        (uint8_t)(run->choices.has_joined || has_topics(run, EXPORT_DERIVATIVE_TICKER.prefers));
    return rc == TD_OK ? cursor_open(day->archive, &wanted, &reading, &run->tape, err) : rc;
}

static void init_writers(day_run *run)
{
    const export_day *day = run->day;
    export_target *target = &run->writers.template;
    export_writers_init(&run->writers);
    run->writers.folder = day->folder;
    run->writers.symbols = day->symbols;
    run->writers.unit = day->spec->unit.number;
    run->writers.pass = run->has_first_pass ? 0 : 1;
    run->writers.has_prefixes = day->spec->format_count > 1;
    *target = (export_target){.settings = &day->spec->settings,
                              .part = day->window,
                              .gaps = day->gaps,
                              .gap_count = day->gap_count,
                              .ledger = day->ledger,
                              .outputs = day->spec->outputs,
                              .output_count = day->spec->output_count,
                              .writers = &run->writers,
                              .precisions = &run->precisions,
                              .clock_offset_ns = &run->clock_offset_ns};
    export_date_format(day->day, target->date);
}

/* Opens the jsonl writer at the start of the day. */
static td_result open_frame_writer(day_run *run, td_err *err)
{
    const export_spec *spec = run->day->spec;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && run->frame_writer == NULL && i < spec->output_count; i++) {
        const export_format *format = spec->outputs[i].format;
        if (format->frame == NULL)
            continue;
        rc = export_writers_of_day(&run->writers, &spec->outputs[i], &run->frame_writer, err);
        if (rc == TD_OK)
            run->frame_writer->format_writer = format->open(&run->frame_writer->target);
    }
    return rc;
}

static void open_player(day_run *run)
{
    const export_spec *spec = run->day->spec;
    run->ops =
        (observer_ops){.name = "export", .begin = on_begin, .frame = on_frame, .close = on_close};
    /* Rows of a file are in the tape's order, whatever the number of threads. */
    run->ops.is_ordered = run->choices.has_shared_files;
    for (size_t i = 0; i < spec->format_count; i++)
        run->ops.is_ordered |= spec->formats[i]->grouping == EXPORT_PER_DAY;
    const player_options playing = {.workers = cursor_workers(run->tape),
                                    .observer = {&run->ops, run, run->day->ledger},
                                    .progress = run->day->progress,
                                    .user = run->day->user};
    run->player = player_open(&playing);
    player_take_states(run->player, run->tape);
}

/* Gives the makers of intervals a frame received soon after the day, because its trades may belong
 * to the day's last intervals. The player does not get the frame, because the day's counts and
 * books end with the day. */
static td_result apply_later_frame(day_run *run, const frame_ref *frame, td_err *err)
{
    td_result rc = player_drain(run->player, err);
    for (size_t i = 0; i < run->route_count && rc == TD_OK && !frame->is_copy; i++) {
        day_route *route = run->routes[i];
        if (!route->has_intervals || route->channel->stream != frame->channel->stream)
            continue;
        const maker_frame next = maker_frame_of(route, frame);
        applied_frame seen; /* a stream has one route */
        player_judge(run->player, frame, &seen);
        cover(route, frame, seen.trust);
        rc = run_makers(route, &next, EXPORT_OF_INTERVALS, err);
    }
    return rc;
}

/* Like player_play, but returns TD_EOF if progress stops the export. */
static td_result play(day_run *run, td_err *err)
{
    for (;;) {
        const frame_ref *frame;
        td_result rc = cursor_next(run->tape, &frame, err);
        if (rc == TD_EOF)
            return player_finish(run->player, err);
        channel_use use = rc == TD_OK ? use_of(run, frame->channel) : USE_NOT_CLEAN;
        if (rc == TD_OK && frame->recv_ns >= run->day->window.to_ns) {
            rc = apply_later_frame(run, frame, err);
        } else if (use != USE_NOT_CLEAN && use != USE_OTHER_PASS) {
            int is_counted = run->writers.pass == 0 && !frame->is_lead_in && !frame->is_copy &&
                             frame_role_is_of_topic(frame->channel->role);
            run->useful_frames += is_counted && use == USE_ROWS;
            run->foreign_frames += is_counted && use == USE_FOREIGN;
            rc = player_on_frame(run->player, frame, err);
        }
        if (rc != TD_OK)
            return rc;
    }
}

/* ---- rows that are not of a frame ---- */

/* The family of a feed: that of its newest segment in the plan; of a feed without segments, whose
 * gaps are in the journal, the one with its name, which feeds have by default. feed NULL: of any
 * feed. */
static const family *family_of_feed(const read_plan *plan, const char *feed)
{
    for (size_t i = read_plan_count(plan); i > 0; i--) {
        const segment_index *index = read_plan_segment(plan, i - 1)->index;
        if (feed == NULL || strcmp(index->feed, feed) == 0)
            return family_find(td_bytes_str(index->family));
    }
    return feed == NULL ? NULL : family_find(td_bytes_str(feed));
}

/* The gaps of the ledger, and of topics whose state was not right before, as rows. */
static export_gap *known_gaps(const day_run *run, size_t *count)
{
    const size_t in_ledger = run->day->gap_count;
    export_gap *gaps = NULL;
    for (*count = 0; *count < in_ledger + run->began.count; (*count)++) {
        gaps = td_array_grow(gaps, *count, sizeof *gaps);
        gaps[*count] =
            (export_gap){.row = *count < in_ledger ? *run->day->gaps[*count]
                                                   : run->began.rows[*count - in_ledger]};
    }
    return gaps;
}

/* Adds the breaks of a route's book that are no gaps. */
static export_gap *add_breaks(const day_route *route, export_gap *gaps, size_t *count)
{
    const channel_info *of = &route->channel->info;
    for (size_t i = 0; i < route->break_count; i++) {
        const trust_break *broke = &route->breaks[i];
        if (time_reason_is_gap(broke->reason))
            continue;
        gaps = td_array_grow(gaps, *count, sizeof *gaps);
        export_gap *made = &gaps[(*count)++];
        made->row = found_gap_of_break(of, broke);
        made->reason = broke->reason == DOUBT_RULE && broke->rule != RULE_NONE
                           ? rule_name(broke->rule)
                           : made->row.cause;
    }
    return gaps;
}

static int compare_gaps(const void *a, const void *b)
{
    const gap_row *x = &((const export_gap *)a)->row;
    const gap_row *y = &((const export_gap *)b)->row;
    if (x->from_ns != y->from_ns)
        return x->from_ns < y->from_ns ? -1 : 1;
    return gap_row_compare(x, y);
}

/* Puts the rows of gaps. Each belongs to the exchange of its feed. A day without gaps has one
 * writer, so that the manifest lists the type. A format that leaves out frames of broken books also
 * gets the breaks, which nothing else in it marks. */
static td_result put_gaps(day_run *run, const export_output *output, const read_plan *plan,
                          td_err *err)
{
    size_t count = 0;
    export_gap *gaps = known_gaps(run, &count);
    export_writer *writer = NULL;
    td_result rc = TD_OK;
    for (size_t i = 0; output->format->grouping == EXPORT_PER_SYMBOL && i < run->route_count; i++)
        gaps = add_breaks(run->routes[i], gaps, &count);
    if (count == 0)
        rc =
            export_writers_of_type(&run->writers, output, family_of_feed(plan, NULL), &writer, err);
    else
        qsort(gaps, count, sizeof *gaps, compare_gaps);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        const family *of = family_of_feed(plan, gaps[i].row.feed);
        rc = export_writers_of_type(&run->writers, output, of, &writer, err);
        const row_out out = {export_writer_put, writer};
        if (rc == TD_OK)
            rc = output->type->day(&gaps[i], 1, &out, err);
    }
    td_free(gaps);
    return rc;
}

/* 1 if a requested type is made from the topic. */
static int is_used(const export_spec *spec, const topic_row *row)
{
    int found = 0;
    for (size_t k = 0; k < spec->type_count; k++)
        found |= ((spec->types[k]->flags & EXPORT_OF_REPLIES) == 0 &&
                  export_type_is_of(spec->types[k], row)) ||
                 ((spec->types[k]->flags & EXPORT_OF_BOOKS) != 0 && export_is_book_topic(row, 0));
    return found;
}

/* A topic without a frame on the day, whose state was not right before, is broken all day. */
static void find_began(day_run *run)
{
    for (size_t i = 0; i < run->silent.count; i++) {
        const silent_topic *row = &run->silent.rows[i];
        const channel_info of = {.feed = row->feed, .topic = row->topic, .symbol = row->symbol};
        const trust_break broke = {.reason = player_began_broken(run->player, row),
                                   .from_ns = run->day->window.from_ns};
        if (broke.reason == TIME_IS_RIGHT || !is_used(run->day->spec, row->row))
            continue;
        const gap_row made = found_gap_of_break(&of, &broke);
        gap_list_add(&run->began, &made);
    }
}

/* Puts the rows of types that are about the whole day, into the formats of this grouping. */
static td_result put_day_rows(day_run *run, export_grouping grouping, td_err *err)
{
    const export_spec *spec = run->day->spec;
    selection all = {0};
    read_query query = selection_query(&all, SELECTION_ALL_TIME);
    read_plan *plan = NULL;
    td_result rc = TD_OK;
    query.is_for_channels = 1; /* one segment of each feed suffices */
    query.is_quiet = 1;
    for (size_t i = 0; rc == TD_OK && i < spec->output_count; i++) {
        const export_output *output = &spec->outputs[i];
        if (output->type->day == NULL || output->format->grouping != grouping)
            continue;
        if (plan == NULL)
            rc = read_plan_open(run->day->archive, &query, &plan, err);
        if (rc == TD_OK)
            rc = put_gaps(run, output, plan, err);
    }
    read_plan_close(plan);
    return rc;
}

/* Puts a break that happened after the book's last frame of the day. */
static td_result end_book(day_maker *maker, td_err *err)
{
    const day_run *run = maker->route->run;
    const trust_break broke =
        topic_trust_end(&maker->route->stream->tape.trust, run->day->ledger,
                        cursor_damaged_until_ns(run->tape, maker->route->channel->info.feed),
                        run->day->window.to_ns);
    if ((maker->type->flags & EXPORT_OF_BOOKS) == 0 || broke.reason == TIME_IS_RIGHT ||
        broke.from_ns < run->day->window.from_ns)
        return TD_OK;
    add_break(maker->route, &broke, run->day->window.from_ns);
    for (size_t i = 0; i < maker->output_count; i++)
        if (maker->outputs[i].writer != NULL)
            export_counts_break(&maker->outputs[i].writer->owner->counts, &broke);
    return put_gap(maker, &broke, err);
}

static td_result end_makers(day_run *run, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < run->route_count; i++) {
        day_route *route = run->routes[i];
        const uint64_t end_ns = run->day->window.to_ns;
        const gap_row *gap = gap_before(route, route->latest, end_ns);
        if (route->has_intervals) {
            uint64_t until_ns = 0;
            rc = topic_times_until(run->times, route->latest, route->covered.recv_ns, &until_ns,
                                   err);
            coverage_end(&route->covered, run->day->ledger, route->latest, run->day->window,
                         cursor_damaged_until_ns(run->tape, route->channel->info.feed), until_ns);
        }
        for (size_t k = 0; rc == TD_OK && k < route->maker_count; k++) {
            day_maker *maker = &route->makers[k];
            const row_out out = {put, maker};
            if (maker->type->end != NULL)
                rc = maker->type->end(maker->type_maker, end_ns, gap, &out, err);
            rc = rc == TD_OK ? end_book(maker, err) : rc;
        }
    }
    return rc;
}

/* ---- the end ---- */

/* Completes a file. Several are completed at a time, because most of the work is compressing and
 * waiting for the disk. */
static td_result finish_writer(void *user, size_t i, td_err *err)
{
    day_run *run = user;
    export_writer *writer = run->writers.items[i];
    const export_format *format = writer->output->format;
    if (writer->format_writer == NULL || is_left_out(run, format))
        return TD_OK;
    td_result rc = format->finish(writer->format_writer, err);
    format->close(writer->format_writer);
    writer->format_writer = NULL;
    return rc == TD_E_LIMIT ? leave_format_out(run, format, rc, err) : rc;
}

/* Logs the first symbols that are left out; the manifest lists all. */
static void log_left_out(const day_run *run, const char *date)
{
    enum { LEFT_OUT_SHOWN = 16 };
    for (size_t i = 0; i < run->left_out_count && i < LEFT_OUT_SHOWN; i++) {
        const export_left_out *row = &run->left_out[i];
        td_log_emit(run->day->log, TD_LOG_WARNING,
                    "%s: feed %s, symbol '%s' is left out, with %s: %s", date, row->feed,
                    row->symbol, format_counted(row->frames, "frame").text, row->reason);
    }
    if (run->left_out_count > LEFT_OUT_SHOWN)
        td_log_emit(run->day->log, TD_LOG_WARNING, "%s: %s left out; the manifest lists them", date,
                    format_counted(run->left_out_count - LEFT_OUT_SHOWN, "more symbol").text);
}

static void log_clock(const day_run *run, const char *date)
{
    /* 1 ns: the times are equal, as in frames without a receive time of their own. */
    if (run->clock_offset_ns > 1)
        td_log_emit(run->day->log, TD_LOG_WARNING,
                    "%s: frames were received before the exchange sent them, so the recorder's "
                    "clock was behind; %" PRId64 " ns are added to all receive times",
                    date, run->clock_offset_ns);
}

/* Warns if books come from another topic than the market's usual one; the manifest lists each such
 * book. */
static void log_choices(const day_run *run, const char *date)
{
    const export_choice *first = NULL;
    size_t count = 0;
    for (size_t i = 0; run->day->spec->settings.depth == 0 && i < run->choices.count; i++) {
        const export_choice *choice = run->choices.items[i];
        const char *usual = choice->family->market.book_topic;
        if (usual == NULL || choice->prefers != export_prefers_book ||
            strcmp(choice->row->name, usual) == 0)
            continue;
        first = first == NULL ? choice : first;
        count++;
    }
    if (count > 0)
        td_log_emit(run->day->log, TD_LOG_WARNING,
                    "%s: books of %s come from other topics than usual: feed %s, symbol %s has no "
                    "%s, so the export uses %s, the deepest recorded book",
                    date, format_counted(count, "symbol").text, first->feed, first->symbol,
                    first->family->market.book_topic, first->row->name);
}

/* Finds what the archive lacks of the day: a bound at midnight is that of the day, others are of
 * the selection. Damage is reported as such, and may hold what seems absent. */
static td_result find_absences(day_run *run, td_err *err)
{
    const selection_window window = run->day->window;
    selection wanted = *run->day->wanted;
    wanted.has_from = window.from_ns % TD_NS_PER_DAY != 0;
    wanted.has_to = window.to_ns % TD_NS_PER_DAY != 0;
    return report_verdict(&run->report) == REPLAY_DAMAGED
               ? TD_OK
               : absence_find(run->day->archive, run->day->ledger, &wanted, window,
                              player_streams(run->player), &run->report.absences, err);
}

/* Keeps what the first pass found. */
static void read_report(day_run *run)
{
    const export_day *day = run->day;
    replay_report *report = &run->report;
    report_init_replay(report, run->player, NULL);
    report->began_broken += run->began.count;
    report_add_silent(report, &run->silent);
    report->overdue = 0;
    for (size_t i = 0; i < report->silent.count; i++)
        report->overdue += is_used(day->spec, report->silent.rows[i].row) &&
                           silent_topic_is_overdue(&report->silent.rows[i]);
    cursor_get_stats(run->tape, &report->tape);
    gap_list_join(&run->found, cursor_get_damage(run->tape));
    report_add_gaps(report, &run->found, day->wanted, day->window);
    gap_list_fini(&run->found);
    gap_list_join(&run->found, &run->began);
    gap_list_join(&run->found, &report->gaps); /* without the ledger's gaps, which the head has */
    gap_list known = {0};
    for (size_t i = 0; i < day->gap_count; i++)
        gap_list_append(&known, day->gaps[i]);
    report_add_gaps(report, &known, day->wanted, day->window);
    gap_list_fini(&known);
}

static void write_manifest(day_run *run, td_buf *manifest, export_facts *out)
{
    const export_day *day = run->day;
    *out =
        (export_facts){.totals = {[TOTAL_FOREIGN_FRAMES] = run->foreign_frames,
                                  [TOTAL_USEFUL_FRAMES] = run->useful_frames,
                                  [TOTAL_BOOKS] = (uint64_t)has_topics(run, export_prefers_book)},
                       .verdict = report_verdict(&run->report)};
    for (size_t i = 0; i < day->spec->format_count; i++)
        if (is_left_out(run, day->spec->formats[i]))
            export_writers_drop(&run->writers, day->spec->formats[i]);
    if (out->verdict == REPLAY_COMPLETE && (!run->has_first_pass || run->left_out_count > 0 ||
                                            atomic_load(&run->left_out_formats) != 0))
        out->verdict = REPLAY_INCOMPLETE;
    const export_manifest_day content = {
        .writers = &run->writers,
        .spec = day->spec,
        .left_out_formats = atomic_load(&run->left_out_formats),
        .left_out = run->left_out,
        .left_out_count = run->left_out_count,
        .left_out_topics = &run->left_out_topics,
        .shares_files = atomic_load(&run->has_other_symbols) != 0 && day->symbols != NULL,
        .found = &run->found,
        .report = &run->report};
    export_manifest_add_day(manifest, &content, out);
}

/* Plays the first pass, which also writes the rows that are about the whole day. */
static td_result play_first(day_run *run, td_err *err)
{
    td_result rc = silent_topics_find(run->day->archive, NULL, NULL, run->day->wanted,
                                      run->day->window, &run->silent, err);
    if (rc == TD_OK)
        rc = open_frame_writer(run, err);
    if (rc == TD_OK)
        rc = put_day_rows(run, EXPORT_PER_DAY, err);
    if (rc == TD_OK)
        rc = play(run, err);
    if (rc == TD_OK)
        rc = end_makers(run, err);
    if (rc != TD_OK)
        return rc;
    find_began(run);
    read_report(run);
    rc = find_absences(run, err);
    if (rc != TD_OK)
        return rc;
    run->frame_writer = NULL;
    export_precisions_join(&run->precisions, run->day->precisions);
    return put_day_rows(run, EXPORT_PER_SYMBOL, err); /* the breaks of books are known now */
}

static td_result run_pass(day_run *run, td_err *err)
{
    td_result rc = open_tape(run, err);
    if (rc != TD_OK)
        return rc;
    open_player(run);
    if (run->writers.pass == 0)
        rc = play_first(run, err);
    else if ((rc = play(run, err)) == TD_OK)
        rc = end_makers(run, err);
    if (!run->has_first_pass)
        cursor_get_stats(run->tape,
                         &run->report.tape); /* damage that the first unit did not meet */
    if (rc != TD_OK)
        return rc;
    /* All files of an instrument have one precision, across types. All files of the day have one
     * offset, which is added to receive times. */
    for (size_t i = 0; i < run->writers.count; i++) {
        const export_writer *writer = run->writers.items[i];
        if (writer->format_writer != NULL && writer->output->format->add_precision != NULL)
            writer->output->format->add_precision(writer->format_writer, &run->precisions);
        if (writer->counts.clock_behind_ns > run->clock_offset_ns)
            run->clock_offset_ns = writer->counts.clock_behind_ns;
    }
    return td_workers_each(cursor_workers(run->tape), run->writers.count, finish_writer, run, err);
}

static void close_pass(day_run *run)
{
    player_close(run->player); /* also closes the routes */
    for (size_t i = 0; i < run->joined_count; i++) {
        run->joined[i]->type->close(run->joined[i]->type_maker);
        td_free(run->joined[i]->routes);
        td_free(run->joined[i]);
    }
    td_free(run->joined);
    row_table_fini(&run->joined_by_symbol);
    td_free(run->routes);
    td_free(run->uses);
    cursor_close(run->tape);
    topic_times_close(run->times);
    run->player = NULL;
    run->routes = NULL;
    run->route_count = 0;
    run->joined = NULL;
    run->joined_count = 0;
    run->joined_by_symbol = (row_table){0};
    run->uses = NULL;
    run->use_count = 0;
    run->tape = NULL;
    run->times = NULL;
}

static void close_run(day_run *run)
{
    export_writers_fini(&run->writers);
    export_precisions_fini(&run->precisions);
    export_choices_fini(&run->choices);
    left_out_topics_fini(&run->left_out_topics);
    silent_list_fini(&run->silent);
    gap_list_fini(&run->began);
    report_fini_replay(&run->report);
    gap_list_fini(&run->found);
    (void)pthread_mutex_destroy(&run->lock);
    td_free(run);
}

td_result export_day_run(const export_day *day, td_buf *manifest, export_facts *out, td_err *err)
{
    TD_ASSERT(day->threads >= 1);
    day_run *run = td_alloc_zero(1, sizeof *run);
    run->day = day;
    run->has_first_pass = day->symbols == NULL || day->spec->unit.number == 1;
    (void)pthread_mutex_init(&run->lock, NULL);
    init_writers(run);
    const char *date = run->writers.template.date;
    td_result rc;
    do {
        rc = run_pass(run, err);
        close_pass(run);
    } while (rc == TD_OK && export_writers_next_pass(&run->writers));
    if (rc == TD_OK && run->has_first_pass) {
        log_choices(run, date);
        log_left_out(run, date);
        log_clock(run, date);
    }
    if (rc == TD_OK)
        write_manifest(run, manifest, out);
    for (size_t i = 0; rc != TD_OK && i < run->writers.count; i++)
        export_files_discard(&run->writers.items[i]->files);
    if (rc != TD_OK && rc != TD_EOF)
        td_err_add(err, rc, "%s", date);
    close_run(run);
    return rc;
}
