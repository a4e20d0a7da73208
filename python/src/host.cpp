// host.cpp: the extension module interlock._host: decisions (decider.hpp), where an import comes from, and the
// interpreter's own switch (switch_calls.hpp).
//
// That switch is `enable_gil` in the configuration of the interpreter, which _Py_GetConfig() returns: -1 lets imports
// turn the GIL on, 0 (PYTHON_GIL=0) keeps them from it, and spares those of marked modules a stop of all threads.
// CPython reads it at each import (Python/ceval_gil.c, _PyEval_EnableGILTransient() and its kin).
//
// SPDX-License-Identifier: MIT
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>

#include <atomic>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <interlock/escape.hpp>

#include "decider.hpp"
#include "manifests/decide.hpp"
#include "switch_calls.hpp"

namespace {

using namespace interlock;

PyObject* host_error = nullptr;  ///< interlock.PolicyError; set once, when the module is executed

// One for the process: the module is not for subinterpreters. Never freed, as imports go on until the end.
std::atomic<python::Decider*> decider{nullptr};

/// Runs `body`, and makes a Python exception of what it throws.
template <typename Body>
PyObject* guarded(Body body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    } catch (const std::exception& failure) {
        PyErr_SetString(host_error, failure.what());
    } catch (...) {
        PyErr_SetString(PyExc_SystemError, "a bug in interlock: an exception of an unknown type");
    }
    return nullptr;
}

/// Runs `body`, which does not use Python, while other threads may stop and use it. What it throws is returned: the
/// thread may end when it attaches again (switch_calls.cpp), and no handler may stand in the way of that.
template <typename Body>
std::exception_ptr detached(Body body) {
    std::exception_ptr thrown;
    PyThreadState* state = PyEval_SaveThread();
    [&]() noexcept {
        try {
            body();
        } catch (...) {
            thrown = std::current_exception();
        }
    }();
    PyEval_RestoreThread(state);
    return thrown;
}

class Reference {
public:
    explicit Reference(PyObject* object) : object_(object) {}
    ~Reference() { Py_XDECREF(object_); }
    Reference(Reference&& other) noexcept : object_(other.release()) {}
    Reference& operator=(Reference&& other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    PyObject* get() const noexcept { return object_; }
    PyObject* release() noexcept { return std::exchange(object_, nullptr); }
    explicit operator bool() const noexcept { return object_ != nullptr; }

private:
    PyObject* object_;
};

/// Names of files need not be UTF-8.
PyObject* text(std::string_view value) {
    return PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "backslashreplace");
}

bool put(PyObject* dict, const char* key, PyObject* value) {
    const Reference owned(value);
    return owned && PyDict_SetItemString(dict, key, value) == 0;
}

/// bytes or str, as a file name.
bool path_from(PyObject* object, std::filesystem::path& path) {
    PyObject* bytes = nullptr;
    if (!PyUnicode_FSConverter(object, &bytes)) return false;
    const Reference owned(bytes);
    path = std::string(PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes)));
    return true;
}

/// interlock._host.Decision: what decide() returns. Most of it is only asked for when someone is warned, or in a
/// report.
struct DecisionObject {
    PyObject_HEAD auditing::ImportDecision decision;
};

PyObject* action_names[5] = {};  ///< by action; set once, when the module is executed

PyObject* get_action(PyObject* self, void*) {
    const auto& decision = reinterpret_cast<DecisionObject*>(self)->decision;
    return Py_NewRef(action_names[static_cast<std::size_t>(decision.action)]);
}

PyObject* to_dict(PyObject* self, PyObject*) {
    const auto& decision = reinterpret_cast<DecisionObject*>(self)->decision;
    Reference why(PyList_New(0)), evidence(PyList_New(0)), dict(PyDict_New());
    if (!why || !evidence || !dict) return nullptr;
    for (const Reason& reason : decision.why) {
        Reference one(PyDict_New());
        if (!one || !put(one.get(), "source", text(source_name(reason.source))) ||
            !put(one.get(), "says", reason.says ? text(action_name(*reason.says)) : Py_NewRef(Py_None)) ||
            !put(one.get(), "text", text(reason.text)) || !put(one.get(), "decided", PyBool_FromLong(reason.decided)) ||
            PyList_Append(why.get(), one.get()) != 0)
            return nullptr;
    }
    static const auditing::ExtensionModule nothing;
    const bool known = decision.module != nullptr;
    const auditing::ExtensionModule& module = known ? *decision.module : nothing;
    for (const Evidence& one : module.evidence) {
        const Reference line(text(one.where.empty() ? one.what : one.what + " (" + one.where + ")"));
        if (!line || PyList_Append(evidence.get(), line.get()) != 0) return nullptr;
    }
    if (!put(dict.get(), "action", get_action(self, nullptr)) ||
        !put(dict.get(), "decided_by", text(source_name(decision.source))) || !put(dict.get(), "why", why.release()) ||
        !put(dict.get(), "verdict", text(known ? verdict_name(module.verdict) : std::string_view())) ||
        !put(dict.get(), "confidence",
             text(known && module.verdict != Verdict::undetermined ? confidence_name(module.confidence)
                                                                   : std::string_view())) ||
        !put(dict.get(), "reason", text(module.reason)) ||
        !put(dict.get(), "delegated_to", text(module.delegated_to)) ||
        !put(dict.get(), "build_id", text(module.build_id)) || !put(dict.get(), "evidence", evidence.release()))
        return nullptr;
    return dict.release();
}

/// No handler for all exceptions is in here: to find a module is Python code, and threads may end in that (detached()).
PyObject* follow(PyObject* self, PyObject* find) {
    struct Raised {};  ///< an exception of Python's
    python::Decider* const current = decider.load();
    std::exception_ptr thrown;
    const auto find_maker = [&](const std::string& name) -> std::optional<auditing::MakerModule> {
        std::filesystem::path file;
        {
            const Reference found(PyObject_CallFunction(find, "N", text(name)));
            if (found.get() == Py_None) return std::nullopt;
            if (!found || !path_from(found.get(), file)) throw Raised();
        }
        auditing::MakerModule maker{name + " (" + file.string() + ")", {}};
        thrown = detached([&] { maker.decision = current->decide(name, file); });
        if (thrown) throw Raised();
        return maker;
    };
    try {
        auditing::follow_delegation(reinterpret_cast<DecisionObject*>(self)->decision, find_maker);
    } catch (const Raised&) {
        if (!thrown) return nullptr;
        return guarded([&]() -> PyObject* { std::rethrow_exception(thrown); });
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

PyObject* give_up_on_interpreter(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        manifests::Statement stuck = manifests::interpreter_is_stuck();
        reinterpret_cast<DecisionObject*>(self)->decision.overrule(DecisionSource::default_, *stuck.says,
                                                                   std::move(stuck.text));
        Py_RETURN_NONE;
    });
}

void delete_decision(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::destroy_at(&reinterpret_cast<DecisionObject*>(self)->decision);
    type->tp_free(self);
    Py_DECREF(type);
}

PyGetSetDef decision_attributes[] = {
    {"action", get_action, nullptr, "\"free\", \"global_lock\", \"refuse\" or \"interpreter\".", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef decision_methods[] = {
    {"to_dict", to_dict, METH_NOARGS, "A new dict with the decision, its reasons, and what is known of the module."},
    {"follow", follow, METH_O,
     "follow(find): takes over what the module says that makes this one, if that decides. find(name) is the file of an "
     "extension module, or None."},
    {"give_up_on_interpreter", give_up_on_interpreter, METH_NOARGS, "CPython was to decide, and cannot."},
    {nullptr, nullptr, 0, nullptr}};
PyType_Slot decision_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(delete_decision)},
                                {Py_tp_getset, decision_attributes},
                                {Py_tp_methods, decision_methods},
                                {0, nullptr}};
PyType_Spec decision_spec = {"interlock._host.Decision", sizeof(DecisionObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
                             decision_slots};
PyTypeObject* decision_type = nullptr;  ///< set once, when the module is executed

PyObject* to_object(auditing::ImportDecision&& decision) {
    PyObject* object = decision_type->tp_alloc(decision_type, 0);
    if (object != nullptr) std::construct_at(&reinterpret_cast<DecisionObject*>(object)->decision, std::move(decision));
    return object;
}

PyObject* configure(PyObject*, PyObject* arguments, PyObject* keywords) {
    static const char* names[] = {"policy", "overrides", nullptr};
    PyObject *policy = Py_None, *overrides = nullptr;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|OO!:configure", const_cast<char**>(names), &policy,
                                     &PyTuple_Type, &overrides))
        return nullptr;
    return guarded([&]() -> PyObject* {
        python::Settings settings;
        settings.python = {PY_MAJOR_VERSION, PY_MINOR_VERSION};
        if (policy != Py_None) {
            std::filesystem::path path;
            if (!path_from(policy, path)) return nullptr;
            settings.imports.policy = auditing::policy_for_cpython(path);
        }
        for (Py_ssize_t i = 0; overrides != nullptr && i < PyTuple_GET_SIZE(overrides); ++i) {
            Py_ssize_t size = 0;
            const char* one = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(overrides, i), &size);
            if (one == nullptr) return nullptr;
            settings.imports.overrides.insert(auditing::override_from_text({one, static_cast<std::size_t>(size)}));
        }
        // Who is in the middle of a decision goes on with the one that was there.
        decider.store(new python::Decider(std::move(settings)));
        Py_RETURN_NONE;
    });
}

PyObject* decide(PyObject*, PyObject* arguments) {
    const char* name = nullptr;
    PyObject* file = nullptr;
    if (!PyArg_ParseTuple(arguments, "sO:decide", &name, &file)) return nullptr;
    python::Decider* const current = decider.load();
    if (current == nullptr) {
        PyErr_SetString(PyExc_RuntimeError, "interlock._host.configure() has not been called");
        return nullptr;
    }
    std::string module;
    std::optional<std::filesystem::path> path;
    PyObject* parsed = guarded([&]() -> PyObject* {
        module = name;
        return file == Py_None || path_from(file, path.emplace()) ? Py_None : nullptr;
    });
    if (parsed == nullptr) return nullptr;
    auditing::ImportDecision decision;
    const std::exception_ptr thrown = detached([&] { decision = current->decide(module, path); });
    return guarded([&]() -> PyObject* {
        if (thrown) std::rethrow_exception(thrown);
        return to_object(std::move(decision));
    });
}

// Another thread may be in the middle of something when a process forks, and is gone in the child. These are called by
// libc, directly before and after, so that nothing of Python's is between.
python::Decider* forking = nullptr;

void before_fork() {
    forking = decider.load();
    if (forking != nullptr) forking->before_fork();
    python::switch_before_fork();
}

void after_fork_in_parent() {
    python::switch_after_fork_in_parent();
    if (forking != nullptr) forking->after_fork();
}

void after_fork_in_child() {
    python::switch_after_fork_in_child();
    if (forking != nullptr) forking->after_fork();
}

PyObject* forget_other_threads(PyObject*, PyObject*) {
    python::switch_forget_other_threads();
    Py_RETURN_NONE;
}

bool starts_with(PyObject* string, std::string_view start) {
    return PyUnicode_IS_ASCII(string) && PyUnicode_GET_LENGTH(string) >= static_cast<Py_ssize_t>(start.size()) &&
           std::memcmp(PyUnicode_1BYTE_DATA(string), start.data(), start.size()) == 0;
}

bool is_of_interlock(PyFrameObject* frame) {
    const Reference globals(PyFrame_GetGlobals(frame));
    PyObject* found = nullptr;
    if (PyDict_GetItemStringRef(globals.get(), "__name__", &found) < 0) PyErr_Clear();
    const Reference name(found);
    return name && PyUnicode_Check(name.get()) && starts_with(name.get(), "interlock") &&
           (PyUnicode_GET_LENGTH(name.get()) == 9 || PyUnicode_READ_CHAR(name.get(), 9) == '.');
}

/// In C, as it is done at each import, and the stack may be deep.
PyObject* import_site(PyObject*, PyObject*) {
    const Reference modules(PyList_New(0));
    if (!modules) return nullptr;
    Reference importer(nullptr);
    Reference frame(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(PyThreadState_Get())));
    while (frame) {
        auto* const current = reinterpret_cast<PyFrameObject*>(frame.get());
        const Reference owned(reinterpret_cast<PyObject*>(PyFrame_GetCode(current)));
        const auto* const code = reinterpret_cast<PyCodeObject*>(owned.get());
        Reference back(reinterpret_cast<PyObject*>(PyFrame_GetBack(current)));
        if (starts_with(code->co_filename, "<frozen importlib")) {
            if (PyUnicode_EqualToUTF8(code->co_name, "_find_and_load")) {
                const Reference name(PyFrame_GetVarString(current, "name"));
                const int seen = name ? PySequence_Contains(modules.get(), name.get()) : -1;
                if (seen < 0 || (seen == 0 && PyList_Append(modules.get(), name.get()) != 0)) return nullptr;
            }
        } else if (!importer && !is_of_interlock(current)) {
            importer = std::move(frame);
        }
        frame = std::move(back);
    }
    return PyTuple_Pack(2, importer ? importer.get() : Py_None, modules.get());
}

PyMethodDef methods[] = {
    {"configure", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(configure)), METH_VARARGS | METH_KEYWORDS,
     "configure(policy=None, overrides=()): what decide() goes by from now on."},
    {"decide", decide, METH_VARARGS, "decide(module, file): a Decision. file is None for a module that is built in."},
    {"import_site", import_site, METH_NOARGS,
     "import_site(): the frame that imports (None: there is none), and the modules that are being imported on this "
     "thread, the innermost first. Frames of the import system and of interlock are passed over."},
    {"forget_other_threads", forget_other_threads, METH_NOARGS, "To be called in the child of a fork."},
    {nullptr, nullptr, 0, nullptr}};

int execute(PyObject* module) {
    for (const PolicyAction action :
         {PolicyAction::free, PolicyAction::global_lock, PolicyAction::refuse, PolicyAction::interpreter}) {
        PyObject* name = PyUnicode_InternFromString(std::string(action_name(action)).c_str());
        if (name == nullptr) return -1;
        action_names[static_cast<std::size_t>(action)] = name;
    }
    decision_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &decision_spec, nullptr));
    if (decision_type == nullptr || PyModule_AddType(module, decision_type) != 0) return -1;
    host_error = PyErr_NewExceptionWithDoc("interlock.PolicyError", "A policy or an option that is wrong.",
                                           PyExc_ValueError, nullptr);
    if (host_error == nullptr || PyModule_AddObjectRef(module, "PolicyError", host_error) != 0 ||
        !python::add_switch_calls(module))
        return -1;
    static const int watching = ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    if (watching != 0) {
        PyErr_SetString(PyExc_OSError, "pthread_atfork() failed: out of memory");
        return -1;
    }
    return 0;
}

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(execute)},
                            {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#ifdef Py_GIL_DISABLED
                            {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                            {0, nullptr}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "interlock._host",
                          "Decisions, and the interpreter's own switch.",
                          0,
                          methods,
                          slots,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__host() { return PyModuleDef_Init(&definition); }
