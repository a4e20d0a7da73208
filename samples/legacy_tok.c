// legacy_tok: a tokeniser as it was written before threads: strtok(3) and static buffers. It carries no marker, so its
// import makes the runtime fall back to locked mode, and there it is right. With gil=0 several threads are inside at
// once and overwrite each other's text: the results are wrong, though every access stays inside the buffer.
//
// SPDX-License-Identifier: MIT
#include <interlock/module.h>
#include <string.h>

static char piece[64 * 1024];  // the last byte stays 0, whatever happens
static int64_t count;
static uint64_t hash;
static const char blanks[] = " \t\r\n\f\v";

// A safe point in here would let the next thread in while the buffer is in use: a module that relies on the global lock
// must not have one where its static state is inconsistent.
static void tokenise(const char *text, size_t size) {
    count = 0;
    hash = 14695981039346656037u;
    while (size > 0) {
        size_t length = size < sizeof piece ? size : sizeof piece - 1;
        if (length < size) {  // do not cut a word in two, unless it is longer than the buffer
            size_t end = length;
            while (end > 0 && strchr(blanks, text[end - 1]) == NULL) --end;
            if (end > 0) length = end;
        }
        for (size_t i = 0; i < length; ++i) piece[i] = text[i] != '\0' ? text[i] : ' ';
        piece[length] = '\0';
        for (char *token = strtok(piece, blanks); token != NULL; token = strtok(NULL, blanks)) {
            ++count;
            for (const char *c = token; *c != '\0'; ++c) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
            hash = (hash ^ ' ') * 1099511628211u;
        }
        text += length;
        size -= length;
    }
}

static il_status tokenise_argument(il_call *call, const char *usage, const il_value *args, size_t nargs) {
    if (nargs == 1 && args[0].type == IL_STRING)
        tokenise(args[0].as.string.data, args[0].as.string.size);
    else if (nargs == 1 && args[0].type == IL_BYTES)
        tokenise(args[0].as.bytes.data, args[0].as.bytes.size);
    else
        return il_raise(call, IL_ERROR_ARGUMENT, "%s takes one string or bytes", usage);
    return IL_OK;
}

static il_status tokens(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    const il_status status = tokenise_argument(call, "tokens(text)", args, nargs);
    if (status == IL_OK) *result = il_int64(count);
    return status;
}

static il_status checksum(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    const il_status status = tokenise_argument(call, "checksum(text)", args, nargs);
    if (status == IL_OK) *result = il_int64((int64_t)hash);
    return status;
}

static const il_method methods[] = {
    {"tokens", tokens, "tokens(text) -> number of words between white space"},
    {"checksum", checksum, "checksum(text) -> hash of these words"},
    {NULL, NULL, NULL},
};

IL_MODULE_UNMARKED(legacy_tok, "legacy_tok", "1.0", "Splits text with strtok.", 0, methods, NULL, NULL);
