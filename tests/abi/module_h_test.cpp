// module_h_test.cpp: runs module_h_all.inc, compiled for every supported language standard, against a host that writes
// down each call: so every inline function and macro passes on exactly what it was given.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE module_h
#include <boost/test/unit_test.hpp>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <interlock/module.h>

static_assert(IL_MODULE_FLAGS == 0, "the default; module_h_all.inc has its own");

namespace {

/// What reached the host, one line for each call.
std::vector<std::string> record;
std::vector<std::unique_ptr<char[]>> memory;
il_call* current = nullptr;
std::string last_error;
alignas(16) char module_object[1], callable_object[1], handle_object[1];

il_module* the_module() { return reinterpret_cast<il_module*>(module_object); }
il_callable* the_callable() { return reinterpret_cast<il_callable*>(callable_object); }
il_handle* the_handle() { return reinterpret_cast<il_handle*>(handle_object); }

std::string formatted(const char* format, std::va_list arguments) {
    char buffer[200];
    std::vsnprintf(buffer, sizeof buffer, format, arguments);
    return buffer;
}

il_status raise_error(il_call* call, il_status code, const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    last_error = formatted(format, arguments);
    va_end(arguments);
    record.push_back("raise " + std::to_string(code) + " " + last_error);
    return call == current && code != IL_OK ? code : IL_ERROR_FAILED;
}
const char* error_message(il_call* call) { return call == current ? "last" : nullptr; }
void* alloc(il_call* call, size_t size, size_t alignment) {
    record.push_back("alloc " + std::to_string(size) + " " + std::to_string(alignment));
    if (call != current) return nullptr;
    memory.push_back(std::make_unique<char[]>(size));
    return memory.back().get();
}
il_status retain(il_call* call, const il_value* value, il_value* kept) {
    record.push_back("retain");
    *kept = *value;
    return call == current ? IL_OK : IL_ERROR_FAILED;
}
void release(il_call* call, il_value* kept) {
    record.push_back(call == current && kept->type == IL_HANDLE ? "release" : "wrong release");
    *kept = il_null();
}
il_status handle_new(il_call* call, const il_handle_type* type, void* object, il_handle** handle) {
    record.push_back("handle_new " + std::string(type->name));
    type->destroy(object);
    *handle = the_handle();
    return call == current && object == call->state ? IL_OK : IL_ERROR_FAILED;
}
il_status handle_get(il_call* call, const il_value* value, const il_handle_type* type, void** object) {
    record.push_back("handle_get " + std::string(type->name));
    *object = module_object;
    return call == current && value->as.handle == the_handle() ? IL_OK : IL_ERROR_ARGUMENT;
}
il_status import_module(il_call* call, const char* name, il_module** module) {
    record.push_back("import " + std::string(name));
    *module = the_module();
    return call == current ? IL_OK : IL_ERROR_IMPORT;
}
il_status find_function(il_call* call, il_module* module, const char* name, il_callable** function) {
    record.push_back("find " + std::string(name));
    *function = the_callable();
    return call == current && module == the_module() ? IL_OK : IL_ERROR_NOT_FOUND;
}
il_status invoke(il_call* call, il_callable* function, const il_value* args, size_t nargs, il_value* result) {
    record.push_back("invoke " + std::to_string(nargs));
    *result = il_null();
    return call == current && function == the_callable() && args[0].type == IL_HANDLE ? IL_OK : IL_ERROR_FAILED;
}
void detach(il_call* call) { record.push_back(call == current ? "detach" : "wrong detach"); }
void attach(il_call* call) { record.push_back(call == current ? "attach" : "wrong attach"); }
void safe_point(il_call* call) { record.push_back(call == current ? "safe_point" : "wrong safe_point"); }
void critical_begin(il_call* call, il_critical_section* section, il_mutex* first, il_mutex* second) {
    section->opaque[0] = second != nullptr ? 2 : 1;
    record.push_back(call == current && first != nullptr ? "begin " + std::to_string(section->opaque[0]) : "wrong");
}
void critical_end(il_call* call, il_critical_section* section) {
    record.push_back(call == current ? "end " + std::to_string(section->opaque[0]) : "wrong");
}
il_status parallel_for(il_call* call, size_t begin, size_t end, size_t grain, il_body body, void* context) {
    record.push_back("parallel_for " + std::to_string(begin) + " " + std::to_string(end) + " " + std::to_string(grain));
    const il_status status = body(call, begin, begin + grain, context);
    return status != IL_OK ? status : body(call, begin + grain, end, context);
}
void log_line(il_call* call, il_log_level level, const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    record.push_back("log " + std::to_string(level) + " " + formatted(format, arguments));
    va_end(arguments);
    if (call != current) record.push_back("wrong log");
}
il_status warn(il_call* call, const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    record.push_back("warn " + formatted(format, arguments));
    va_end(arguments);
    return call == current ? IL_OK : IL_ERROR_FAILED;
}
il_call* current_call(const il_host*) { return current; }
il_module* module_create(const il_host*, const il_module_def* def) {
    record.push_back("module_create " + std::string(def->name));
    return the_module();
}
il_status set_threading(il_module* module, il_threading level) {
    record.push_back("set_threading " + std::to_string(level));
    return module == the_module() ? IL_OK : IL_ERROR_FAILED;
}

il_scope* scope_begin(il_call* call) {
    record.push_back(call == current ? "scope begin" : "wrong scope");
    return reinterpret_cast<il_scope*>(handle_object);
}
void scope_end(il_call* call, il_scope* scope) {
    record.push_back(call == current && scope == reinterpret_cast<il_scope*>(handle_object) ? "scope end" : "wrong");
}
void log_from(il_module* module, il_log_level level, const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    record.push_back("log from " + std::to_string(level) + " " + formatted(format, arguments));
    va_end(arguments);
    if (module != the_module()) record.push_back("wrong log");
}

il_status run_attached(const il_host*, il_module* module, il_thread_body body, void* context) {
    if (module != the_module()) return IL_ERROR_FAILED;
    record.push_back("run_attached");
    return body(current, context);
}

const il_host host = {sizeof(il_host), IL_ABI_VERSION, 0,         "test",     raise_error,  error_message,
                      alloc,           retain,         release,   handle_new, handle_get,   import_module,
                      find_function,   invoke,         detach,    attach,     safe_point,   critical_begin,
                      critical_end,    parallel_for,   log_line,  warn,       current_call, module_create,
                      set_threading,   scope_begin,    scope_end, log_from,   run_attached};

/// As it was before the last members were added.
const il_host older_host = [] {
    il_host older = host;
    older.size = offsetof(il_host, scope_begin);
    older.scope_begin = nullptr;
    older.scope_end = nullptr;
    older.log_from = nullptr;
    older.run_attached = nullptr;
    return older;
}();

}  // namespace

#define INSTANCE_SYMBOLS(id)                                              \
    extern "C" const il_module_def* il_module_export_##id(void);          \
    extern "C" const il_module_def* il_module_export_##id##_second(void); \
    extern "C" const il_module_def* il_module_export_##id##_plain(void);  \
    extern "C" il_module* il_module_init_##id(const il_host*);
INSTANCE_SYMBOLS(c11)
INSTANCE_SYMBOLS(c17)
INSTANCE_SYMBOLS(cxx11)
INSTANCE_SYMBOLS(cxx17)
INSTANCE_SYMBOLS(cxx20)
INSTANCE_SYMBOLS(cxx23)

namespace {

struct Instance {
    std::string name;
    il_module_export main, second, plain;
    il_module_init init;
};
#define INSTANCE_ROW(id) \
    {#id, il_module_export_##id, il_module_export_##id##_second, il_module_export_##id##_plain, il_module_init_##id}
const Instance instances[] = {INSTANCE_ROW(c11),   INSTANCE_ROW(c17),   INSTANCE_ROW(cxx11),
                              INSTANCE_ROW(cxx17), INSTANCE_ROW(cxx20), INSTANCE_ROW(cxx23)};

/// A call into a module, as a host prepares one.
struct TestCall {
    explicit TestCall(const il_module_def& def) : state(std::make_unique<char[]>(def.state_size)) {
        call.host = &host;
        call.state = state.get();
        call.module = the_module();
        current = &call;
        record.clear();
    }
    ~TestCall() {
        current = nullptr;
        memory.clear();
    }
    il_status run(const il_method& method, std::vector<il_value> args = {}) {
        return method.function(&call, args.data(), args.size(), &result);
    }
    std::unique_ptr<char[]> state;
    il_call call{};
    il_value result = il_null();
};

void expect(const std::vector<std::string>& lines) { BOOST_TEST(record == lines, boost::test_tools::per_element()); }

}  // namespace

BOOST_AUTO_TEST_CASE(definitions) {
    for (const auto& instance : instances) {
        const il_module_def& def = *instance.main();
        BOOST_TEST(instance.main() == &def);  // the same constant every time
        BOOST_TEST(def.size == sizeof(il_module_def));
        BOOST_TEST(def.abi_version == IL_ABI_VERSION);
        BOOST_TEST(def.flags == IL_KEEP_MAPPED);
        BOOST_TEST(def.name == "tests." + instance.name);
        BOOST_TEST(def.version == std::string("1.0"));
        BOOST_TEST(def.doc == std::string("All of it."));
        BOOST_TEST(def.state_size > 0u);
        BOOST_TEST(def.methods[2].name == std::string("fail"));
        BOOST_TEST((def.methods[3].name == nullptr));

        const il_module_def& second = *instance.second();
        BOOST_TEST(second.name == "tests." + instance.name + "_second");
        BOOST_TEST((second.methods == nullptr && second.exec == nullptr && second.teardown == nullptr));
        BOOST_TEST(instance.plain()->name == "tests." + instance.name + "_plain");
    }
}

BOOST_AUTO_TEST_CASE(values_of_every_type) {
    for (const auto& instance : instances) {
        const il_module_def& def = *instance.main();
        TestCall test(def);
        BOOST_REQUIRE(test.run(def.methods[0]) == IL_OK);
        BOOST_REQUIRE(test.result.type == IL_LIST);
        BOOST_REQUIRE(test.result.as.list.count == 10u);
        const il_value* items = test.result.as.list.items;
        const il_type types[] = {IL_NULL,  IL_BOOL,   IL_INT64, IL_DOUBLE, IL_STRING,
                                 IL_BYTES, IL_BUFFER, IL_LIST,  IL_MAP,    IL_HANDLE};
        for (std::size_t i = 0; i < 10; ++i) {
            BOOST_TEST(items[i].type == types[i]);
            BOOST_TEST(items[i].reserved == 0u);
        }
        BOOST_TEST(items[1].as.boolean == 1);
        BOOST_TEST(items[2].as.int64 == INT64_MIN);
        BOOST_TEST(items[3].as.real == 0.5);
        BOOST_TEST(std::string(items[4].as.string.data, items[4].as.string.size) == "text");
        BOOST_TEST(items[5].as.bytes.size == 32u);
        BOOST_TEST(std::memcmp(items[5].as.bytes.data, items[6].as.buffer->data, 32) == 0);
        BOOST_TEST(items[6].as.buffer->dimensions == 2u);
        BOOST_TEST((items[7].as.list.items == items && items[7].as.list.count == 2));
        BOOST_TEST((items[8].as.map.count == 1 && items[8].as.map.entries[0].key.size == 4));
        BOOST_TEST((items[9].as.handle == the_handle()));
        const std::string list_size = std::to_string(10 * sizeof(il_value));
        expect({"alloc " + list_size + " 16", "alloc " + std::to_string(sizeof(il_buffer)) + " 8",
                "alloc " + std::to_string(sizeof(il_entry)) + " 8", "handle_new object"});

        BOOST_TEST((test.run(def.methods[0], {il_null()}) == IL_ERROR_ARGUMENT));
        BOOST_TEST(last_error == "values() takes no arguments, not 1");
    }
}

BOOST_AUTO_TEST_CASE(a_host_older_than_the_header) {
    for (const auto& instance : instances) {
        const il_module_def& def = *instance.main();
        TestCall test(def);
        test.call.host = &older_host;
        BOOST_REQUIRE((test.run(def.methods[1], {il_object(the_handle())}) == IL_OK));
        BOOST_TEST(std::count(record.begin(), record.end(), "invoke 1") == 1);
        for (const std::string& line : record) BOOST_TEST(line.find("scope") == std::string::npos, line);
        BOOST_TEST(std::count(record.begin(), record.end(), "log from 1 thread 1") == 0);
    }
}

BOOST_AUTO_TEST_CASE(services_of_the_host) {
    for (const auto& instance : instances) {
        const il_module_def& def = *instance.main();
        TestCall test(def);
        BOOST_REQUIRE((test.run(def.methods[1], {il_object(the_handle())}) == IL_OK));
        BOOST_TEST(test.result.type == std::uint32_t(IL_INT64));
        BOOST_TEST(test.result.as.int64 == 107);
        expect({"log 0 debug",     "log 1 info 1",
                "log 2 warning",   "log 3 error last",
                "warn careful: 2", "retain",
                "release",         "handle_get object",
                "import other",    "find function",
                "scope begin",     "invoke 1",
                "scope end",       "log from 1 thread 1",
                "detach",          "log 1 detached",
                "attach",          "safe_point",
                "begin 1",         "begin 2",
                "log 1 locked",    "end 2",
                "end 1",           "parallel_for 3 10 2",
                "run_attached"});
    }
}

BOOST_AUTO_TEST_CASE(an_older_host_has_a_shorter_table) {
    const auto body = [](il_call*, void*) -> il_status { return IL_OK; };
    il_host older = host;
    BOOST_TEST(IL_HOST_HAS(&older, run_attached));
    older.size = offsetof(il_host, run_attached);
    BOOST_TEST(IL_HOST_HAS(&older, set_threading));
    BOOST_TEST(!IL_HOST_HAS(&older, run_attached));
    record.clear();
    BOOST_TEST(il_run_attached(&older, the_module(), body, nullptr) == int(IL_ERROR_UNSUPPORTED));
    expect({});
}

BOOST_AUTO_TEST_CASE(error_codes) {
    for (const auto& instance : instances) {
        const il_module_def& def = *instance.main();
        for (int code = 0; code < 10; ++code) {
            TestCall test(def);
            BOOST_TEST(test.run(def.methods[2], {il_int64(code)}) == (code == 0 ? int(IL_ERROR_FAILED) : code));
            expect({"raise " + std::to_string(code) + " code " + std::to_string(code)});
        }
    }
}

BOOST_AUTO_TEST_CASE(exec_and_teardown) {
    for (const auto& instance : instances) {
        const il_module_def& def = *instance.main();
        TestCall test(def);
        BOOST_TEST(def.exec(&test.call) == int(IL_OK));
        def.teardown(&test.call);
        expect({"warn start", "log 0 finish"});
    }
}

BOOST_AUTO_TEST_CASE(legacy_init) {
    for (const auto& instance : instances) {
        record.clear();
        BOOST_TEST((instance.init(&host) == the_module()));
        expect({"module_create tests." + instance.name, "set_threading 2"});
    }
}
