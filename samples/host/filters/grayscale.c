// grayscale: each pixel becomes its luminance (ITU-R BT.601). `free`: it has no state.
//
// SPDX-License-Identifier: MIT
#include "filter.h"

static il_status apply(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)result;
    filter_job job;
    if (!filter_arguments(call, args, nargs, &job)) return IL_ERROR_ARGUMENT;
    for (size_t y = job.first_row; y < job.last_row; ++y) {
        const unsigned char *from = job.source + y * job.width * 3;
        unsigned char *to = job.target + y * job.width * 3;
        for (size_t x = 0; x < job.width; ++x, from += 3, to += 3)
            to[0] = to[1] = to[2] = (unsigned char)((299u * from[0] + 587u * from[1] + 114u * from[2] + 500) / 1000);
        il_safe_point(call);
    }
    return IL_OK;
}

static const il_method methods[] = {
    {"apply", apply, "apply(source, target, first_row, last_row)"},
    {NULL, NULL, NULL},
};

IL_MODULE(grayscale, "grayscale", "1.0", FREE, "Takes the colour out of an image.", 0, methods, NULL, NULL);
