#include "verbs/heat_map.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

enum {
    COLUMNS_MAX = 600,
    TILES_MAX = COLUMNS_MAX / MARKET_COLUMNS + 2,
    ROWS = 160,
    MARGIN_PERCENT = 15, /* of the best prices' range, above and below */
    MARGIN_TICKS = 40,   /* at least */
    SHADES = 8,
    LABELS = 5,
    DOTS_MAX = 600, /* of trades, the largest */
    DOT_SIZES = 3,
};

const char *const HEAT_MAP_STYLE =
    ".map{display:grid;grid-template-columns:max-content 1fr;gap:0 8px}.map svg{height:420px}"
    ".map div{display:flex;justify-content:space-between;font-variant-numeric:tabular-nums}"
    ".map .prices{flex-direction:column;text-align:right}.map .times{grid-column:2}"
    ".map path{stroke-width:1.05}.h0{stroke:#16324a}.h1{stroke:#1c4a6b}.h2{stroke:#23648c}"
    ".h3{stroke:#2c80aa}.h4{stroke:#459dbd}.h5{stroke:#79bcbf}.h6{stroke:#c3d79a}"
    ".h7{stroke:#fff27a}.map .best,.map .buy,.map .sell{vector-effect:non-scaling-stroke}"
    ".map .best{stroke-width:1.2px;stroke:#fff}.map .buy{stroke-linecap:round;stroke:#4fc3ff}"
    ".map .sell{stroke-linecap:square;stroke:#ff9d3c}.map .s0{stroke-width:1.5px}"
    ".map .s1{stroke-width:3px}.map .s2{stroke-width:6px}.map svg{background:#0b1520}";

/* What is drawn: columns from first_column on, counted from 1970, and rows from low to high. */
typedef struct heat_map {
    html_page *to;
    unsigned k;
    uint64_t first_column;
    size_t columns;
    td_decimal bin;
    int64_t low, high; /* rows */
    market_tile *tiles;
    uint64_t first_tile;
    size_t tile_count;
} heat_map;

/* A column of a tile in the picture; negative or too large: outside. */
static int64_t column_of(const heat_map *self, size_t tile, size_t column)
{
    return (int64_t)((self->first_tile + tile) * MARKET_COLUMNS + column - self->first_column);
}

static int is_drawn(const heat_map *self, int64_t column)
{
    return column >= 0 && column < (int64_t)self->columns;
}

/* ---- tiles ---- */

static void close_tiles(heat_map *self)
{
    for (size_t i = 0; i < self->tile_count; i++)
        market_tile_fini(&self->tiles[i]);
    td_free(self->tiles);
    self->tiles = NULL;
    self->tile_count = 0;
}

static td_result open_tiles(heat_map *self, const market_source *of, td_err *err)
{
    const uint64_t last = (self->first_column + self->columns - 1) / MARKET_COLUMNS;
    td_result rc = TD_OK;
    self->first_tile = self->first_column / MARKET_COLUMNS;
    self->tiles = td_alloc_zero(TILES_MAX, sizeof *self->tiles);
    for (uint64_t i = self->first_tile; i <= last && rc == TD_OK; i++) {
        const market_place at = {self->k, i, self->bin};
        rc = market_get(of, at, &self->tiles[self->tile_count], err);
        self->tile_count += rc == TD_OK;
    }
    return rc;
}

/* ---- prices ---- */

/* The smallest of 1, 2, 5, 10, 20 ... (times a power of ten) that is at least as large. */
static td_decimal round_up(double least)
{
    static const int STEPS[] = {1, 2, 5};
    for (int scale = TD_DECIMAL_SCALE_MAX; scale >= 0; scale--)
        for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++)
            if (STEPS[i] / pow(10, scale) >= least)
                return (td_decimal){STEPS[i], (uint8_t)scale};
    td_decimal out = {1, 0};
    while ((double)out.mantissa < least && out.mantissa < INT64_MAX / 10)
        out.mantissa *= 10;
    return out;
}

/* Choose rows for the range of the best prices and trades. 0: there is no price. */
static int choose_rows(heat_map *self)
{
    double low = INFINITY;
    double high = -INFINITY;
    double tick = 0;
    for (size_t i = 0; i < self->tile_count; i++) {
        const market_tile *tile = &self->tiles[i];
        tick =
            tile->tick > 0 ? td_decimal_double((td_decimal){tile->tick, tile->tick_scale}) : tick;
        for (size_t k = 0; k < MARKET_COLUMNS; k++) {
            const market_column *at = &tile->columns[k];
            if (!is_drawn(self, column_of(self, i, k)))
                continue;
            low = fmin(low, fmin(at->bid, at->low)); /* fmin and fmax ignore NAN */
            high = fmax(high, fmax(at->ask, at->high));
        }
    }
    if (!isfinite(low) || !isfinite(high))
        return 0;
    double margin = fmax((high - low) * MARGIN_PERCENT / 100, MARGIN_TICKS * tick);
    self->bin = round_up(fmax((high - low + 2 * margin) / ROWS, tick));
    self->low = (int64_t)floor((low - margin) / td_decimal_double(self->bin));
    self->high = (int64_t)floor((high + margin) / td_decimal_double(self->bin));
    return 1;
}

/* The height of a price in the picture, in rows from its top. */
static double height_of(const heat_map *self, double price)
{
    return (double)(self->high + 1) - price / td_decimal_double(self->bin);
}

/* ---- depth ---- */

static int compare_doubles(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

static int is_run_drawn(const heat_map *self, size_t tile, const market_run *run)
{
    return run->row >= self->low && run->row <= self->high &&
           column_of(self, tile, run->last) >= 0 &&
           column_of(self, tile, run->first) < (int64_t)self->columns;
}

/* Sizes that most runs have, for the shades: the 10th and the 99th percent. */
static void find_sizes(const heat_map *self, double *low, double *high)
{
    double *sizes = NULL;
    size_t count = 0;
    for (size_t i = 0; i < self->tile_count; i++)
        for (size_t k = 0; k < self->tiles[i].run_count; k++)
            if (is_run_drawn(self, i, &self->tiles[i].runs[k])) {
                sizes = td_array_grow(sizes, count, sizeof *sizes);
                sizes[count++] = self->tiles[i].runs[k].size;
            }
    *low = *high = 1;
    if (count > 0) {
        qsort(sizes, count, sizeof *sizes, compare_doubles);
        *low = sizes[count / 10];
        *high = sizes[count * 99 / 100];
    }
    td_free(sizes);
}

static size_t shade_of(double size, double low, double high)
{
    double share = high > low ? log(size / low) / log(high / low) : 0.5;
    return share <= 0 ? 0 : share >= 1 ? SHADES - 1 : (size_t)(share * SHADES);
}

static void put_depth(const heat_map *self, double low, double high)
{
    for (size_t shade = 0; shade < SHADES; shade++) {
        html_putf(self->to, "<path class=h%zu d=\"", shade);
        for (size_t i = 0; i < self->tile_count; i++)
            for (size_t k = 0; k < self->tiles[i].run_count; k++) {
                const market_run *run = &self->tiles[i].runs[k];
                if (!is_run_drawn(self, i, run) || shade_of(run->size, low, high) != shade)
                    continue;
                int64_t first = column_of(self, i, run->first);
                int64_t last = column_of(self, i, run->last);
                first = first < 0 ? 0 : first;
                last = last < (int64_t)self->columns ? last : (int64_t)self->columns - 1;
                html_putf(self->to, "M%d %d.5h%d", (int)first, (int)(self->high - run->row),
                          (int)(last - first + 1));
            }
        html_put(self->to, "\"/>");
    }
}

/* Put a rectangle for each stretch of columns with a bit of the state. */
static void put_state(const heat_map *self, unsigned bit, const char *pattern)
{
    int64_t from = -1;
    for (size_t i = 0; i <= self->tile_count * MARKET_COLUMNS; i++) {
        const size_t tile = i / MARKET_COLUMNS;
        const int64_t column = column_of(self, tile, i % MARKET_COLUMNS);
        int has_bit = tile < self->tile_count && is_drawn(self, column) &&
                      (self->tiles[tile].columns[i % MARKET_COLUMNS].state & bit) != 0;
        if (has_bit && from < 0)
            from = column;
        if (!has_bit && from >= 0) {
            html_putf(self->to, "<rect x=%d width=%d height=%d fill=\"url(#%s)\" />", (int)from,
                      (int)(column - from), (int)(self->high - self->low + 1), pattern);
            from = -1;
        }
    }
}

/* ---- best prices and trades ---- */

static void put_best(const heat_map *self, size_t member)
{
    int is_open = 0;
    html_put(self->to, "<path class=best d=\"");
    for (size_t i = 0; i < self->tile_count * MARKET_COLUMNS; i++) {
        const int64_t column = column_of(self, i / MARKET_COLUMNS, i % MARKET_COLUMNS);
        const market_column *at = &self->tiles[i / MARKET_COLUMNS].columns[i % MARKET_COLUMNS];
        const double price = member == 0 ? at->bid : at->ask;
        if (!is_drawn(self, column) || isnan(price)) {
            is_open = 0;
            continue;
        }
        if (!is_open)
            html_putf(self->to, "M%d %.2fh1", (int)column, height_of(self, price));
        else
            html_putf(self->to, "V%.2fh1", height_of(self, price));
        is_open = 1;
    }
    html_put(self->to, "\"/>");
}

/* The trades of a cell in the picture. */
typedef struct dot {
    double size, height;
    int column;
    uint8_t is_sell;
} dot;

static int compare_dots(const void *a, const void *b)
{
    const dot *left = a;
    const dot *right = b;
    return (left->size < right->size) - (left->size > right->size);
}

static void add_dot(dot **dots, size_t *count, dot added)
{
    if (added.size <= 0)
        return;
    *dots = td_array_grow(*dots, *count, sizeof **dots);
    (*dots)[(*count)++] = added;
}

/* Put the largest trades, in three sizes, as points of a line without length. */
static void put_trades(const heat_map *self)
{
    dot *dots = NULL;
    size_t count = 0;
    for (size_t i = 0; i < self->tile_count; i++)
        for (size_t k = 0; k < self->tiles[i].trades_count; k++) {
            const market_trades *cell = &self->tiles[i].trades[k];
            const int64_t column = column_of(self, i, cell->column);
            if (!is_drawn(self, column) || cell->row < self->low || cell->row > self->high)
                continue;
            const double height = (double)(self->high - cell->row) + 0.5;
            add_dot(&dots, &count, (dot){cell->buy, height, (int)column, 0});
            add_dot(&dots, &count, (dot){cell->sell, height, (int)column, 1});
        }
    if (count > 0)
        qsort(dots, count, sizeof *dots, compare_dots);
    count = count < DOTS_MAX ? count : DOTS_MAX;
    for (unsigned is_sell = 0; is_sell < 2; is_sell++)
        for (unsigned size = 0; size < DOT_SIZES; size++) {
            html_putf(self->to, "<path class=\"%s s%u\" d=\"", is_sell ? "sell" : "buy", size);
            for (size_t i = 0; i < count; i++)
                if (dots[i].is_sell == is_sell &&
                    size == (unsigned)(2.99 * sqrt(dots[i].size / dots[0].size)))
                    html_putf(self->to, "M%d.5 %.1fh0", dots[i].column, dots[i].height);
            html_put(self->to, "\"/>");
        }
    td_free(dots);
}

/* ---- the picture ---- */

static void put_labels(const heat_map *self)
{
    const double bin = td_decimal_double(self->bin);
    html_put(self->to, "<div class=prices>");
    for (int i = 0; i < LABELS; i++) {
        char text[TD_DECIMAL_TEXT_BYTES];
        const int64_t row = self->high - (self->high - self->low) * i / (LABELS - 1);
        (void)td_decimal_format((td_decimal){row * self->bin.mantissa, self->bin.scale}, text);
        html_putf(self->to, "<span>%s</span>", fabs((double)row * bin) < 9e18 / 10 ? text : "");
    }
    html_put(self->to, "</div>");
}

static void put_times(const heat_map *self)
{
    html_put(self->to, "<div class=times>");
    for (uint64_t i = 0; i < 3; i++) {
        html_put(self->to, "<span>");
        html_put_time(self->to, (self->first_column + self->columns * i / 2) << self->k);
        html_put(self->to, "</span>");
    }
    html_put(self->to, "</div>");
}

static void put_map(const heat_map *self, const market_name *name)
{
    char bin[TD_DECIMAL_TEXT_BYTES];
    double low;
    double high;
    find_sizes(self, &low, &high);
    td_decimal_format(self->bin, bin);
    html_put(self->to, "<p>A row is ");
    html_put(self->to, bin);
    html_put(self->to, " of the price, a column ");
    html_put_duration(self->to, UINT64_C(1) << self->k);
    html_putf(self->to,
              "; its shade is the largest size of a level in it, from %.6g (dark) to %.6g "
              "(light). White: best bid and ask. Round, blue: bought; square, orange: sold. "
              "Hatched: the book was not known; dotted: it was not to be trusted.</p>"
              "<div class=map>",
              low, high);
    put_labels(self);
    html_putf(self->to,
              "<svg viewBox=\"0 0 %zu %d\" preserveAspectRatio=none role=img aria-label=\"",
              self->columns, (int)(self->high - self->low + 1));
    html_put(self->to, "Depth of ");
    html_put_text(self->to, name->book);
    html_put(self->to, " ");
    html_put_text(self->to, name->symbol);
    html_put(self->to, "\"><defs><pattern id=hatch width=6 height=6 patternUnits=userSpaceOnUse>"
                       "<path d=\"M0 6L6 0\" style=\"stroke:#8aa;stroke-width:.7\"/></pattern>"
                       "<pattern id=dotted width=6 height=6 patternUnits=userSpaceOnUse>"
                       "<circle cx=2 cy=2 r=.9 fill=#fff /></pattern></defs>");
    put_depth(self, low, high);
    put_state(self, MARKET_BOOK_UNKNOWN, "hatch");
    put_state(self, MARKET_BOOK_UNTRUSTED, "dotted");
    put_best(self, 0);
    put_best(self, 1);
    put_trades(self);
    html_put(self->to, "</svg>");
    put_times(self);
    html_put(self->to, "</div>\n");
}

td_result heat_map_put(html_page *to, const market_source *of, uint64_t from_ns, uint64_t to_ns,
                       td_err *err)
{
    /* first, rows so large that only best prices and trades are counted */
    heat_map self = {.to = to, .k = MARKET_K_MIN, .bin = {INT64_MAX / 10, 0}};
    while (self.k < MARKET_K_MAX && (to_ns - from_ns) >> self.k >= COLUMNS_MAX)
        self.k++;
    self.first_column = from_ns >> self.k;
    self.columns = (size_t)(((to_ns - 1) >> self.k) - self.first_column + 1);
    if (self.columns > COLUMNS_MAX + 1)
        return td_err_set(err, TD_E_LIMIT, "the time is too long for a heat map");
    td_result rc = open_tiles(&self, of, err);
    html_put(to, "<h2>The book of ");
    html_put_text(to, of->name.feed);
    html_put(to, " ");
    html_put_text(to, of->name.book);
    html_put(to, " ");
    html_put_text(to, of->name.symbol);
    html_put(to, "</h2>\n");
    if (rc == TD_OK && !choose_rows(&self)) {
        html_put(to, "<p>The book was not known in this time.</p>\n");
    } else if (rc == TD_OK) {
        close_tiles(&self);
        rc = open_tiles(&self, of, err);
        if (rc == TD_OK)
            put_map(&self, &of->name);
    }
    close_tiles(&self);
    return rc;
}
