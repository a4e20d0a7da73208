// blur: each pixel becomes the weighted mean of 5x5 (binomial weights). `free`: it has no state, and many bands of one
// image may be under way at once.
//
// SPDX-License-Identifier: MIT
#include "filter.h"

static const unsigned weights[5] = {1, 4, 6, 4, 1};

// Row `y` of the source; beyond the first and the last row, those rows again.
static const unsigned char *row_at(const filter_job *job, ptrdiff_t y) {
    const ptrdiff_t last = (ptrdiff_t)job->height - 1;
    return job->source + (size_t)(y < 0 ? 0 : y > last ? last : y) * job->width * 3;
}

static void blur_row(const filter_job *job, size_t y) {
    const unsigned char *rows[5];
    for (ptrdiff_t i = 0; i < 5; ++i) rows[i] = row_at(job, (ptrdiff_t)y + i - 2);
    const ptrdiff_t last = (ptrdiff_t)job->width - 1;
    for (ptrdiff_t x = 0; x <= last; ++x) {
        for (ptrdiff_t channel = 0; channel < 3; ++channel) {
            unsigned sum = 0;
            for (ptrdiff_t i = 0; i < 5; ++i) {
                const ptrdiff_t beside = x + i - 2 < 0 ? 0 : x + i - 2 > last ? last : x + i - 2;
                unsigned column = 0;
                for (int row = 0; row < 5; ++row) column += weights[row] * rows[row][beside * 3 + channel];
                sum += weights[i] * column;
            }
            job->target[(y * job->width + (size_t)x) * 3 + (size_t)channel] = (unsigned char)((sum + 128) / 256);
        }
    }
}

static il_status apply(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)result;
    filter_job job;
    if (!filter_arguments(call, args, nargs, &job)) return IL_ERROR_ARGUMENT;
    for (size_t y = job.first_row; y < job.last_row; ++y) {
        blur_row(&job, y);
        il_safe_point(call);
    }
    return IL_OK;
}

static const il_method methods[] = {
    {"apply", apply, "apply(source, target, first_row, last_row)"},
    {NULL, NULL, NULL},
};

IL_MODULE(blur, "blur", "1.0", FREE, "Blurs an image.", 0, methods, NULL, NULL);
