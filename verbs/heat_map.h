/* The picture of a market over time, as HTML with SVG: the depth of its book, best prices and
 * trades. */
#ifndef TD_VERBS_HEAT_MAP_H
#define TD_VERBS_HEAT_MAP_H

#include <stdint.h>

#include "base/err.h"
#include "verbs/html_page.h"
#include "view/market.h"

/* Rules that the picture needs in the page's style sheet. */
extern const char *const HEAT_MAP_STYLE;

/* Put the picture of from_ns <= time < to_ns. TD_E_IO, TD_E_LIMIT as market_get. */
TD_MUST_USE td_result heat_map_put(html_page *to, const market_source *of, uint64_t from_ns,
                                   uint64_t to_ns, td_err *err);

#endif
