#include "play/play_verb.h"

#include "base/alloc.h"
#include "base/time_text.h"
#include "cli/report.h"
#include "cli/units.h"
#include "archive/read_plan.h"

int play_verb_begin(play_verb *verb, const verb_context *context, const options_spec *spec,
                    int argc, char **argv, options_operands *operands, exit_code *status)
{
    if (!verb_begin(context, spec, argc, argv, operands, status))
        return 0;
    verb->report = context->report;
    report_apply(verb->report, &verb->talk);
    verb->clock = clock_real();
    verb->log = report_log(verb->report);
    progress_init(&verb->progress, verb->report);
    output_init(&verb->output, stdout);
    td_err_clear(&verb->err);
    stop_signal_block(verb->calls.release != NULL);
    td_result rc = stop_signal_open(&verb->calls, &verb->signals, &verb->err);
    if (rc == TD_OK)
        return 1;
    *status = play_verb_end(verb, rc, EXIT_CODE_DONE);
    return 0;
}

/* The bytes of the selection's segments, by their times; without them no part is shown. The cursor
 * reports what cannot be read. */
static void find_stretches(play_verb *verb)
{
    const play_source *from = &verb->source;
    int is_relative = selection_is_relative(&from->wanted);
    selection_window window = {0, UINT64_MAX};
    selection wanted = from->wanted;
    read_plan *plan = NULL;
    verb->has_stretches = 1;
    if (from->archive == NULL || (is_relative && from->tape == NULL))
        return;
    if (from->tape != NULL)
        window = cursor_get_window(from->tape);
    else
        window = (selection_window){wanted.has_from ? wanted.from.ns : 0,
                                    wanted.has_to ? wanted.to.ns : UINT64_MAX};
    read_query query = selection_query(&wanted, window);
    query.is_quiet = 1;
    if (read_plan_open(from->archive, &query, &plan, NULL) != TD_OK)
        return;
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        uint64_t from_ns = index->first_ns > window.from_ns ? index->first_ns : window.from_ns;
        uint64_t to_ns = index->last_ns < window.to_ns ? index->last_ns : window.to_ns;
        verb->stretches =
            td_array_grow(verb->stretches, verb->stretch_count, sizeof *verb->stretches);
        verb->stretches[verb->stretch_count++] =
            (play_stretch){from_ns, to_ns > from_ns ? to_ns : from_ns + 1, index->file_bytes};
    }
    read_plan_close(plan);
}

unit_text play_verb_part(play_verb *verb, uint64_t now_ns, uint64_t recv_ns)
{
    uint64_t done = 0;
    uint64_t total = 0;
    if (!verb->has_stretches)
        find_stretches(verb);
    for (size_t i = 0; i < verb->stretch_count; i++) {
        const play_stretch *at = &verb->stretches[i];
        double part = recv_ns <= at->from_ns ? 0
                      : recv_ns >= at->to_ns
                          ? 1
                          : (double)(recv_ns - at->from_ns) / (double)(at->to_ns - at->from_ns);
        done += (uint64_t)(part * (double)at->bytes);
        total += at->bytes;
    }
    return progress_part(&verb->progress, now_ns, done, total);
}

/* The time of the last frame (0: unknown), how many there were, how many a second now. */
static void show_frames(play_verb *verb, uint64_t now_ns, uint64_t frames, uint64_t recv_ns)
{
    char when[TD_TIME_TEXT_BYTES] = "";
    uint64_t now = verb->rate == NULL ? 0 : rate_take(verb->rate, now_ns, frames);
    if (recv_ns != 0)
        td_time_format_ms(recv_ns, when);
    const unit_text part = play_verb_part(verb, now_ns, recv_ns);
    progress_show(&verb->progress, now_ns, "%s%s%s%s%s  %s%s%s%s",
                  verb->phase == NULL ? "" : verb->phase, verb->phase == NULL ? "" : "  ",
                  part.text, part.text[0] == '\0' ? "" : "  ", when,
                  format_counted(frames, "frame").text, verb->rate == NULL ? "" : "  ",
                  verb->rate == NULL ? "" : format_counted(now, "frame").text,
                  verb->rate == NULL ? "" : "/s");
}

int play_verb_progress(void *user, uint64_t frames, uint64_t recv_ns)
{
    play_verb *verb = user;
    uint64_t now_ns = clock_mono_ns(verb->clock);
    if (progress_is_due(&verb->progress, now_ns))
        show_frames(verb, now_ns, frames, recv_ns);
    return stop_signal_came(verb->signals);
}

exit_code play_verb_end(play_verb *verb, td_result rc, exit_code done)
{
    progress_end(&verb->progress);
    play_source_close(&verb->source);
    td_free(verb->stretches);
    stop_signal_close(verb->signals);
    return report_end(verb->report, &verb->output, rc, &verb->err, done);
}
