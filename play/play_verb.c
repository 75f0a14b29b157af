#include "play/play_verb.h"

#include "base/time_text.h"
#include "cli/report.h"
#include "cli/units.h"

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
    if (verb->calls.release == NULL)
        stop_signal_block();
    else
        stop_signal_block_with_terminal();
    td_result rc = stop_signal_open(&verb->calls, &verb->signals, &verb->err);
    if (rc == TD_OK)
        return 1;
    *status = play_verb_end(verb, rc, EXIT_CODE_DONE);
    return 0;
}

/* The time of the last frame (0: unknown), how many there were, how many a second now. */
static void show_frames(play_verb *verb, uint64_t now_ns, uint64_t frames, uint64_t recv_ns)
{
    char when[TD_TIME_TEXT_BYTES] = "";
    uint64_t now = verb->rate == NULL ? 0 : rate_take(verb->rate, now_ns, frames);
    if (recv_ns != 0)
        td_time_format_ms(recv_ns, when);
    progress_show(&verb->progress, now_ns, "%s%s%s  %s%s%s%s",
                  verb->phase == NULL ? "" : verb->phase, verb->phase == NULL ? "" : "  ", when,
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
    stop_signal_close(verb->signals);
    return report_end(verb->report, &verb->output, rc, &verb->err, done);
}
