// legacy_sharpen: sharpens along the rows, through a static scratch line, as code from before threads does. It has no
// marker: a host falls back to locked mode for it, or gives it a lock of its own by a policy. It has no safe point
// either: there, the next thread could be let in while the scratch line is in use.
//
// SPDX-License-Identifier: MIT
#include <string.h>

#include "filter.h"

enum { max_width = 16384 };
static unsigned char scratch[(max_width + 2) * 3];

static il_status apply(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)result;
    filter_job job;
    if (!filter_arguments(call, args, nargs, &job)) return IL_ERROR_ARGUMENT;
    if (job.width == 0) return IL_OK;
    if (job.width > max_width)
        return il_raise(call, IL_ERROR_ARGUMENT, "apply: images can be %d pixels wide, not %zu", max_width, job.width);
    const size_t row_size = job.width * 3;
    for (size_t y = job.first_row; y < job.last_row; ++y) {
        const unsigned char *from = job.source + y * row_size;
        memcpy(scratch, from, 3);
        memcpy(scratch + 3, from, row_size);
        memcpy(scratch + 3 + row_size, from + row_size - 3, 3);
        unsigned char *to = job.target + y * row_size;
        for (size_t i = 0; i < row_size; ++i) {
            const int sharp = 2 * scratch[i + 3] - (scratch[i] + scratch[i + 6]) / 2;
            to[i] = (unsigned char)(sharp < 0 ? 0 : sharp > 255 ? 255 : sharp);
        }
    }
    return IL_OK;
}

static const il_method methods[] = {
    {"apply", apply, "apply(source, target, first_row, last_row)"},
    {NULL, NULL, NULL},
};

IL_MODULE_UNMARKED(legacy_sharpen, "legacy_sharpen", "1.0", "Sharpens an image.", 0, methods, NULL, NULL);
