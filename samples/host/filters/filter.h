/* The contract between the host and its filters, written down once: a filter module has a function
 *     apply(source, target, first_row, last_row)
 * where source and target are buffers of bytes with the shape [height, width, 3], views on images of the host. It
 * computes the rows [first_row, last_row) of target, and may read every row of source.
 *
 * SPDX-License-Identifier: MIT */
#pragma once
#include <interlock/module.h>

typedef struct filter_job {
    const unsigned char *source;
    unsigned char *target;
    size_t width, height, first_row, last_row;
} filter_job;

static inline int filter_is_image(const il_value *value) {
    return value->type == IL_BUFFER && value->as.buffer->item == IL_ITEM_U8 && value->as.buffer->dimensions == 3 &&
           value->as.buffer->shape[2] == 3;
}

/* Takes the arguments of apply() apart. False if they are wrong: an error is then recorded, and apply() returns
 * IL_ERROR_ARGUMENT. */
static inline int filter_arguments(il_call *call, const il_value *args, size_t nargs, filter_job *job) {
    const char *problem = NULL;
    if (nargs != 4 || !filter_is_image(&args[0]) || !filter_is_image(&args[1]) || args[2].type != IL_INT64 ||
        args[3].type != IL_INT64) {
        problem = "takes two images and two integers";
    } else {
        const il_buffer *source = args[0].as.buffer, *target = args[1].as.buffer;
        const int64_t first = args[2].as.int64, last = args[3].as.int64;
        if (!target->writable)
            problem = "target is read-only";
        else if (source->data == target->data)
            problem = "source and target must not be the same";
        else if (source->shape[0] != target->shape[0] || source->shape[1] != target->shape[1])
            problem = "source and target differ in size";
        else if (first < 0 || first > last || (uint64_t)last > source->shape[0])
            problem = "the image does not have these rows";
        *job = (filter_job){(const unsigned char *)source->data,
                            (unsigned char *)target->data,
                            source->shape[1],
                            source->shape[0],
                            (size_t)first,
                            (size_t)last};
    }
    if (problem != NULL) il_raise(call, IL_ERROR_ARGUMENT, "apply(source, target, first_row, last_row): %s", problem);
    return problem == NULL;
}
