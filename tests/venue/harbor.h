/* Harbor, a made-up exchange that differs from Bybit: it names channels "book@BTC-USD", answers by
 * number and code, has another heartbeat, and numbers the frames of each channel. Its topics are in
 * families/harbor.yaml. A second exchange needs only this folder and a line
 * (tests/e2e/record/second_exchange.test.mjs). */
#ifndef TD_TESTS_VENUE_HARBOR_H
#define TD_TESTS_VENUE_HARBOR_H

typedef struct exchange_row exchange_row; /* schema/exchange.h */

extern const exchange_row HARBOR;

#define HARBOR_FAMILIES(X) X("harbor", HARBOR)

#endif
