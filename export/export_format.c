#include "export/export_format.h"

const export_format *const *export_format_table(size_t *count)
{
    static const export_format *const FORMATS[] = {
        &EXPORT_TARDIS_CSV, &EXPORT_JSONL,  &EXPORT_HFTBACKTEST, &EXPORT_PARQUET,
        &EXPORT_NAUTILUS,   &EXPORT_SQLITE, &EXPORT_MCAP};
    *count = sizeof FORMATS / sizeof FORMATS[0];
    return FORMATS;
}

#define MESSAGES(type) &EXPORT_MESSAGE_TYPES[MSG_##type]
const export_named_type EXPORT_MESSAGE_NAMES[] = {{"book_changes", MESSAGES(BOOK_CHANGE)},
                                                  {"trades", MESSAGES(TRADE)},
                                                  {"tickers", MESSAGES(TICKER)},
                                                  {"klines", MESSAGES(KLINE)},
                                                  {"liquidations", MESSAGES(LIQUIDATION)},
                                                  {"insurances", MESSAGES(INSURANCE)},
                                                  {"orders", MESSAGES(ORDER)},
                                                  {"stop_orders", MESSAGES(STOP_ORDER)},
                                                  {"executions", MESSAGES(EXECUTION)},
                                                  {"positions", MESSAGES(POSITION)},
                                                  {"wallets", MESSAGES(WALLET)},
                                                  {"greeks", MESSAGES(GREEKS)},
                                                  {"indexes", MESSAGES(INDEX)},
                                                  {"notices", MESSAGES(NOTICE)},
                                                  {"order_entries", MESSAGES(ORDER_ENTRY)},
                                                  {"book_orders", MESSAGES(BOOK_ORDERS)},
                                                  {"gaps", &EXPORT_GAPS},
                                                  {"instruments", &EXPORT_INSTRUMENTS},
                                                  {NULL, NULL}};

size_t export_format_type_count(const export_format *format)
{
    size_t count = 0;
    if (format->types == NULL)
        (void)export_type_table(&count);
    else
        while (format->types[count].name != NULL)
            count++;
    return count;
}

export_named_type export_format_type(const export_format *format, size_t i)
{
    size_t count;
    if (format->types != NULL)
        return format->types[i];
    const export_type *type = export_type_table(&count)[i];
    return (export_named_type){type->name, type};
}
