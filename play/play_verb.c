#include "play/play_verb.h"

#include "cli/report.h"

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

int play_verb_progress(void *user, uint64_t frames, uint64_t recv_ns)
{
    play_verb *verb = user;
    progress_show_frames(&verb->progress, clock_mono_ns(verb->clock), verb->phase, frames, recv_ns,
                         verb->rate);
    return stop_signal_came(verb->signals);
}

exit_code play_verb_end(play_verb *verb, td_result rc, exit_code done)
{
    progress_end(&verb->progress);
    play_source_close(&verb->source);
    stop_signal_close(verb->signals);
    return report_end(verb->report, &verb->output, rc, &verb->err, done);
}
