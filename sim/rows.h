/* The tables of streams, one file per group of families, for catalog.c alone. */
#ifndef TD_SIM_ROWS_H
#define TD_SIM_ROWS_H

#include "sim/stream_row.h"

#define STREAM_TABLE(array)                                                                        \
    {                                                                                              \
        (array), sizeof(array) / sizeof(array)[0]                                                  \
    }

extern const stream_table ROWS_INVERSE, ROWS_LINEAR, ROWS_COPYTRADE, ROWS_USDC_PERP; /* rows_op.c */
extern const stream_table ROWS_V5_LINEAR, ROWS_V5_INVERSE, ROWS_V5_SPOT, ROWS_V5_OPTION,
    ROWS_V5_SPREAD, ROWS_V5_MISC, ROWS_CONTRACT_V3;   /* rows_v5.c */
extern const stream_table ROWS_SPOT_V1, ROWS_SPOT_V2; /* rows_spot.c */
extern const stream_table ACCOUNT_INVERSE, ACCOUNT_LINEAR, ACCOUNT_COPYTRADE, ACCOUNT_USDC,
    ACCOUNT_SPOT, ACCOUNT_CONTRACT_V3, ACCOUNT_V5; /* rows_account.c */
extern const stream_table ROWS_USDC_OPTION;        /* rows_usdc.c */

#endif
