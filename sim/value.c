#include "sim/value.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/document.h"
#include "base/time_text.h"

#define VALUE_WORD(enumerator, name) {name, SIM_##enumerator},
#define LIST_WORD(enumerator, name)  {name, SIM_LIST_##enumerator},
static const document_word VALUES[] = {SIM_VALUES(VALUE_WORD)};
static const document_word LISTS[] = {SIM_LISTS(LIST_WORD)};
_Static_assert(SIM_COUNT <= 256, "a value's id is a byte");

const template_names SIM_NAMES = {VALUES, SIM_COUNT, LISTS, SIM_LIST_COUNT, 0};

/* Convert n / 10^from to units of 10^-to, truncated; the largest number if it is beyond 64 bits. */
static int64_t rescale(int64_t n, unsigned from, unsigned to)
{
    int64_t scaled;
    TD_ASSERT(from <= 18);
    TD_ASSERT(to <= 18);
    if (to < from)
        return n / sim_power10(from - to);
    if (__builtin_mul_overflow(n, sim_power10(to - from), &scaled))
        return n < 0 ? INT64_MIN : INT64_MAX;
    return scaled;
}

static void put_text(td_buf *out, const char *text)
{
    td_buf_add(out, text, strlen(text));
}

/* Write n / 10^places with all its places ("-29914.50"). */
static void put_fixed(td_buf *out, int64_t n, unsigned places)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    const size_t size = td_decimal_format_whole((td_decimal){n, (uint8_t)places}, text);
    td_buf_add(out, text, size);
}

static void put_shortest(td_buf *out, td_decimal number)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    const size_t size = td_decimal_format(number, text);
    td_buf_add(out, text, size);
}

static void put_iso(td_buf *out, uint64_t ns, unsigned digits)
{
    enum { TO_THE_SECOND = 19 };
    char text[TD_TIME_TEXT_BYTES]; /* with nine digits of the fraction */
    td_time_format(ns, text);
    td_buf_add(out, text, TO_THE_SECOND + (digits > 0 ? 1 + digits : 0));
    td_buf_add(out, "Z", 1);
}

static void put_value(td_buf *out, const sim_value *value, char format, unsigned argument)
{
    if (value->text != NULL)
        put_text(out, value->text);
    else if (format == 's')
        put_shortest(out, (td_decimal){value->n, value->places});
    else if (format == 'b')
        put_text(out, value->n != 0 ? "true" : "false");
    else if (format == 'e')
        put_fixed(out, rescale(value->n, value->places, argument), 0);
    else if (format == 'd')
        put_fixed(out, rescale(value->n, value->places, argument), argument);
    else if (format == 'i')
        put_iso(out, (uint64_t)value->n, argument);
    else
        put_fixed(out, value->n, value->places);
}

static td_result put(void *user, unsigned id, const char *suffix, td_buf *out, int *is_there,
                     td_err *err)
{
    const sim_source *source = user;
    (void)err;
    *is_there = 1;
    put_value(out, &source->values[id], suffix[0],
              suffix[0] == '\0' ? 0 : (unsigned)(suffix[1] - '0'));
    return TD_OK;
}

static int has_changed(void *user, unsigned id)
{
    const sim_source *source = user;
    const sim_value *now = &source->values[id], *before = &source->shown[id];
    return now->n != before->n || now->text != before->text;
}

static int next_item(void *user, unsigned list, size_t index)
{
    const sim_source *source = user;
    return source->next_item(source->user, (sim_list_id)list, index, source->values);
}

int sim_render(const template *t, sim_source *source, td_buf *out)
{
    const template_source from = {.user = source,
                                  .put = put,
                                  .has_changed = source->shown == NULL ? NULL : has_changed,
                                  .next_item = next_item};
    const size_t before = out->size;
    int parts = 0;
    const td_result rc = template_render(t, &from, out, &parts, NULL);
    TD_ASSERT(rc == TD_OK); /* the caller's buffer is large enough */
    if (!parts)
        out->size = before;
    return parts;
}
