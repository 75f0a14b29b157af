/* Writes a Parquet file of generated rows, for other readers
 * (tests/e2e/export/parquet_in_other_readers.test.mjs, which makes the same rows):
 *
 * parquet_rows FILE COUNT GROUP_ROWS */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/parquet/parquet_writer.h"

enum {
    TIME_NS,
    TIME_SEEN,
    NUMBER,
    UNSIGNED,
    SMALL,
    IS_EVEN,
    PRICE,
    COARSE,
    SHORT,
    WORD,
    UNIQUE,
    SELDOM,
    NEVER,
    COLUMNS
};

static const parquet_column SCHEMA[COLUMNS] = {
    [TIME_NS] = {"time_ns", PARQUET_TIME_NS, 0, 0},
    [TIME_SEEN] = {"time_seen", PARQUET_TIME_NS, 0, 1},
    [NUMBER] = {"number", PARQUET_I64, 0, 0},
    [UNSIGNED] = {"unsigned", PARQUET_U64, 0, 0},
    [SMALL] = {"small", PARQUET_U8, 0, 0},
    [IS_EVEN] = {"is_even", PARQUET_BOOL, 0, 1},
    [PRICE] = {"price", PARQUET_DECIMAL_128, 18, 0},
    [COARSE] = {"coarse", PARQUET_DECIMAL_128, 16, 1},
    [SHORT] = {"short", PARQUET_DECIMAL_64, 8, 0},
    [WORD] = {"word", PARQUET_TEXT, 0, 0},
    [UNIQUE] = {"unique_text", PARQUET_TEXT, 0, 0},
    [SELDOM] = {"seldom", PARQUET_TEXT, 0, 1},
    [NEVER] = {"never", PARQUET_DECIMAL_128, 18, 1},
};

static td_result write_file(void *ctx, td_bytes bytes, td_err *err)
{
    return fwrite(bytes.data, 1, bytes.size, ctx) == bytes.size
               ? TD_OK
               : td_err_set(err, TD_E_IO, "cannot write");
}

static td_result put_row(parquet_writer *to, int64_t i, td_err *err)
{
    static const char *const WORDS[] = {"buy", "sell", "", "größer"};
    char text[32];
    int is_odd = (int)(i % 2);
    parquet_put_integer(to, TIME_NS, INT64_C(1600000000000000000) + i * 1000000007);
    if (i % 5 == 0)
        parquet_put_null(to, TIME_SEEN);
    else
        parquet_put_integer(to, TIME_SEEN, INT64_C(1600000000000000000) + i * 1000007000);
    parquet_put_integer(to, NUMBER, is_odd ? INT64_MIN + i : INT64_MAX - i);
    parquet_put_integer(to, UNSIGNED, -1 - i); /* from 2^64 - 1 downward */
    parquet_put_integer(to, SMALL, i % 256);
    if (i % 3 == 0)
        parquet_put_null(to, IS_EVEN);
    else
        parquet_put_integer(to, IS_EVEN, !is_odd);
    td_result rc = parquet_put_decimal(
        to, PRICE, (td_decimal){is_odd ? -(i * 7919 % 1000) - 1 : i * 7919 % 1000, 18}, err);
    if (rc == TD_OK && i % 7 == 0)
        parquet_put_null(to, COARSE);
    else if (rc == TD_OK)
        rc = parquet_put_big_decimal(
            to, COARSE, td_bytes_str(is_odd ? "-1234567890123456789012.0000000000000001" : "0.5"),
            err);
    if (rc == TD_OK)
        rc = parquet_put_decimal(to, SHORT, (td_decimal){is_odd ? -i : i, (uint8_t)(i % 9)}, err);
    parquet_put_text(to, WORD, td_bytes_str(WORDS[i % 4]));
    (void)snprintf(text, sizeof text, "%024" PRId64, i * 1103515245 % 1000003);
    parquet_put_text(to, UNIQUE, td_bytes_str(text));
    if (i % 1000 == 999)
        parquet_put_text(to, SELDOM, td_bytes_str(text));
    else
        parquet_put_null(to, SELDOM);
    parquet_put_null(to, NEVER);
    return rc == TD_OK ? parquet_end_row(to, err) : rc;
}

int main(int argc, char **argv)
{
    const parquet_key_value pairs[] = {{"instrument_id", "BTCUSDT-LINEAR.BYBIT"},
                                       {"price_precision", "2"}};
    parquet_schema schema = {SCHEMA, COLUMNS, pairs, 2, TIME_NS, 0};
    codec_slot coders = {NULL};
    td_err err = {0};
    td_result rc = TD_OK;
    if (argc != 4)
        return 2;
    FILE *file = fopen(argv[1], "wb");
    if (file == NULL)
        return 1;
    schema.group_rows = (uint32_t)strtoul(argv[3], NULL, 10);
    parquet_writer *writer = parquet_open(&schema, (parquet_out){write_file, file, &coders});
    int64_t count = strtoll(argv[2], NULL, 10);
    for (int64_t i = 0; rc == TD_OK && i < count; i++)
        rc = put_row(writer, i, &err);
    if (rc == TD_OK)
        rc = parquet_finish(writer, &err);
    parquet_close(writer);
    codec_slot_fini(&coders);
    if (rc != TD_OK)
        fprintf(stderr, "parquet_rows: %s\n", err.text);
    return fclose(file) == 0 && rc == TD_OK ? 0 : 1;
}
