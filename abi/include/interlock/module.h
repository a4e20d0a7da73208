/* interlock/module.h: all that the author of a native module needs. C11, no other header of the project, nothing to
 * link with: the host hands its services to the module in a table of function pointers.
 *
 *     #include <interlock/module.h>
 *
 *     static il_status add(il_call *call, const il_value *args, size_t nargs, il_value *result) {
 *         if (nargs != 2 || args[0].type != IL_INT64 || args[1].type != IL_INT64)
 *             return il_raise(call, IL_ERROR_ARGUMENT, "add(a, b) takes two integers");
 *         *result = il_int64(args[0].as.int64 + args[1].as.int64);
 *         return IL_OK;
 *     }
 *     static const il_method methods[] = {{"add", add, "add(a, b) -> int"}, {NULL, NULL, NULL}};
 *     IL_MODULE(adder, "adder", "1.0", FREE, "Adds.", 0, methods, NULL, NULL);
 *
 * Thread rules, stated in brackets on every function:
 *   [attached]     the calling thread is attached: it runs module code that the host called, and has not detached
 *   [detached]     the calling thread has detached with IL_BEGIN_ALLOW_THREADS
 *   [any-thread]   any thread at any time between the start of exec and the end of teardown
 *   [import-only]  only from exec or the legacy init function, on the thread that runs it
 *   [no-code]      runs no code but the return statement: the host may call it before it has decided on a mode
 *
 * Ownership, unless a function says otherwise: what a function receives is borrowed until it returns; what it puts
 * into *result may point to its arguments, to static storage of the module, or to memory from il_alloc(). The host
 * copies what it keeps. Sizes are in bytes, counts in items; strings are UTF-8 and need no terminating zero.
 *
 * SPDX-License-Identifier: MIT */
#ifndef INTERLOCK_MODULE_H
#define INTERLOCK_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define IL_EXTERN_C_BEGIN extern "C" {
#define IL_EXTERN_C_END }
#define IL_EXTERN_C extern "C"
#define IL_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define IL_EXTERN_C_BEGIN
#define IL_EXTERN_C_END
#define IL_EXTERN_C extern
#define IL_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#if defined(__GNUC__)
#define IL_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#define IL_VISIBLE __attribute__((visibility("default")))
#else
#error "interlock/module.h needs gcc or clang: the marker is an ELF note"
#endif

IL_EXTERN_C_BEGIN

/* The version of this ABI. It changes only when a module compiled against the old header would misbehave; additions
 * go to the end of the structures and are covered by their `size`. */
#define IL_ABI_VERSION 1u

/* ---- status --------------------------------------------------------------------------------------------------- */

typedef int32_t il_status;
enum {
    IL_OK = 0,
    IL_ERROR_FAILED = 1,      /* anything that fits nothing below */
    IL_ERROR_ARGUMENT = 2,    /* wrong number, type or value of an argument */
    IL_ERROR_MEMORY = 3,      /* no memory */
    IL_ERROR_NOT_FOUND = 4,   /* a module, function or key does not exist */
    IL_ERROR_IO = 5,          /* reading or writing failed */
    IL_ERROR_IMPORT = 6,      /* a module could not be imported */
    IL_ERROR_UNSUPPORTED = 7, /* the host or the module does not offer it */
    IL_ERROR_STATE = 8,       /* not now: unloaded, not attached, shutting down */
    IL_ERROR_CANCELLED = 9    /* the host asked to stop */
};

/* ---- threading level and marker -------------------------------------------------------------------------------- */

/* The module's own statement. Absent means IL_THREADING_GLOBAL_LOCK, as an absent Py_mod_gil slot does in CPython
 * (PEP 703). */
typedef uint32_t il_threading;
enum {
    IL_THREADING_GLOBAL_LOCK = 0, /* needs the global lock: the host falls back to locked mode */
    IL_THREADING_MODULE_LOCK = 1, /* one caller at a time, under a lock of its own; others run on */
    IL_THREADING_FREE = 2         /* safe to call from any number of threads at once */
};
#define IL_THREADING_NAME_GLOBAL_LOCK "global_lock"
#define IL_THREADING_NAME_MODULE_LOCK "module_lock"
#define IL_THREADING_NAME_FREE "free"

/* ---- values ---------------------------------------------------------------------------------------------------- */

typedef struct il_value il_value;
typedef struct il_entry il_entry;
typedef struct il_buffer il_buffer;
typedef struct il_handle il_handle;     /* opaque: owned by the host, counted */
typedef struct il_module il_module;     /* opaque: a loaded module */
typedef struct il_callable il_callable; /* opaque: a function of a loaded module */
typedef struct il_scope il_scope;       /* opaque: results of a part of a call */
typedef struct il_call il_call;
typedef struct il_host il_host;

typedef uint32_t il_type;
enum {
    IL_NULL = 0,
    IL_BOOL = 1,
    IL_INT64 = 2,
    IL_DOUBLE = 3,
    IL_STRING = 4, /* UTF-8 text */
    IL_BYTES = 5,  /* octets, read-only */
    IL_BUFFER = 6, /* typed, shaped view; no copy */
    IL_LIST = 7,
    IL_MAP = 8,   /* entries in order; keys are strings; the host keeps the last of equal keys */
    IL_HANDLE = 9 /* opaque object of a module, with a destructor */
};

typedef struct il_string {
    const char *data; /* may be NULL when size is 0 */
    size_t size;      /* bytes */
} il_string;

typedef struct il_bytes {
    const void *data;
    size_t size; /* bytes */
} il_bytes;

typedef struct il_list {
    const il_value *items;
    size_t count;
} il_list;

typedef struct il_map {
    const il_entry *entries;
    size_t count;
} il_map;

struct il_value {
    il_type type;
    uint32_t reserved; /* 0 */
    union {
        int32_t boolean; /* 0 or 1 */
        int64_t int64;
        double real;
        il_string string;
        il_bytes bytes;
        const il_buffer *buffer;
        il_list list;
        il_map map;
        il_handle *handle;
    } as;
};

struct il_entry {
    il_string key;
    il_value value;
};

/* Item types of a buffer. The low byte is the size of an item in bytes. */
typedef uint32_t il_item;
enum {
    IL_ITEM_U8 = 0x0101,
    IL_ITEM_I8 = 0x0201,
    IL_ITEM_U16 = 0x0102,
    IL_ITEM_I16 = 0x0202,
    IL_ITEM_U32 = 0x0104,
    IL_ITEM_I32 = 0x0204,
    IL_ITEM_F32 = 0x0304,
    IL_ITEM_U64 = 0x0108,
    IL_ITEM_I64 = 0x0208,
    IL_ITEM_F64 = 0x0308
};
#define IL_ITEM_SIZE(item) ((size_t)((item) & 0xffu))
#define IL_MAX_DIMENSIONS 8u

/* A view on memory. The items lie densely, the last dimension fastest. In an argument the memory belongs to the caller
 * and lives until the function returns. In a result: `owner` NULL means "valid as any result is, the host copies what
 * it keeps"; an owner (from il_handle_new) is kept by the host for as long as it keeps the view, so nothing is copied.
 */
struct il_buffer {
    void *data;
    il_item item;
    uint32_t writable;               /* 0 or 1: may the receiver write? */
    uint32_t dimensions;             /* 1 .. IL_MAX_DIMENSIONS */
    uint32_t reserved;               /* 0 */
    size_t shape[IL_MAX_DIMENSIONS]; /* items in each dimension */
    il_handle *owner;
};

/* The type of a handle: compared by address. */
typedef struct il_handle_type {
    const char *name; /* for messages */
    /* NULL: nothing. It has to return: pthread_exit() in it ends the process, and a pthread_cancel() waits. */
    void (*destroy)(void *object); /* [attached] under the gate of the module that made the handle */
} il_handle_type;

/* [any-thread] These make a value. Nothing is copied: what they point to must live as long as the value. */
static inline il_value il_null(void) {
    il_value v;
    v.type = IL_NULL;
    v.reserved = 0;
    v.as.int64 = 0;
    return v;
}
static inline il_value il_bool(int boolean) {
    il_value v = il_null();
    v.type = IL_BOOL;
    v.as.boolean = boolean != 0;
    return v;
}
static inline il_value il_int64(int64_t number) {
    il_value v = il_null();
    v.type = IL_INT64;
    v.as.int64 = number;
    return v;
}
static inline il_value il_double(double number) {
    il_value v = il_null();
    v.type = IL_DOUBLE;
    v.as.real = number;
    return v;
}
static inline il_value il_text(const char *data, size_t size) {
    il_value v = il_null();
    v.type = IL_STRING;
    v.as.string.data = data;
    v.as.string.size = size;
    return v;
}
static inline il_value il_octets(const void *data, size_t size) {
    il_value v = il_null();
    v.type = IL_BYTES;
    v.as.bytes.data = data;
    v.as.bytes.size = size;
    return v;
}
static inline il_value il_view(const il_buffer *buffer) {
    il_value v = il_null();
    v.type = IL_BUFFER;
    v.as.buffer = buffer;
    return v;
}
static inline il_value il_items(const il_value *items, size_t count) {
    il_value v = il_null();
    v.type = IL_LIST;
    v.as.list.items = items;
    v.as.list.count = count;
    return v;
}
static inline il_value il_entries(const il_entry *entries, size_t count) {
    il_value v = il_null();
    v.type = IL_MAP;
    v.as.map.entries = entries;
    v.as.map.count = count;
    return v;
}
static inline il_value il_object(il_handle *handle) {
    il_value v = il_null();
    v.type = IL_HANDLE;
    v.as.handle = handle;
    return v;
}

/* ---- locks ----------------------------------------------------------------------------------------------------- */

/* A lock for one object: zero-initialise it, never copy it, use it only through critical sections. */
typedef struct il_mutex {
    uint32_t word;
} il_mutex;
#define IL_MUTEX_INIT {0}

/* The frame of a critical section; lives on the stack of the thread that begins it. */
typedef struct il_critical_section {
    uintptr_t opaque[6];
} il_critical_section;

/* ---- what a module consists of --------------------------------------------------------------------------------- */

/* [attached] A function of the module. On IL_OK it has set *result (it starts as null). On any other status it has
 * called il_raise(), and *result is ignored. A C++ function must not let an exception out; if one escapes all the same
 * the host reports IL_ERROR_FAILED with its text. */
typedef il_status (*il_function)(il_call *call, const il_value *args, size_t nargs, il_value *result);

typedef struct il_method {
    const char *name; /* NULL ends the table */
    il_function function;
    const char *doc; /* may be NULL */
} il_method;

/* il_module_def::flags: code of this library may run after teardown (threads it cannot stop, callbacks it cannot take
 * back), so it stays mapped when the module is unloaded. `#define IL_MODULE_FLAGS IL_KEEP_MAPPED` before IL_MODULE. The
 * host finds threads that began in the library, handlers of signals and destructors of a pthread_key_t by itself, and
 * warns of them; callbacks that other libraries hold it cannot find: without the flag they crash the process. */
#define IL_KEEP_MAPPED 1u
#ifndef IL_MODULE_FLAGS
#define IL_MODULE_FLAGS 0u
#endif

typedef struct il_module_def {
    size_t size;          /* sizeof(il_module_def) */
    uint32_t abi_version; /* IL_ABI_VERSION */
    uint32_t flags;       /* IL_KEEP_MAPPED or 0 */
    const char *name;     /* full dotted name */
    const char *version;
    const char *doc;                  /* may be NULL */
    size_t state_size;                /* bytes of state for each loaded instance; zeroed before exec; il_call::state */
    const il_method *methods;         /* ends with a NULL name; may be NULL */
    il_status (*exec)(il_call *call); /* [import-only] initialises the instance; may be NULL */
    void (*teardown)(il_call *call);  /* [attached] after the last call and the last destructor; may be NULL */
} il_module_def;

/* One invocation of a function, exec, teardown or parallel body. Belongs to the host; valid until that one returns,
 * and only on the thread that runs it. */
struct il_call {
    const il_host *host;
    void *state;       /* il_module_def::state_size bytes of this instance, aligned for any type */
    il_module *module; /* this module */
};

/* [attached] A piece [begin, end) of a parallel loop, under this module's gate. */
typedef il_status (*il_body)(il_call *call, size_t begin, size_t end, void *context);

/* [attached] Work of a thread that the module has made itself, under this module's gate. */
typedef il_status (*il_thread_body)(il_call *call, void *context);

typedef uint32_t il_log_level;
enum { IL_LOG_DEBUG = 0, IL_LOG_INFO = 1, IL_LOG_WARNING = 2, IL_LOG_ERROR = 3 };

/* ---- the host's services ---------------------------------------------------------------------------------------- */

/* Use the il_*() functions below, which call through this table. Later versions add members at the end only. */
struct il_host {
    size_t size;          /* of the host's structure; a member beyond it does not exist */
    uint32_t abi_version; /* IL_ABI_VERSION of the host */
    uint32_t reserved;
    const char *version; /* version of interlock, for messages */

    il_status (*raise)(il_call *call, il_status code, const char *format, ...) IL_PRINTF(3, 4);
    const char *(*error_message)(il_call *call);
    void *(*alloc)(il_call *call, size_t size, size_t alignment);
    il_status (*retain)(il_call *call, const il_value *value, il_value *kept);
    void (*release)(il_call *call, il_value *kept);
    il_status (*handle_new)(il_call *call, const il_handle_type *type, void *object, il_handle **handle);
    il_status (*handle_get)(il_call *call, const il_value *value, const il_handle_type *type, void **object);

    il_status (*import_module)(il_call *call, const char *name, il_module **module);
    il_status (*find_function)(il_call *call, il_module *module, const char *name, il_callable **function);
    il_status (*invoke)(il_call *call, il_callable *function, const il_value *args, size_t nargs, il_value *result);

    void (*detach)(il_call *call);
    void (*attach)(il_call *call);
    void (*safe_point)(il_call *call);
    void (*critical_begin)(il_call *call, il_critical_section *section, il_mutex *first, il_mutex *second);
    void (*critical_end)(il_call *call, il_critical_section *section);
    il_status (*parallel_for)(il_call *call, size_t begin, size_t end, size_t grain, il_body body, void *context);

    void (*log)(il_call *call, il_log_level level, const char *format, ...) IL_PRINTF(3, 4);
    il_status (*warn)(il_call *call, const char *format, ...) IL_PRINTF(2, 3);

    il_call *(*current_call)(const il_host *host);
    il_module *(*module_create)(const il_host *host, const il_module_def *def);
    il_status (*set_threading)(il_module *module, il_threading level);

    /* What follows an older host may not have: the wrappers look with IL_HOST_HAS. */
    il_scope *(*scope_begin)(il_call *call);
    void (*scope_end)(il_call *call, il_scope *scope);
    void (*log_from)(il_module *module, il_log_level level, const char *format, ...) IL_PRINTF(3, 4);
    il_status (*run_attached)(const il_host *host, il_module *module, il_thread_body body, void *context);
};

/* [any-thread] Whether the host's table has that member: a host may be older than this header. */
#define IL_HOST_HAS(host, member) ((host)->size >= offsetof(il_host, member) + sizeof((host)->member))

/* [attached] Records an error and returns `code`, so that a function can `return il_raise(...)`. The text is copied.
 * A later call replaces it. `code` IL_OK is taken as IL_ERROR_FAILED. */
#define il_raise(call, code, ...) ((call)->host->raise((call), (code), __VA_ARGS__))

/* [attached] The text of the last error that a service of this call returned, or "". Valid until the next service. */
static inline const char *il_error_message(il_call *call) { return call->host->error_message(call); }

/* [attached] Memory for results: freed by the host when it has taken them, never by the module. `size` 0 gives a valid
 * pointer. NULL when there is no memory (an error is then recorded). Never call destructors for it: there are none. */
static inline void *il_alloc(il_call *call, size_t size, size_t alignment) {
    return call->host->alloc(call, size, alignment);
}

/* [attached] A deep copy of `value` that lives until il_release(), or until the module is unloaded. Handles and owned
 * buffers are shared, not copied: the modules that they belong to cannot be unloaded before. */
static inline il_status il_retain(il_call *call, const il_value *value, il_value *kept) {
    return call->host->retain(call, value, kept);
}
/* [attached] Ends what il_retain() began and sets *kept to null. */
static inline void il_release(il_call *call, il_value *kept) { call->host->release(call, kept); }

/* [attached] Wraps `object` so that it can be returned. The handle lives as long as anybody holds a value with it, and
 * at least until this call ends; then, or when the module is unloaded, type->destroy(object) runs once. A call that
 * uses it, and a module that keeps it (il_retain), hold the unloading up; the host's own values do not, and are dead
 * then. On error the caller still owns `object`. `type` must be static storage of this module. */
static inline il_status il_handle_new(il_call *call, const il_handle_type *type, void *object, il_handle **handle) {
    return call->host->handle_new(call, type, object, handle);
}
/* [attached] The object in a handle of that type; borrowed as long as the value is. Otherwise IL_ERROR_ARGUMENT. */
static inline il_status il_handle_get(il_call *call, const il_value *value, const il_handle_type *type, void **object) {
    return call->host->handle_get(call, value, type, object);
}

/* [attached] Imports a module by its dotted name (at once if it is loaded). The thread is detached while it waits, and
 * may come back in locked mode. The module stays loaded as long as this one does. In a circular import the module may
 * be one whose exec has not finished. */
static inline il_status il_import(il_call *call, const char *name, il_module **module) {
    return call->host->import_module(call, name, module);
}
/* [attached] A function by name; valid as long as this module is loaded. */
static inline il_status il_find(il_call *call, il_module *module, const char *name, il_callable **function) {
    return call->host->find_function(call, module, name, function);
}
/* [attached] Calls it through its gate; this module's own lock is dropped meanwhile. The result lives until this call
 * returns, or until the scope ends in which it was made (il_scope_begin). Modules that own a buffer or an object among
 * the arguments are not unloaded before the call returns. */
static inline il_status il_invoke(il_call *call, il_callable *function, const il_value *args, size_t nargs,
                                  il_value *result) {
    return call->host->invoke(call, function, args, nargs, result);
}

/* [attached] For a call that calls others many times: what il_invoke, il_alloc and il_handle_new give from here on
 * lasts until il_scope_end() instead of the end of the call. Scopes nest, and are ended in the opposite order on the
 * way to `return IL_OK`, which is an error while one is open; another status ends them all. NULL: the host is older
 * than this, or has no memory, and everything lasts until the call returns; il_scope_end(NULL) does nothing. */
static inline il_scope *il_scope_begin(il_call *call) {
    return IL_HOST_HAS(call->host, scope_begin) ? call->host->scope_begin(call) : NULL;
}
/* [attached] Ends the innermost scope: what was made in it is gone. The text of an error stays. */
static inline void il_scope_end(il_call *call, il_scope *scope) {
    if (scope != NULL) call->host->scope_end(call, scope);
}

/* Around work that blocks or takes long and touches nothing that belongs to the host or needs a lock: the thread is
 * detached in between, other threads may enter this module even if it is module_lock or global_lock, and all critical
 * sections of the thread are suspended. As Py_BEGIN_ALLOW_THREADS. No service of the host but il_log may be used
 * between the two, and no return or goto may leave the block. BEGIN [attached], END [detached] */
#define IL_BEGIN_ALLOW_THREADS(call)    \
    {                                   \
        il_call *il_detached_ = (call); \
        il_detached_->host->detach(il_detached_);
#define IL_END_ALLOW_THREADS                  \
    il_detached_->host->attach(il_detached_); \
    }

/* [attached] Call it in every loop that runs longer than a millisecond: here the thread lets a switch of the mode
 * happen, or another thread have the global lock. It may block. The module's own lock is kept. */
static inline void il_safe_point(il_call *call) { call->host->safe_point(call); }

/* Locks an object between the two. As in CPython (PEP 703) the lock is given up while the thread is detached or waits
 * for another lock, so that locks taken in different orders cannot deadlock; only the innermost section is sure to be
 * held. `return`, `goto` and `break` must not leave the block. BEGIN [attached], END [attached] */
#define IL_BEGIN_CRITICAL_SECTION(call, mutex) IL_BEGIN_CRITICAL_SECTION2(call, mutex, NULL)
/* Two objects at once, in an order that cannot deadlock. Both may be the same. BEGIN [attached], END [attached] */
#define IL_BEGIN_CRITICAL_SECTION2(call, first, second) \
    {                                                   \
        il_call *il_critical_ = (call);                 \
        il_critical_section il_section_;                \
        il_critical_->host->critical_begin(il_critical_, &il_section_, (first), (second));
#define IL_END_CRITICAL_SECTION                                   \
    il_critical_->host->critical_end(il_critical_, &il_section_); \
    }

/* [attached] Calls `body` for pieces of [begin, end) on the threads of the runtime, each under this module's gate, and
 * waits for them, detached. `grain` is the largest piece, 0 lets the host choose. Returns the first error; the text of
 * it is this call's error. The body must not use the outer `call`. */
static inline il_status il_parallel_for(il_call *call, size_t begin, size_t end, size_t grain, il_body body,
                                        void *context) {
    return call->host->parallel_for(call, begin, end, grain, body, context);
}

/* [attached] A line for the host's log; also [detached], in a block of the same call. */
#define il_log(call, level, ...) ((call)->host->log((call), (level), __VA_ARGS__))
/* [any-thread] The same for a thread that the module began, and that has no call: `host` and `module` are those of
 * exec's call. An older host drops the line. */
#define il_log_from(host, module, level, ...) \
    (IL_HOST_HAS((host), log_from) ? (host)->log_from((module), (level), __VA_ARGS__) : (void)0)
/* [attached] A warning for the user, in the category `module`. Not IL_OK when the user's filters turn it into an
 * error: pass that on. */
#define il_warn(call, ...) ((call)->host->warn((call), __VA_ARGS__))

/* [attached] The innermost call of this thread, for callbacks of other libraries that carry no context. */
static inline il_call *il_current_call(const il_host *host) { return host->current_call(host); }

/* [any-thread] For threads that the module has made, as PyGILState_Ensure and _Release: calls `body`, attached and
 * under this module's gate, so that it may use every service through the call that it gets. Keep call->host and
 * call->module of exec for it. One call is one piece of work: what it allocates and results of il_invoke live until it
 * returns, and an unload waits for it. May be nested, and used on a thread of the host. Returns what `body` returns, or
 * IL_ERROR_STATE without calling it when the module is being unloaded (the thread should end, as teardown waits for
 * it), and IL_ERROR_UNSUPPORTED when the host is too old. The message of an error that `body` returns is lost: log it.
 * Whoever waits for such a thread must be detached: in teardown join it between IL_BEGIN_ALLOW_THREADS and
 * IL_END_ALLOW_THREADS. */
static inline il_status il_run_attached(const il_host *host, il_module *module, il_thread_body body, void *context) {
    return IL_HOST_HAS(host, run_attached) ? host->run_attached(host, module, body, context) : IL_ERROR_UNSUPPORTED;
}

/* ---- defining a module ------------------------------------------------------------------------------------------ */

#define IL_STRINGIFY_(x) #x
#define IL_CONCAT_(a, b) a##b
#define IL_CONCAT(a, b) IL_CONCAT_(a, b)

#if defined(__clang__) /* AddressSanitizer would put red zones between the notes; gcc leaves named sections alone */
#define IL_NOTE_PLAIN_ __attribute__((no_sanitize("address", "hwaddress")))
#else
#define IL_NOTE_PLAIN_
#endif
#if defined(__has_attribute)
#if __has_attribute(retain)
#define IL_NOTE_ATTRIBUTES_ __attribute__((used, retain, section(".note.interlock"), aligned(4))) IL_NOTE_PLAIN_
#endif
#endif
#ifndef IL_NOTE_ATTRIBUTES_
#define IL_NOTE_ATTRIBUTES_ __attribute__((used, section(".note.interlock"), aligned(4))) IL_NOTE_PLAIN_
#endif

/* The marker is an ELF note (System V ABI, "Note Section"): owner "Interlock", type IL_NOTE_TYPE, and as description
 * a JSON object, filled up with zeros to a multiple of 4 bytes:
 *     {"abi":1,"module":"pkg.name","version":"1.0","threading":"free"}
 * It lies in a PT_NOTE segment, so it survives strip, -fvisibility=hidden, LTO and --gc-sections, and `readelf -n`
 * shows it. Name and version must not contain quotes, backslashes or control characters. */
#define IL_NOTE_OWNER "Interlock"
#define IL_NOTE_TYPE 0x494c0001u /* "IL", 1 */
#define IL_MARKER_JSON_(name, version, threading) \
    "{\"abi\":1,\"module\":\"" name "\",\"version\":\"" version "\",\"threading\":\"" threading "\"}"
#define IL_MARKER_NOTE_(id, json)                       \
    static const struct {                               \
        uint32_t owner_size, description_size, type;    \
        char owner[(sizeof(IL_NOTE_OWNER) + 3u) & ~3u]; \
        char description[(sizeof(json) + 3u) & ~3u];    \
    } IL_CONCAT(il_marker_, id) IL_NOTE_ATTRIBUTES_

/* interlock_add_module(... THREADING level) defines IL_MODULE_THREADING; the source may use it as the level, or must
 * agree with it. */
#ifdef IL_MODULE_THREADING
#define IL_CHECK_THREADING_(level)                                                                     \
    IL_STATIC_ASSERT(IL_CONCAT(IL_THREADING_, level) == IL_CONCAT(IL_THREADING_, IL_MODULE_THREADING), \
                     "IL_MODULE and interlock_add_module state different threading levels");
#else
#define IL_CHECK_THREADING_(level)
#endif

/* Defines and exports a module, once for each module in a file, outside of functions, with a semicolon behind it.
 *   id         the last component of the name, an identifier: names the exported function il_module_export_<id>
 *   name       string literal, the full dotted name
 *   version    string literal
 *   level      FREE, MODULE_LOCK or GLOBAL_LOCK, or IL_MODULE_THREADING
 *   then       doc, state_size, methods, exec, teardown as in il_module_def */
#define IL_MODULE(id, name, version, level, doc, state_size, methods, exec, teardown) \
    IL_CHECK_THREADING_(level)                                                        \
    IL_MODULE_(id, name, version, IL_CONCAT(IL_THREADING_NAME_, level), doc, state_size, methods, exec, teardown)
#define IL_MODULE_(id, name, version, level_name, doc, state_size, methods, exec, teardown) \
    IL_MARKER_(id, IL_MARKER_JSON_(name, version, level_name))                              \
    IL_MODULE_UNMARKED(id, name, version, doc, state_size, methods, exec, teardown)

/* The same without a marker, for tests and for modules whose marker is kept in a manifest. */
#define IL_MODULE_UNMARKED(id, name, version, doc, state_size, methods, exec, teardown) \
    IL_EXTERN_C IL_VISIBLE const il_module_def *IL_CONCAT(il_module_export_, id)(void); \
    const il_module_def *IL_CONCAT(il_module_export_, id)(void) {                       \
        static const il_module_def il_def_ = {sizeof(il_module_def),                    \
                                              IL_ABI_VERSION,                           \
                                              IL_MODULE_FLAGS,                          \
                                              name,                                     \
                                              version,                                  \
                                              doc,                                      \
                                              state_size,                               \
                                              methods,                                  \
                                              exec,                                     \
                                              teardown};                                \
        return &il_def_;                                                                \
    }                                                                                   \
    IL_EXTERN_C const il_module_def *IL_CONCAT(il_module_export_, id)(void)

#define IL_MARKER_(id, json) \
    IL_MARKER_NOTE_(id, json) = {sizeof(IL_NOTE_OWNER), (sizeof(json) + 3u) & ~3u, IL_NOTE_TYPE, IL_NOTE_OWNER, json};

/* [no-code] What the host looks up: `il_module_export_<id>`. It returns a constant and runs no other code. */
typedef const il_module_def *(*il_module_export)(void);

/* ---- legacy single-phase modules -------------------------------------------------------------------------------- */

/* [import-only] A module without note may export `il_module_init_<id>` instead: it does its work at once, creates the
 * module with il_module_create() and returns it, or records an error with il_raise(il_current_call(host), ...) and
 * returns NULL. It runs in locked mode, as nothing is known about it beforehand. */
typedef il_module *(*il_module_init)(const il_host *host);
#define IL_LEGACY_MODULE(id)                                                           \
    IL_EXTERN_C IL_VISIBLE il_module *IL_CONCAT(il_module_init_, id)(const il_host *); \
    il_module *IL_CONCAT(il_module_init_, id)(const il_host *host)

/* [import-only] Creates the module that the running legacy init function initialises, once. `def` must be static
 * storage; its exec is not run. NULL with an error recorded if that is not possible. */
static inline il_module *il_module_create(const il_host *host, const il_module_def *def) {
    return host->module_create(host, def);
}
/* [import-only] States the threading level from inside a legacy init function, as PyUnstable_Module_SetGIL does. With
 * IL_THREADING_FREE the host leaves locked mode again after the import, and does not warn. */
static inline il_status il_set_threading(const il_host *host, il_module *module, il_threading level) {
    return host->set_threading(module, level);
}

IL_EXTERN_C_END

#endif
