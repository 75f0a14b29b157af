#include "play/checkpoints.h"

#include <string.h>

#include "base/alloc.h"
#include "archive/checkpoint_file.h"
#include "archive/read_plan.h"
#include "play/player.h"

/* One session of a feed. */
typedef struct pass {
    archive *archive;
    checkpoints_report *report;
    const segment_index **segments; /* by time */
    size_t count;
    size_t next;      /* whose first frame did not come yet */
    uint64_t last_ns; /* of the last frame of a topic; 0: none came */
    player *player;
    cursor *tape;
    checkpoint_builder builder;
    td_buf record;
} pass;

/* ---- what is missing ---- */

static int is_of_session(const segment_index *a, const segment_index *b)
{
    return strcmp(a->feed, b->feed) == 0 && strcmp(a->session, b->session) == 0;
}

/* 1 if readers have no checkpoint at its beginning. */
static int lacks_checkpoint(archive *of, const segment_index *index)
{
    char path[LIMIT_PATH_BYTES];
    segment_checkpoint found;
    for (size_t i = 0; i < index->checkpoint_count; i++)
        if (index->checkpoints[i].at_ns <= index->first_ns)
            return 0;
    return index->chain_hex[0] != '\0' && !index->is_open &&
           !checkpoint_file_find(of, index, &found, path);
}

/* Gather the segments of the session that segment i is of, up to the last one that lacks a
 * checkpoint. 0: nothing is to be made, or another session overlaps. */
static size_t gather(archive *of, const read_plan *plan, size_t i, const segment_index **out)
{
    const segment_index *first = read_plan_segment(plan, i)->index;
    size_t found = 0;
    size_t count = 0;
    for (; i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        if (!is_of_session(index, first))
            continue;
        out[found++] = index;
        if (found > 1 && lacks_checkpoint(of, index))
            count = found;
    }
    for (i = 0; i < read_plan_count(plan) && count > 0; i++) {
        const segment_index *other = read_plan_segment(plan, i)->index;
        if (strcmp(other->feed, first->feed) == 0 && !is_of_session(other, first) &&
            other->first_ns < out[count - 1]->first_ns && other->last_ns >= first->first_ns)
            return 0;
    }
    return count;
}

/* ---- playing ---- */

/* The next segment begins: the states are those before it. */
static td_result save(pass *p, td_err *err)
{
    const segment_index *of = p->segments[p->next++];
    cursor_stats stats;
    cursor_get_stats(p->tape, &stats);
    if (p->last_ns == 0 || cursor_is_damaged(&stats) || !lacks_checkpoint(p->archive, of))
        return TD_OK;
    td_result rc = player_drain(p->player, err);
    if (rc != TD_OK)
        return rc;
    player_save_states(p->player, of->feed, &p->builder);
    p->report->left_out += p->builder.left_out;
    checkpoint_builder_finish(&p->builder, p->last_ns + 1, &p->record);
    p->report->made++;
    return checkpoint_file_write(p->archive, of, td_buf_view(&p->record), err);
}

static td_result play(pass *p, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        const frame_ref *frame;
        rc = cursor_next(p->tape, &frame, err);
        if (rc != TD_OK)
            break;
        if (frame_role_is_of_topic(frame->channel->role)) {
            while (rc == TD_OK && frame->recv_ns >= p->segments[p->next]->first_ns)
                rc = save(p, err);
            p->last_ns = frame->recv_ns;
        }
        if (rc == TD_OK)
            rc = player_on_frame(p->player, frame, err);
    }
    if (rc != TD_EOF)
        return rc;
    for (rc = TD_OK; rc == TD_OK && p->next < p->count;)
        rc = save(p, err);
    return rc;
}

/* The tape ends where the last one that is needed begins. */
static td_result play_session(pass *p, unsigned threads, const td_log *log, td_err *err)
{
    const char *feed = p->segments[0]->feed;
    selection wanted = {.feeds = {&feed, 1}};
    selection_set_window(
        &wanted, (selection_window){p->segments[0]->first_ns, p->segments[p->count - 1]->first_ns});
    const cursor_options reading = {.threads = threads, .log = log, .reads = TAPE_READS_MESSAGES};
    td_result rc = cursor_open(p->archive, &wanted, &reading, &p->tape, err);
    if (rc != TD_OK)
        return rc;
    p->player =
        player_open(&(player_options){.workers = cursor_workers(p->tape), .without_digests = 1});
    checkpoint_builder_init(&p->builder);
    td_buf_init(&p->record, LIMIT_RECORD_BYTES);
    rc = play(p, err);
    td_buf_fini(&p->record);
    checkpoint_builder_fini(&p->builder);
    player_close(p->player);
    cursor_close(p->tape);
    return rc;
}

td_result checkpoints_make(archive *of, unsigned threads, const td_log *log,
                           checkpoints_report *report, td_err *err)
{
    const read_query all = {.to_ns = UINT64_MAX, .is_quiet = 1};
    read_plan *plan = NULL;
    *report = (checkpoints_report){0};
    td_result rc = read_plan_open(of, &all, &plan, err);
    if (rc != TD_OK)
        return rc;
    const segment_index **segments =
        td_alloc_zero(read_plan_count(plan) + 1, sizeof(const segment_index *));
    for (size_t i = 0; i < read_plan_count(plan) && rc == TD_OK; i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        size_t k = 0;
        while (!is_of_session(read_plan_segment(plan, k)->index, index))
            k++;
        pass p = {.archive = of, .report = report, .segments = segments, .next = 1};
        p.count = k == i ? gather(of, plan, i, segments) : 0; /* each session once */
        if (p.count > 0)
            rc = play_session(&p, threads, log, err);
    }
    td_free(segments);
    read_plan_close(plan);
    return rc;
}
