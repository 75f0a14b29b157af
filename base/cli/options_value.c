/* Parses texts of values to numbers, times, choices. */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include "base/cli/options.h"

/* Parse digits only: no sign, no blanks, no "0x". Returns the text after them, or NULL. */
static const char *parse_digits(const char *text, uint64_t *out)
{
    size_t size = strspn(text, "0123456789");
    return td_digits_parse(td_bytes_of(text, size), UINT64_MAX, out) ? text + size : NULL;
}

/* Parse a size: K, KiB, M ... are powers of 1,024; kB, MB ... powers of 1,000. */
static td_result parse_size(const char *text, uint64_t *bytes, td_err *err)
{
    static const char LETTERS[] = "KMGT";
    const char *unit = parse_digits(text, bytes);
    int has_unit = unit != NULL && *unit != '\0';
    const char *letter = has_unit ? strchr(LETTERS, *unit == 'k' ? 'K' : *unit) : NULL;
    int is_decimal = letter != NULL && strcmp(unit + 1, "B") == 0;
    int is_known = has_unit ? is_decimal || (letter != NULL &&
                                             (unit[1] == '\0' || strcmp(unit + 1, "iB") == 0))
                            : unit != NULL;
    for (const char *at = LETTERS; letter != NULL && is_known && at <= letter; at++)
        is_known = !__builtin_mul_overflow(*bytes, is_decimal ? 1000 : 1024, bytes);
    return is_known ? TD_OK
                    : td_err_set(err, TD_E_INVALID,
                                 "'%s' is not a size: give a whole number and K, M, G, T (or kB, "
                                 "MB, GB, TB)",
                                 text);
}

/* Format a row's bound in its own unit. */
static void format_bound(const option_row *row, uint64_t value, char out[TD_TIME_TEXT_BYTES])
{
    static const char *const UNITS[] = {"", "K", "M", "G", "T"};
    size_t unit = 0;
    if (row->type == OPTION_DURATION) {
        td_duration_format(value, out);
        return;
    }
    for (; row->type == OPTION_SIZE && unit < 4 && value > 0 && value % 1024 == 0; unit++)
        value /= 1024;
    snprintf(out, TD_TIME_TEXT_BYTES, "%" PRIu64 "%s", value, UNITS[unit]);
}

static td_result check_bounds(const option_row *row, const char *text, uint64_t value, td_err *err)
{
    if (value >= row->min && (row->max == 0 || value <= row->max))
        return TD_OK;
    char low[TD_TIME_TEXT_BYTES];
    char high[TD_TIME_TEXT_BYTES];
    format_bound(row, row->min, low);
    format_bound(row, row->max, high);
    if (row->max == 0)
        return td_err_set(err, TD_E_INVALID, "'%s' is below %s", text, low);
    return td_err_set(err, TD_E_INVALID, "'%s' is not in the range %s to %s", text, low, high);
}

static td_result set_number(const option_row *row, const char *text, uint64_t *target, td_err *err)
{
    uint64_t value = 0;
    td_result rc = TD_OK;
    if (row->type == OPTION_DURATION) {
        rc = td_duration_parse(text, &value, err);
    } else if (row->type == OPTION_SIZE) {
        rc = parse_size(text, &value, err);
    } else {
        const char *end = parse_digits(text, &value);
        if (end == NULL || *end != '\0')
            rc = td_err_set(err, TD_E_INVALID,
                            "'%s' is not a whole number: expected digits, such as %" PRIu64, text,
                            row->max == 0 ? 100 : row->max);
    }
    if (rc == TD_OK)
        rc = check_bounds(row, text, value, err);
    if (rc == TD_OK)
        *target = value;
    return rc;
}

static td_result set_choice(const option_row *row, const char *text, int *target, td_err *err)
{
    suggest_search search = {.written = td_bytes_str(text)};
    char similar[128];
    char allowed[512] = "";
    size_t used = 0;
    for (int i = 0; row->choices[i] != NULL; i++) {
        if (strcmp(row->choices[i], text) == 0) {
            *target = i;
            return TD_OK;
        }
        suggest_offer(&search, row->choices[i]);
        int written = snprintf(allowed + used, sizeof allowed - used, "%s%s", i == 0 ? "" : ", ",
                               row->choices[i]);
        if (written > 0 && used + (size_t)written < sizeof allowed)
            used += (size_t)written;
    }
    td_err_set(err, TD_E_INVALID, "'%s' is not one of %s", text, allowed);
    suggest_format(&search, similar, sizeof similar);
    if (similar[0] != '\0')
        td_err_hint(err, "%s", similar);
    return TD_E_INVALID;
}

static td_result add_to_list(const char *text, options_list *list, td_err *err)
{
    TD_ASSERT(list->count <= OPTIONS_LIST_MAX);
    if (list->count == OPTIONS_LIST_MAX)
        return td_err_set(err, TD_E_INVALID, "more than %d values", OPTIONS_LIST_MAX);
    list->items[list->count++] = text;
    return TD_OK;
}

static td_result set_time(const option_row *row, const char *text, uint64_t now_ns,
                          options_time *target, td_err *err)
{
    td_result rc = td_time_parse(text, now_ns, row->edge, &target->at, err);
    if (rc == TD_OK && target->at.kind != TD_TIME_ABSOLUTE && !row->is_relative) {
        rc = td_err_set(err, TD_E_INVALID, "'%s' counts from the first frame of a selection", text);
        td_err_hint(err, "give a date or a time, such as 2021-04-17");
    }
    target->is_given = rc == TD_OK;
    return rc;
}

td_result options_set_value(const option_row *row, const char *text, uint64_t now_ns, void *target,
                            td_err *err)
{
    if (row->type != OPTION_FLAG && text[0] == '\0')
        return td_err_set(err, TD_E_INVALID, "the value is empty: expected %s", row->metavar);
    switch (row->type) {
    case OPTION_FLAG:
        *(uint8_t *)target = 1;
        return TD_OK;
    case OPTION_TEXT:
        *(const char **)target = text;
        return TD_OK;
    case OPTION_LIST:
        return add_to_list(text, target, err);
    case OPTION_UINT:
    case OPTION_DURATION:
    case OPTION_SIZE:
        return set_number(row, text, target, err);
    case OPTION_RANGE:
        return td_decimal_range_parse(td_bytes_str(text), target, err);
    case OPTION_TIME:
        return set_time(row, text, now_ns, target, err);
    case OPTION_ENUM:
        return set_choice(row, text, target, err);
    }
    TD_ASSERT(!"every type is handled");
    return TD_E_INVALID;
}
