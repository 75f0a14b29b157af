#include "embed/tape_request.h"

#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/version.h"

/* Copy a selection, whose struct may be of another version. */
static td_result copy_selection(const tapedeck_selection *from, tapedeck_selection *out,
                                td_err *err)
{
    static const uint32_t KNOWN = TAPEDECK_WITH_BYTES | TAPEDECK_WITH_MESSAGES |
                                  TAPEDECK_WITH_BOOKS | TAPEDECK_WITH_COVERAGE |
                                  TAPEDECK_WITH_FOLLOW;
    const uint8_t *bytes = (const uint8_t *)from;
    *out = (tapedeck_selection){0};
    if (from->size < sizeof from->size)
        return td_err_set(err, TD_E_INVALID, "size of tapedeck_selection is not set");
    memcpy(out, from, from->size < sizeof *out ? from->size : sizeof *out);
    for (size_t i = sizeof *out; i < from->size; i++)
        if (bytes[i] != 0)
            return td_err_set(err, TD_E_INVALID,
                              "tapedeck_selection has members that version %s does not know",
                              TAPEDECK_VERSION);
    if ((out->with & ~KNOWN) != 0 || out->reserved != 0)
        return td_err_set(err, TD_E_INVALID,
                          "tapedeck_selection has bits that version %s does not know",
                          TAPEDECK_VERSION);
    if ((out->with & TAPEDECK_WITH_FOLLOW) != 0 &&
        (out->to != NULL || (out->with & TAPEDECK_WITH_COVERAGE) != 0))
        return td_err_set(err, TD_E_INVALID,
                          "TAPEDECK_WITH_FOLLOW cannot be combined with to or "
                          "TAPEDECK_WITH_COVERAGE");
    return TD_OK;
}

static selection_globs globs_of(const char *const *items)
{
    selection_globs globs = {.items = items};
    while (items != NULL && items[globs.count] != NULL)
        globs.count++;
    return globs;
}

static td_result read_times(selection *wanted, const tapedeck_selection *from, td_err *err)
{
    uint64_t now_ns = clock_wall_ns(clock_real());
    td_result rc = TD_OK;
    wanted->has_from = from->from != NULL;
    wanted->has_to = from->to != NULL;
    if (wanted->has_from)
        rc = td_time_parse(from->from, now_ns, TD_DATE_BEGINS, &wanted->from, err);
    if (rc == TD_OK && wanted->has_to)
        rc = td_time_parse(from->to, now_ns, TD_DATE_ENDS, &wanted->to, err);
    return rc == TD_OK ? selection_check(wanted, err) : rc;
}

td_result tape_request_read(const tapedeck_selection *from, tape_request *out, td_err *err)
{
    tapedeck_selection copy;
    td_result rc = copy_selection(from, &copy, err);
    *out = (tape_request){.wanted = {.feeds = globs_of(copy.feeds),
                                     .topics = globs_of(copy.topics),
                                     .symbols = globs_of(copy.symbols)},
                          .with = copy.with,
                          .book_depth = copy.book_depth,
                          .threads = copy.threads > LIMIT_THREADS ? LIMIT_THREADS : copy.threads};
    return rc == TD_OK ? read_times(&out->wanted, &copy, err) : rc;
}

td_result tape_request_move(tape_request *self, const char *from, td_err *err)
{
    selection moved = self->wanted;
    moved.has_from = 1;
    td_result rc =
        td_time_parse(from, clock_wall_ns(clock_real()), TD_DATE_BEGINS, &moved.from, err);
    if (rc == TD_OK)
        rc = selection_check(&moved, err);
    if (rc == TD_OK)
        self->wanted = moved;
    return rc;
}
