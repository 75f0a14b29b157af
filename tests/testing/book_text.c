#include "tests/testing/book_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static td_decimal parse_decimal(const char *text, size_t size)
{
    td_decimal value;
    td_err err;
    if (td_decimal_parse(td_bytes_of(text, size), &value, &err) != TD_OK)
        fail_msg("'%.*s' is no number", (int)size, text);
    return value;
}

static msg_action parse_action(const char **at)
{
    static const char SIGNS[] = "-=+";
    static const msg_action ACTIONS[] = {ACTION_DELETE, ACTION_UPDATE, ACTION_INSERT};
    const char *sign = strchr(SIGNS, **at);
    if (sign == NULL || *sign == '\0')
        return ACTION_SET;
    (*at)++;
    return ACTIONS[sign - SIGNS];
}

static msg_level parse_level(const char *at, size_t size)
{
    const char *end = at + size;
    msg_level level = {.action = (uint8_t)parse_action(&at)};
    assert_true(*at == 'B' || *at == 'A');
    level.side = *at++ == 'B' ? SIDE_BUY : SIDE_SELL;
    const char *x = memchr(at, 'x', (size_t)(end - at));
    td_decimal price = parse_decimal(at, (size_t)((x == NULL ? end : x) - at));
    level.price = price.mantissa;
    level.price_scale = price.scale;
    if (x != NULL) {
        td_decimal amount = parse_decimal(x + 1, (size_t)(end - x - 1));
        level.size = amount.mantissa;
        level.size_scale = amount.scale;
    }
    return level;
}

void book_frame_parse(const char *text, book_frame *frame)
{
    assert_true(*text == 'S' || *text == 'D');
    *frame = (book_frame){.message.head = {.type = MSG_BOOK_CHANGE,
                                           .kind = *text == 'S' ? FRAME_SNAPSHOT : FRAME_DELTA}};
    size_t count = 0;
    for (const char *at = text + 1; *at == ' ';) {
        size_t size = strcspn(++at, " ");
        assert_true(count < BOOK_TEXT_LEVELS_MAX);
        frame->levels[count++] = parse_level(at, size);
        at += size;
    }
    frame->message.levels = frame->levels;
    frame->message.level_count = count;
}

static void side_to_text(const book *b, msg_side side, td_buf *out)
{
    book_level level;
    for (size_t i = 0; book_level_at(b, side, i, &level); i++) {
        char price[TD_DECIMAL_TEXT_BYTES];
        char size[TD_DECIMAL_TEXT_BYTES];
        (void)td_decimal_format(level.price, price); /* the length is not needed */
        (void)td_decimal_format(level.size, size);
        assert_int_equal(td_buf_printf(out, NULL, "%s%c%sx%s", i == 0 ? "" : ",",
                                       side == SIDE_BUY ? 'B' : 'A', price, size),
                         TD_OK);
    }
}

void book_to_text(const book *b, td_buf *out)
{
    side_to_text(b, SIDE_BUY, out);
    assert_int_equal(td_buf_append(out, "|", 1, NULL), TD_OK);
    side_to_text(b, SIDE_SELL, out);
    assert_int_equal(td_buf_append(out, "", 1, NULL), TD_OK);
    out->size--;
}
