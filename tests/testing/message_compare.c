#include "tests/testing/message_compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/limits.h"
#include "schema/canonical.h"
#include "schema/message_json.h"

static void assert_bytes_equal(td_bytes a, td_bytes b)
{
    assert_int_equal(a.size, b.size);
    assert_true(td_bytes_equal(a, b));
}

static void assert_decimals_identical(td_decimal a, td_decimal b)
{
    assert_int_equal(a.mantissa, b.mantissa);
    assert_int_equal(a.scale, b.scale);
}

static void assert_heads_equal(const msg_head *a, const msg_head *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->kind, b->kind);
    assert_ptr_equal(a->row, b->row);
    assert_bytes_equal(a->topic, b->topic);
    assert_bytes_equal(a->symbol, b->symbol);
    assert_bytes_equal(a->version, b->version);
    assert_int_equal(a->exchange_ns, b->exchange_ns);
    assert_int_equal(a->has_cross_seq, b->has_cross_seq);
    assert_int_equal(a->cross_seq, b->cross_seq);
    assert_int_equal(a->has_u, b->has_u);
    assert_int_equal(a->u, b->u);
    assert_int_equal(a->has_seq, b->has_seq);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->has_prev_seq, b->has_prev_seq);
    assert_int_equal(a->prev_seq, b->prev_seq);
    assert_int_equal(a->has_checksum, b->has_checksum);
    assert_int_equal(a->checksum, b->checksum);
    assert_int_equal(a->unknown_fields, b->unknown_fields);
    assert_int_equal(a->foreign_symbols, b->foreign_symbols);
}

static void assert_trades_equal(const msg_trade *a, const msg_trade *b)
{
    assert_decimals_identical(a->price, b->price);
    assert_decimals_identical(a->size, b->size);
    assert_int_equal(a->exchange_ns, b->exchange_ns);
    assert_int_equal(a->has_cross_seq, b->has_cross_seq);
    assert_int_equal(a->cross_seq, b->cross_seq);
    assert_int_equal(a->has_seq, b->has_seq);
    assert_int_equal(a->seq, b->seq);
    assert_bytes_equal(a->symbol, b->symbol);
    assert_bytes_equal(a->trade_id, b->trade_id);
    assert_bytes_equal(a->tick_direction, b->tick_direction);
    assert_int_equal(a->side, b->side);
    assert_int_equal(a->is_block_trade, b->is_block_trade);
    assert_int_equal(a->is_rpi_trade, b->is_rpi_trade);
}

static void assert_levels_equal(const msg_level *a, const msg_level *b)
{
    assert_int_equal(a->price, b->price);
    assert_int_equal(a->price_scale, b->price_scale);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->size_scale, b->size_scale);
    assert_int_equal(a->side, b->side);
    assert_int_equal(a->action, b->action);
}

uint64_t message_hash64(const message *m)
{
    td_hasher *hasher = td_hasher_open();
    canonical_digest(m, hasher);
    td_hash128 digest = td_hasher_digest(hasher);
    td_hasher_close(hasher);
    return td_le64(digest.bytes);
}

void assert_messages_equal(const message *a, const message *b)
{
    assert_heads_equal(&a->head, &b->head);
    assert_int_equal(message_item_count(a), message_item_count(b));
    for (size_t i = 0; i < message_item_count(a); i++) {
        if (a->head.type == MSG_BOOK_CHANGE) {
            msg_level left = message_level(a, i);
            msg_level right = message_level(b, i);
            assert_levels_equal(&left, &right);
        } else if (a->head.type == MSG_TRADE) {
            msg_trade left = message_trade(a, i);
            msg_trade right = message_trade(b, i);
            assert_trades_equal(&left, &right);
        }
    }
    assert_int_equal(message_hash64(a), message_hash64(b));
}

static void write_members(const message *m, td_buf *out)
{
    json_writer w;
    td_buf_init(out, LIMIT_RECORD_BYTES);
    json_write_begin(&w, out);
    json_write_object_begin(&w);
    message_json_members(&w, m);
    json_write_object_end(&w);
    assert_int_equal(json_write_end(&w, NULL), TD_OK);
}

void assert_whole_equal(decoder *d, const topic_match *topic, td_bytes frame, const message *rows)
{
    message whole;
    decode_error why;
    td_buf expected;
    td_buf found;
    assert_true(decoder_decode(d, topic, frame, DECODE_PATH_WHOLE, &whole, &why));
    write_members(rows, &expected);
    write_members(&whole, &found);
    if (!td_bytes_equal(td_buf_view(&expected), td_buf_view(&found)))
        fail_msg("expected %.*s\nfound    %.*s", (int)expected.size, (const char *)expected.data,
                 (int)found.size, (const char *)found.data);
    td_buf_fini(&expected);
    td_buf_fini(&found);
}
