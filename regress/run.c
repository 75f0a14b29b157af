#include "regress/run.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "cli/version.h"
#include "play/player.h"
#include "regress/baseline_selection.h"
#include "regress/decoder_map.h"
#include "regress/frame_hashes.h"
#include "regress/segments_seen.h"
#include "tape/nothing.h"
#include "tape/tape.h"

enum {
    LOOK_FRAMES = 64, /* how often the clock and the size of the buffer are read */
    PROGRESS_FRAMES = 4096,
};

typedef struct run {
    const regress_run_options *options;
    regress_run_result *result;
    baseline_meta meta;
    char *selection_text;
    char own_id[TD_HASH128_HEX_BYTES];
    char reference[BASELINE_CONTENT_BYTES];
    selection wanted; /* times absolute; from where the run begins */
    segments_seen *segments;
    baseline *baseline;
    tape *tape;
    player *player;
    frame_hashes *hashes;
    uint64_t taken;            /* frames, outbound ones too */
    uint64_t last_ns;          /* of the last frame that was taken */
    uint64_t since;            /* frames since the last checkpoint */
    uint64_t checkpoint_at_ns; /* of the monotonic clock: when the next one is due */
    uint8_t is_due;            /* a checkpoint, at the next frame of another time */
    uint8_t has_enough;        /* frames to put */
    uint8_t is_stopping;
    uint8_t is_reused; /* the baseline was complete before */
} run;

/* ---- the selection ---- */

/* Times are fixed, so that an interrupted run ends where it would have ended. */
static td_result read_selection(run *r, td_err *err)
{
    selection_window window;
    td_result rc = selection_check_of(r->options->archive, r->options->wanted, err);
    if (rc == TD_OK)
        rc = tape_find_window(r->options->archive, r->options->wanted, NULL, &window, err);
    if (rc != TD_OK)
        return rc;
    r->wanted = *r->options->wanted;
    selection_set_window(&r->wanted, window);
    r->selection_text = baseline_selection_text(&r->wanted, window);
    if (r->selection_text == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a selection");
    r->meta = r->options->meta;
    r->meta.selection = r->selection_text;
    r->meta.version = TAPEDECK_VERSION;
    r->meta.map = r->options->map == NULL ? "" : decoder_map_text(r->options->map);
    if (r->options->reference != NULL)
        baseline_name_content(r->options->reference, r->reference);
    r->meta.reference = r->reference;
    return TD_OK;
}

/* The decoder, if the caller names none: this program. What was decoded by another one is not added
 * to an unfinished baseline. */
static td_result name_decoder(run *r, td_err *err)
{
    if (r->meta.decoder != NULL)
        return TD_OK;
    TD_ASSERT(r->options->decoding == NULL);
    r->meta.decoder = "built-in";
    r->meta.decoder_id = r->own_id;
    return td_io_hash(io_posix(), "/proc/self/exe", r->own_id, err);
}

/* ---- the baseline ---- */

static int is_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* Why an unfinished baseline cannot go on: what is another than in its first run; NULL: it can. */
static const char *other_than(const run *r, const baseline_meta *had)
{
    const baseline_meta *meta = &r->meta;
    if (!is_text(had->version, meta->version))
        return "version of tapedeck";
    if (!is_text(had->decoder_id, meta->decoder_id) || !is_text(had->decoder, meta->decoder))
        return "decoder";
    if (!is_text(had->archive, meta->archive))
        return "archive";
    if (!is_text(had->selection, meta->selection))
        return "selection";
    if (!is_text(had->map, meta->map))
        return "mapping file";
    if (!is_text(had->reference, meta->reference))
        return "baseline to compare with";
    uint64_t until_ns = had->is_complete ? UINT64_MAX : had->resume_ns;
    if (had->segments != segments_seen_before(r->segments, until_ns))
        return "list of segments";
    return had->members != meta->members || had->is_full != meta->is_full ? "choice of members"
                                                                          : NULL;
}

static int is_tape_damaged(const tape *from)
{
    tape_stats stats;
    tape_get_stats(from, &stats);
    return tape_is_damaged(&stats);
}

static td_result nothing_to_save(const run *r, int is_damaged, td_err *err)
{
    td_err own;
    if (is_damaged) {
        td_err_set(err, TD_E_CORRUPT, "no frame can be read: stored frames are damaged");
        td_err_hint(err, "'tapedeck verify' says where");
        return TD_E_CORRUPT;
    }
    td_result rc = selection_nothing(r->options->archive, r->options->wanted, &own);
    return td_err_pass(err, rc, &own);
}

static td_result start_over(run *r, td_err *err)
{
    baseline_close(r->baseline);
    r->baseline = NULL;
    td_result rc = baseline_remove(r->options->path, err);
    return rc == TD_OK ? baseline_create(r->options->path, &r->meta, &r->baseline, err) : rc;
}

static td_result refuse_complete(const run *r, td_err *err)
{
    td_err_set(err, TD_E_INVALID, "'%s' is a complete baseline already", r->options->path);
    td_err_hint(err, "give --force to replace it, or another name");
    return TD_E_INVALID;
}

/* An error if the selection has no frame that a baseline covers. */
static td_result find_any_frame(const run *r, td_err *err)
{
    tape *from = NULL;
    tape_frame frame;
    td_result rc = tape_open(r->options->archive, &r->wanted, &(tape_options){0}, &from, err);
    while (rc == TD_OK) {
        rc = tape_next(from, &frame, err);
        if (rc == TD_OK && frame.channel->info.dir == CHANNEL_IN)
            break;
    }
    if (rc == TD_EOF)
        rc = nothing_to_save(r, is_tape_damaged(from), err);
    tape_close(from);
    return rc;
}

/* A baseline in the place of another one, which stays if the new one would be of nothing. */
static td_result replace(run *r, td_err *err)
{
    td_result rc = find_any_frame(r, err);
    return rc == TD_OK ? start_over(r, err) : rc;
}

static td_result reuse(run *r, td_err *err)
{
    td_log_emit(r->options->log, TD_LOG_INFO, "'%s' is complete: it is used as it is",
                r->options->path);
    baseline_close(r->baseline);
    r->baseline = NULL;
    r->is_reused = 1;
    return baseline_open(r->options->path, BASELINE_READ, &r->baseline, err);
}

/* Go on with an unfinished baseline if that is possible. */
static td_result take_existing(run *r, td_err *err)
{
    const baseline_meta *had = baseline_get_meta(r->baseline);
    const char *other = other_than(r, had);
    if (had->is_complete && r->options->existing == REGRESS_REUSE && other == NULL)
        return reuse(r, err);
    if (had->is_complete)
        return r->options->existing == REGRESS_KEEP ? refuse_complete(r, err) : replace(r, err);
    if (other != NULL) {
        td_log_emit(r->options->log, TD_LOG_WARNING,
                    "'%s' is unfinished, but its %s is another: starting from the beginning",
                    r->options->path, other);
        return start_over(r, err);
    }
    r->result->resumed_from_ns = had->resume_ns;
    if (had->resume_ns > 0) {
        char when[TD_TIME_TEXT_BYTES];
        td_time_format_ms(had->resume_ns, when);
        td_log_emit(r->options->log, TD_LOG_INFO, "'%s' is unfinished: going on from %s",
                    r->options->path, when);
        r->wanted.has_from = 1;
        r->wanted.from = (td_time_spec){TD_TIME_ABSOLUTE, had->resume_ns};
    }
    return TD_OK;
}

static td_result open_or_create(run *r, td_err *err)
{
    td_result rc = baseline_open(r->options->path, BASELINE_EXTEND, &r->baseline, err);
    if (rc == TD_OK)
        return take_existing(r, err);
    if (rc == TD_E_NOTFOUND)
        return baseline_create(r->options->path, &r->meta, &r->baseline, err);
    if (rc == TD_E_TRUNCATED)
        return start_over(r, err);                              /* a run was killed as it began */
    int is_ours = rc == TD_E_CORRUPT || rc == TD_E_UNSUPPORTED; /* else baseline_remove refuses */
    return is_ours && r->options->existing != REGRESS_KEEP ? replace(r, err) : rc;
}

static td_result open_baseline(run *r, td_err *err)
{
    td_result rc = open_or_create(r, err);
    if (rc == TD_OK && r->options->reference != NULL)
        baseline_set_reference(r->baseline, r->options->reference);
    return rc;
}

/* ---- playing ---- */

static td_result open_play(run *r, td_err *err)
{
    const regress_run_options *options = r->options;
    const tape_options reading = {.threads = options->threads,
                                  .log = options->log,
                                  .reads = r->meta.members == CANONICAL_WHOLE ? TAPE_READS_ALL
                                                                              : TAPE_READS_MESSAGES,
                                  .with_lead_in = 1,
                                  .decoding = options->decoding};
    td_result rc = tape_open(options->archive, &r->wanted, &reading, &r->tape, err);
    const frame_hashes_options hashing = {.members = r->meta.members,
                                          .is_full = r->meta.is_full,
                                          .map = options->map,
                                          .bytes_max = options->buffer_bytes != 0
                                                           ? options->buffer_bytes
                                                           : LIMIT_REGRESS_BUFFER_BYTES};
    if (rc == TD_OK)
        rc = frame_hashes_open(&hashing, &r->hashes, err);
    if (rc != TD_OK)
        return rc;
    const player_options playing = {.threads = options->threads,
                                    .observer = frame_hashes_observer(r->hashes),
                                    .without_digests = 1,
                                    .without_audits = 1};
    return player_open(&playing, &r->player, err);
}

static uint64_t now_ns(const run *r)
{
    return clock_mono_ns(r->options->clock);
}

static void note_damage(run *r)
{
    tape_stats stats;
    tape_get_stats(r->tape, &stats);
    r->result->damaged_chunks = stats.damaged_chunks;
    if (is_tape_damaged(r->tape))
        baseline_set_damaged(r->baseline);
}

/* Everything that was taken goes into the baseline; the workers are idle. */
static td_result put_all(run *r, td_err *err)
{
    note_damage(r);
    r->has_enough = 0;
    return frame_hashes_put(r->hashes, r->baseline, err);
}

/* Between checkpoints, to keep memory small: an interruption undoes it. */
static td_result put_some(run *r, td_err *err)
{
    r->has_enough = 0;
    td_result rc = player_drain(r->player, err);
    return rc == TD_OK ? frame_hashes_put_some(r->hashes, r->baseline, err) : rc;
}

static void schedule_checkpoint(run *r)
{
    r->since = 0;
    r->is_due = 0;
    uint64_t every_ns = r->options->checkpoint_ns;
    r->checkpoint_at_ns = now_ns(r) + (every_ns == 0 ? REGRESS_CHECKPOINT_NS : every_ns);
}

/* All frames that were received before resume_ns are taken, and no other. */
static td_result checkpoint(run *r, uint64_t resume_ns, td_err *err)
{
    td_result rc = player_drain(r->player, err);
    if (rc == TD_OK)
        rc = put_all(r, err);
    baseline_set_segments(r->baseline, segments_seen_before(r->segments, resume_ns));
    if (rc == TD_OK)
        rc = baseline_commit(r->baseline, resume_ns, err);
    schedule_checkpoint(r);
    return rc;
}

static void report_progress(run *r)
{
    if (r->options->progress != NULL &&
        r->options->progress(r->options->user, r->result->frames, r->last_ns))
        r->is_stopping = 1;
}

/* Now and then: is it time for a checkpoint, or for the end? */
static void look_around(run *r)
{
    if (++r->taken % PROGRESS_FRAMES == 0)
        report_progress(r);
    r->is_due |= r->is_stopping ||
                 (r->options->checkpoint_frames > 0 && r->since >= r->options->checkpoint_frames);
    if (r->since % LOOK_FRAMES == 0) {
        r->is_due |= now_ns(r) >= r->checkpoint_at_ns;
        r->has_enough = frame_hashes_are_enough(r->hashes) != 0;
    }
}

/* All frames before next_ns are taken. No checkpoint is later than what is settled in the archive:
 * one feed's frames may become readable after later frames of another. TD_EOF: stopped. */
static td_result between_times(run *r, uint64_t next_ns, td_err *err)
{
    uint64_t settled_ns = segments_seen_settled_ns(r->segments);
    int is_settled = next_ns < settled_ns;
    int is_last = !is_settled && r->last_ns < settled_ns;
    td_result rc = TD_OK;
    if (is_last || (r->is_due && is_settled)) {
        rc = checkpoint(r, is_settled ? next_ns : settled_ns, err);
        if (rc == TD_OK && r->options->checkpoint_frames > 0)
            report_progress(r);
    }
    return rc == TD_OK && r->is_stopping ? TD_EOF : rc;
}

static td_result take(run *r, const tape_frame *frame, td_err *err)
{
    if (!frame->is_lead_in) {
        td_result rc = TD_OK;
        if (frame->recv_ns != r->last_ns)
            rc = between_times(r, frame->recv_ns, err);
        if (rc == TD_OK && r->has_enough)
            rc = put_some(r, err);
        if (rc != TD_OK)
            return rc;
        r->last_ns = frame->recv_ns;
        r->result->frames += frame->channel->info.dir == CHANNEL_IN;
        r->since++;
        look_around(r);
    }
    return player_take(r->player, frame, err);
}

/* TD_EOF: stopped. */
static td_result play(run *r, td_err *err)
{
    schedule_checkpoint(r);
    for (;;) {
        tape_frame frame;
        td_result rc = tape_next(r->tape, &frame, err);
        if (rc == TD_EOF)
            return TD_OK;
        if (rc == TD_OK)
            rc = take(r, &frame, err);
        if (rc != TD_OK)
            return rc;
    }
}

static td_result finish(run *r, td_err *err)
{
    td_result rc = player_finish(r->player, err);
    if (rc == TD_OK)
        rc = put_all(r, err);
    baseline_set_segments(r->baseline, segments_seen_before(r->segments, UINT64_MAX));
    return rc == TD_OK ? baseline_finish(r->baseline, err) : rc;
}

/* Nothing matched: the file would be of nothing. */
static td_result refuse_nothing(run *r, td_err *err)
{
    int is_damaged = baseline_get_meta(r->baseline)->is_damaged;
    baseline_close(r->baseline);
    r->baseline = NULL;
    td_result rc = baseline_remove(r->options->path, err);
    return rc == TD_OK ? nothing_to_save(r, is_damaged, err) : rc;
}

static td_result run_all(run *r, td_err *err)
{
    td_result rc = read_selection(r, err);
    if (rc == TD_OK)
        rc = name_decoder(r, err);
    if (rc == TD_OK) /* before the tape looks for them: it may find more, but none less */
        rc = segments_seen_open(r->options->archive, &r->wanted, &r->segments, err);
    if (rc == TD_OK)
        rc = open_baseline(r, err);
    if (rc != TD_OK || r->is_reused)
        return rc;
    rc = open_play(r, err);
    if (rc == TD_OK)
        rc = play(r, err);
    if (rc == TD_OK)
        rc = finish(r, err);
    if (rc == TD_OK && baseline_stream_count(r->baseline) == 0)
        rc = refuse_nothing(r, err);
    return rc;
}

td_result regress_run(const regress_run_options *options, regress_run_result *result,
                      baseline **out, td_err *err)
{
    TD_ASSERT(options->threads >= 1);
    TD_ASSERT(options->threads <= LIMIT_THREADS);
    TD_ASSERT(!options->meta.is_full || options->meta.members == CANONICAL_WHOLE);
    *result = (regress_run_result){0};
    *out = NULL;
    run r = {.options = options, .result = result};
    td_result rc = run_all(&r, err);
    player_close(r.player); /* its streams are known to the tape's channels */
    frame_hashes_close(r.hashes);
    tape_close(r.tape);
    segments_seen_close(r.segments);
    td_free(r.selection_text);
    if (rc == TD_OK)
        *out = r.baseline;
    else
        baseline_close(r.baseline);
    return rc;
}
