#include "schema/path_choice.h"

static path_fit fit_of_topics(const path_candidates *from, size_t index,
                              const dialect_request *request)
{
    size_t known = 0;
    for (size_t i = 0; i < request->arg_count; i++)
        known += from->has_topic(from->user, index, request->args[i]) != 0;
    return known == 0                   ? PATH_FIT_NO_TOPIC
           : known < request->arg_count ? PATH_FIT_SOME_TOPIC
                                        : PATH_FIT_ALL_TOPICS;
}

/* parsed: the result of reading the request. */
static path_fit fit_of(const path_candidates *from, size_t index, const dialect_request *request,
                       td_result parsed)
{
    const int is_read = parsed == TD_OK || parsed == TD_E_INVALID;
    if (!is_read || request->kind == REQUEST_UNKNOWN)
        return PATH_FIT_NONE;
    const int names_topics =
        request->kind == REQUEST_SUBSCRIBE || request->kind == REQUEST_UNSUBSCRIBE;
    return parsed == TD_OK && names_topics && request->arg_count > 0
               ? fit_of_topics(from, index, request)
               : PATH_FIT_FORM;
}

static void add_fit(path_choice *choice, size_t index, path_fit fit)
{
    if (index == 0 || fit > choice->fit)
        *choice = (path_choice){.best = index, .fit = fit, .is_only = 1};
    else if (fit == choice->fit)
        choice->is_only = 0;
}

path_choice path_choose(dialect_parser *parser, const path_candidates *from, td_bytes frame)
{
    path_choice choice = {0};
    for (size_t i = 0; i < from->count; i++) {
        dialect_request request;
        const td_result rc = request_parse(parser, from->dialects[i], frame, &request, NULL);
        add_fit(&choice, i, fit_of(from, i, &request, rc));
    }
    return choice;
}

path_choice path_choose_by_url(dialect_parser *parser, const path_candidates *from, td_bytes names,
                               td_bytes query)
{
    path_choice choice = {0};
    for (size_t i = 0; i < from->count; i++) {
        dialect_request request;
        const td_result rc =
            request_of_url(parser, from->dialects[i], names, query, &request, NULL);
        const int is_there = rc == TD_OK && request.arg_count > 0;
        add_fit(&choice, i, is_there ? fit_of_topics(from, i, &request) : PATH_FIT_NONE);
    }
    return choice;
}
