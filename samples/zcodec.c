// zcodec: compression with the real libzstd. A `free` module in C11: what is shared, the idle zstd contexts, is guarded
// by a critical section; the work itself runs detached, so it is parallel even in locked mode; results are not copied.
//
// SPDX-License-Identifier: MIT
#include <interlock/module.h>
#include <stdlib.h>
#include <zstd.h>

enum { default_level = 3, max_idle = 32 };
static const unsigned long long max_size = 1ull << 30;  // a few bytes may claim to hold any size

// A context costs more to make than to use on a small input. They are kept here and not in thread-local storage, whose
// destructors would still run when the module has been unloaded.
typedef struct pool {
    il_mutex mutex;
    size_t count;
    void *idle[max_idle];
} pool;

typedef struct state {
    pool compressors, decompressors;
} state;

static void *take(il_call *call, pool *from) {
    void *context = NULL;
    IL_BEGIN_CRITICAL_SECTION(call, &from->mutex)
    if (from->count > 0) context = from->idle[--from->count];
    IL_END_CRITICAL_SECTION
    return context;
}

// Null when it was kept, otherwise the context, to be freed.
static void *give_back(il_call *call, pool *to, void *context) {
    IL_BEGIN_CRITICAL_SECTION(call, &to->mutex)
    if (to->count < max_idle) {
        to->idle[to->count++] = context;
        context = NULL;
    }
    IL_END_CRITICAL_SECTION
    return context;
}

static int as_octets(const il_value *value, il_bytes *octets) {
    if (value->type == IL_BYTES) {
        *octets = value->as.bytes;
    } else if (value->type == IL_STRING) {
        octets->data = value->as.string.data;
        octets->size = value->as.string.size;
    } else if (value->type == IL_BUFFER) {
        const il_buffer *buffer = value->as.buffer;
        octets->data = buffer->data;
        octets->size = IL_ITEM_SIZE(buffer->item);
        for (uint32_t i = 0; i < buffer->dimensions; ++i) octets->size *= buffer->shape[i];
    } else {
        return 0;
    }
    return 1;
}

static void free_octets(void *octets) { free(octets); }
static const il_handle_type octets_type = {"zcodec.octets", free_octets};

// Hands memory from malloc over to the host: it is freed when the last view on it is gone.
static il_status give_octets(il_call *call, void *octets, size_t size, il_value *result) {
    il_buffer *view = il_alloc(call, sizeof *view, _Alignof(il_buffer));
    il_handle *owner = NULL;
    if (view == NULL || il_handle_new(call, &octets_type, octets, &owner) != IL_OK) {
        free(octets);
        return IL_ERROR_MEMORY;
    }
    *view = (il_buffer){.data = octets, .item = IL_ITEM_U8, .writable = 1, .dimensions = 1, .owner = owner};
    view->shape[0] = size;
    *result = il_view(view);
    return IL_OK;
}

typedef struct frame {
    void *octets;  // from malloc
    size_t size, original_size;
} frame;

static il_status make_frame(il_call *call, const char *usage, const il_value *args, size_t nargs, frame *made) {
    il_bytes data;
    if (nargs < 1 || nargs > 2 || !as_octets(&args[0], &data) || (nargs == 2 && args[1].type != IL_INT64))
        return il_raise(call, IL_ERROR_ARGUMENT, "%s takes a string, bytes or buffer, and an integer", usage);
    const int64_t level = nargs == 2 ? args[1].as.int64 : default_level;
    if (level < 1 || level > ZSTD_maxCLevel())
        return il_raise(call, IL_ERROR_ARGUMENT, "%s: the level must be 1 to %d", usage, ZSTD_maxCLevel());

    state *shared = call->state;
    ZSTD_CCtx *context = take(call, &shared->compressors);
    if (context == NULL) context = ZSTD_createCCtx();
    const size_t bound = ZSTD_compressBound(data.size);
    void *octets = ZSTD_isError(bound) ? NULL : malloc(bound);
    if (context == NULL || octets == NULL) {
        free(octets);
        ZSTD_freeCCtx(context);
        return il_raise(call, IL_ERROR_MEMORY, "%s: no memory to compress %zu bytes", usage, data.size);
    }
    size_t size;
    IL_BEGIN_ALLOW_THREADS(call)
    size = ZSTD_compressCCtx(context, octets, bound, data.data, data.size, (int)level);
    IL_END_ALLOW_THREADS
    ZSTD_freeCCtx(give_back(call, &shared->compressors, context));
    if (ZSTD_isError(size)) {
        free(octets);
        return il_raise(call, IL_ERROR_FAILED, "%s: zstd says: %s", usage, ZSTD_getErrorName(size));
    }
    *made = (frame){octets, size, data.size};
    return IL_OK;
}

static il_status compress(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    frame made = {0};
    const il_status status = make_frame(call, "compress(data[, level])", args, nargs, &made);
    if (status != IL_OK) return status;
    void *smaller = realloc(made.octets, made.size);  // most of what zstd asks for is not used
    return give_octets(call, smaller != NULL ? smaller : made.octets, made.size, result);
}

static il_status ratio(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    frame made = {0};
    const il_status status = make_frame(call, "ratio(data[, level])", args, nargs, &made);
    if (status != IL_OK) return status;
    free(made.octets);
    *result = il_double((double)made.original_size / (double)made.size);
    return IL_OK;
}

static il_status decompress(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    il_bytes data;
    if (nargs != 1 || !as_octets(&args[0], &data))
        return il_raise(call, IL_ERROR_ARGUMENT, "decompress(data) takes one string, bytes or buffer");
    const unsigned long long claimed = ZSTD_getFrameContentSize(data.data, data.size);
    if (claimed == ZSTD_CONTENTSIZE_ERROR)
        return il_raise(call, IL_ERROR_ARGUMENT, "decompress(data): this is not a zstd frame");
    if (claimed == ZSTD_CONTENTSIZE_UNKNOWN)
        return il_raise(call, IL_ERROR_UNSUPPORTED, "decompress(data): the frame does not state its size");
    if (claimed > max_size)
        return il_raise(call, IL_ERROR_ARGUMENT, "decompress(data): the frame claims to hold %llu bytes, limit %llu",
                        claimed, max_size);

    state *shared = call->state;
    ZSTD_DCtx *context = take(call, &shared->decompressors);
    if (context == NULL) context = ZSTD_createDCtx();
    void *octets = malloc(claimed > 0 ? (size_t)claimed : 1);
    if (context == NULL || octets == NULL) {
        free(octets);
        ZSTD_freeDCtx(context);
        return il_raise(call, IL_ERROR_MEMORY, "decompress(data): no memory for %llu bytes", claimed);
    }
    size_t size;
    IL_BEGIN_ALLOW_THREADS(call)
    size = ZSTD_decompressDCtx(context, octets, (size_t)claimed, data.data, data.size);
    IL_END_ALLOW_THREADS
    ZSTD_freeDCtx(give_back(call, &shared->decompressors, context));
    if (ZSTD_isError(size)) {
        free(octets);
        return il_raise(call, IL_ERROR_ARGUMENT, "decompress(data): zstd says: %s", ZSTD_getErrorName(size));
    }
    return give_octets(call, octets, size, result);
}

static void teardown(il_call *call) {
    state *shared = call->state;
    while (shared->compressors.count > 0) ZSTD_freeCCtx(take(call, &shared->compressors));
    while (shared->decompressors.count > 0) ZSTD_freeDCtx(take(call, &shared->decompressors));
}

static const il_method methods[] = {
    {"compress", compress, "compress(data[, level]) -> buffer with one zstd frame"},
    {"decompress", decompress, "decompress(data) -> buffer"},
    {"ratio", ratio, "ratio(data[, level]) -> size / compressed size"},
    {NULL, NULL, NULL},
};

IL_MODULE(zcodec, "zcodec", "1.0", FREE, "Compresses and decompresses with zstd.", sizeof(state), methods, NULL,
          teardown);
