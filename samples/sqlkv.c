// sqlkv: a key-value store in one SQLite connection. A `module_lock` module in C11: a connection is not for two threads
// at once, and does not have to be, as the host lets one caller in at a time while other modules run on. SQLite is told
// to do without locks of its own (SQLITE_OPEN_NOMUTEX). Nothing here detaches: that would let the next caller in.
//
// SPDX-License-Identifier: MIT
#include <interlock/module.h>
#include <sqlite3.h>
#include <string.h>

enum statement { PUT, GET, ADD, SIZE, CLEAR, BEGIN, COMMIT, ROLLBACK, STATEMENTS };
static const char *const sql[STATEMENTS] = {
    [PUT] = "INSERT INTO pair VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
    [GET] = "SELECT value FROM pair WHERE key = ?1",
    [ADD] = "INSERT INTO pair VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = value + excluded.value",
    [SIZE] = "SELECT count(*) FROM pair",
    [CLEAR] = "DELETE FROM pair",
    [BEGIN] = "BEGIN",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

typedef struct state {
    sqlite3 *connection;
    sqlite3_stmt *statements[STATEMENTS];
} state;

static void close_database(state *database) {
    for (int i = 0; i < STATEMENTS; ++i) sqlite3_finalize(database->statements[i]);
    sqlite3_close(database->connection);
    memset(database, 0, sizeof *database);
}

static il_status open_database(il_call *call, const char *path) {
    state opened = {0};
    int status = sqlite3_open_v2(path, &opened.connection,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (status == SQLITE_OK)
        status = sqlite3_exec(opened.connection,
                              "CREATE TABLE IF NOT EXISTS pair (key TEXT PRIMARY KEY, value) WITHOUT ROWID", NULL, NULL,
                              NULL);
    for (int i = 0; i < STATEMENTS && status == SQLITE_OK; ++i)
        status =
            sqlite3_prepare_v3(opened.connection, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &opened.statements[i], NULL);
    if (status != SQLITE_OK) {
        il_raise(call, IL_ERROR_IO, "sqlkv: cannot open the database '%s': %s", path,
                 opened.connection != NULL ? sqlite3_errmsg(opened.connection) : sqlite3_errstr(status));
        close_database(&opened);
        return IL_ERROR_IO;
    }
    state *database = call->state;
    close_database(database);
    *database = opened;
    return IL_OK;
}

static int bind(sqlite3_stmt *statement, int place, const il_value *value) {
    if (value->type == IL_INT64) return sqlite3_bind_int64(statement, place, value->as.int64);
    const char *data = value->as.string.data != NULL ? value->as.string.data : "";
    return sqlite3_bind_text64(statement, place, data, value->as.string.size, SQLITE_STATIC, SQLITE_UTF8);
}

// Runs a statement; the first column of the first row, if there is one, becomes *result. The text of a row dies with
// the reset of the statement, so it is copied into memory of the host.
static il_status run(il_call *call, enum statement which, const il_value *key, const il_value *value,
                     il_value *result) {
    state *database = call->state;
    sqlite3_stmt *statement = database->statements[which];
    int status = key != NULL ? bind(statement, 1, key) : SQLITE_OK;
    if (status == SQLITE_OK && value != NULL) status = bind(statement, 2, value);
    if (status == SQLITE_OK) status = sqlite3_step(statement);
    il_status outcome = IL_OK;
    if (status == SQLITE_ROW && sqlite3_column_type(statement, 0) == SQLITE_INTEGER) {
        *result = il_int64(sqlite3_column_int64(statement, 0));
    } else if (status == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        const size_t size = (size_t)sqlite3_column_bytes(statement, 0);
        char *copy = il_alloc(call, size, 1);
        if (copy == NULL || text == NULL)
            outcome = il_raise(call, IL_ERROR_MEMORY, "sqlkv: no memory for a value of %zu bytes", size);
        else
            *result = il_text(memcpy(copy, text, size), size);
    } else if (status != SQLITE_ROW && status != SQLITE_DONE) {
        outcome = il_raise(call, IL_ERROR_IO, "sqlkv: SQLite says: %s", sqlite3_errmsg(database->connection));
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return outcome;
}

static il_status open(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)result;
    if (nargs != 1 || args[0].type != IL_STRING || args[0].as.string.size == 0 ||
        memchr(args[0].as.string.data, '\0', args[0].as.string.size) != NULL)
        return il_raise(call, IL_ERROR_ARGUMENT, "open(path) takes one string, not empty and without zero bytes");
    char *path = il_alloc(call, args[0].as.string.size + 1, 1);
    if (path == NULL) return IL_ERROR_MEMORY;
    memcpy(path, args[0].as.string.data, args[0].as.string.size);
    path[args[0].as.string.size] = '\0';
    return open_database(call, path);
}

static il_status put(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    if (nargs != 2 || args[0].type != IL_STRING || (args[1].type != IL_STRING && args[1].type != IL_INT64))
        return il_raise(call, IL_ERROR_ARGUMENT, "put(key, value) takes a string, and a string or an integer");
    return run(call, PUT, &args[0], &args[1], result);
}

static il_status get(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    if (nargs != 1 || args[0].type != IL_STRING) return il_raise(call, IL_ERROR_ARGUMENT, "get(key) takes one string");
    return run(call, GET, &args[0], NULL, result);
}

static il_status add(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    int valid = nargs == 1 && args[0].type == IL_MAP;
    for (size_t i = 0; valid && i < args[0].as.map.count; ++i) valid = args[0].as.map.entries[i].value.type == IL_INT64;
    if (!valid) return il_raise(call, IL_ERROR_ARGUMENT, "add(counts) takes one map of integers");
    il_status status = run(call, BEGIN, NULL, NULL, result);
    if (status != IL_OK) return status;
    for (size_t i = 0; status == IL_OK && i < args[0].as.map.count; ++i) {
        const il_entry *entry = &args[0].as.map.entries[i];
        const il_value key = il_text(entry->key.data, entry->key.size);
        status = run(call, ADD, &key, &entry->value, result);
        il_safe_point(call);  // the lock of this module is kept here, so the transaction stays ours
    }
    if (status == IL_OK) status = run(call, COMMIT, NULL, NULL, result);
    if (status != IL_OK) {  // not with run(): the first error is the one to report
        sqlite3_stmt *rollback = ((state *)call->state)->statements[ROLLBACK];
        sqlite3_step(rollback);
        sqlite3_reset(rollback);
    }
    return status;
}

static il_status size(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)args;
    if (nargs != 0) return il_raise(call, IL_ERROR_ARGUMENT, "size() takes nothing");
    return run(call, SIZE, NULL, NULL, result);
}

static il_status clear(il_call *call, const il_value *args, size_t nargs, il_value *result) {
    (void)args;
    if (nargs != 0) return il_raise(call, IL_ERROR_ARGUMENT, "clear() takes nothing");
    return run(call, CLEAR, NULL, NULL, result);
}

static il_status exec(il_call *call) { return open_database(call, ":memory:"); }
static void teardown(il_call *call) { close_database(call->state); }

static const il_method methods[] = {
    {"open", open, "open(path): uses another database from now on; it starts with one in memory"},
    {"put", put, "put(key, value)"},
    {"get", get, "get(key) -> value, null if there is none"},
    {"add", add, "add(counts): adds the integers of a map to those that are stored, in one transaction"},
    {"size", size, "size() -> number of keys"},
    {"clear", clear, "clear(): deletes all"},
    {NULL, NULL, NULL},
};

IL_MODULE(sqlkv, "sqlkv", "1.0", MODULE_LOCK, "A key-value store in one SQLite connection.", sizeof(state), methods,
          exec, teardown);
