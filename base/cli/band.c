#include "base/cli/band.h"

#include <string.h>

static const char *step_text(const band_step *step, double quantity_max, band_style style)
{
    static const char *const HEIGHTS[][8] = {
        [BAND_BLOCKS] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
        [BAND_ASCII] = {"_", "_", "-", "-", "=", "=", "#", "#"},
    };
    static const char *const QUIET[] = {[BAND_BLOCKS] = "·", [BAND_ASCII] = "."};
    if (step->quantity <= 0 || quantity_max <= 0)
        return step->is_marked ? "x" : step->is_watched ? QUIET[style] : " ";
    size_t height = (size_t)(step->quantity / quantity_max * 8);
    return HEIGHTS[style][height < 8 ? height : 7];
}

void band_text(const band_step *steps, size_t count, double quantity_max, band_style style,
               char *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = step_text(&steps[i], quantity_max, style);
        memcpy(out, text, strlen(text));
        out += strlen(text);
    }
    *out = '\0';
}

void band_marks(const band_step *steps, size_t count, char *out)
{
    size_t end = 0; /* without the spaces after the last mark */
    for (size_t i = 0; i < count; i++) {
        int is_mixed = steps[i].is_marked && steps[i].quantity > 0;
        out[i] = is_mixed ? 'x' : ' ';
        end = is_mixed ? i + 1 : end;
    }
    out[end] = '\0';
}
