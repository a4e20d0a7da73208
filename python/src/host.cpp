// host.cpp: the extension module interlock._host: decisions (decision.hpp), and the interpreter's own switch.
//
// The switch is `enable_gil` in the configuration of the interpreter, which _Py_GetConfig() returns: -1 lets imports turn
// the GIL on, 0 (PYTHON_GIL=0) keeps them from it, and spares those of marked modules a stop of all threads. CPython
// reads it at each import (Python/ceval_gil.c, _PyEval_EnableGILTransient() and its kin).
//
// SPDX-License-Identifier: MIT
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <atomic>
#include <memory>
#include <new>
#include <utility>

#include <interlock/escape.hpp>

#include "decision.hpp"

#ifdef Py_GIL_DISABLED
extern "C" PyAPI_FUNC(const PyConfig*) _Py_GetConfig(void);
#endif

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

struct Release {
    Release() : state(PyEval_SaveThread()) {}
    ~Release() { PyEval_RestoreThread(state); }
    Release(const Release&) = delete;
    Release& operator=(const Release&) = delete;
    PyThreadState* state;
};

class Reference {
public:
    explicit Reference(PyObject* object) : object_(object) {}
    ~Reference() { Py_XDECREF(object_); }
    Reference(const Reference&) = delete;
    Reference& operator=(const Reference&) = delete;
    PyObject* get() const noexcept { return object_; }
    PyObject* release() noexcept { return std::exchange(object_, nullptr); }
    explicit operator bool() const noexcept { return object_ != nullptr; }

private:
    PyObject* object_;
};

/// Names of files need not be UTF-8.
PyObject* text(const std::string& value) {
    return PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "backslashreplace");
}

bool put(PyObject* dict, const char* key, PyObject* value) {
    const Reference owned(value);
    return owned && PyDict_SetItemString(dict, key, value) == 0;
}

PyObject* to_dict(const python::Decision& decision) {
    Reference why(PyList_New(0)), evidence(PyList_New(0)), dict(PyDict_New());
    if (!why || !evidence || !dict) return nullptr;
    for (const python::Reason& reason : decision.why) {
        Reference one(PyDict_New());
        if (!one || !put(one.get(), "source", text(reason.source)) ||
            !put(one.get(), "says", reason.says.empty() ? Py_NewRef(Py_None) : text(reason.says)) ||
            !put(one.get(), "text", text(reason.text)) ||
            !put(one.get(), "decided", PyBool_FromLong(reason.decided)) || PyList_Append(why.get(), one.get()) != 0)
            return nullptr;
    }
    for (const Evidence& one : decision.evidence) {
        const Reference line(text(one.where.empty() ? one.what : one.what + " (" + one.where + ")"));
        if (!line || PyList_Append(evidence.get(), line.get()) != 0) return nullptr;
    }
    if (!put(dict.get(), "action", text(std::string(python::action_name(decision.action)))) ||
        !put(dict.get(), "decided_by", text(decision.decided_by)) || !put(dict.get(), "why", why.release()) ||
        !put(dict.get(), "verdict", text(decision.verdict)) ||
        !put(dict.get(), "confidence", text(decision.confidence)) ||
        !put(dict.get(), "reason", text(decision.reason)) ||
        !put(dict.get(), "delegated_to", text(decision.delegated_to)) ||
        !put(dict.get(), "build_id", text(decision.build_id)) || !put(dict.get(), "evidence", evidence.release()))
        return nullptr;
    return dict.release();
}

/// bytes or str, as a file name.
bool path_from(PyObject* object, std::filesystem::path& path) {
    PyObject* bytes = nullptr;
    if (!PyUnicode_FSConverter(object, &bytes)) return false;
    const Reference owned(bytes);
    path = std::string(PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes)));
    return true;
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
            settings.policy = python::policy_for_cpython(path);
        }
        for (Py_ssize_t i = 0; overrides != nullptr && i < PyTuple_GET_SIZE(overrides); ++i) {
            Py_ssize_t size = 0;
            const char* one = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(overrides, i), &size);
            if (one == nullptr) return nullptr;
            settings.overrides.insert(python::override_from_text({one, static_cast<std::size_t>(size)}));
        }
        std::unique_ptr<python::Decider> made;
        {
            const Release released;
            made = std::make_unique<python::Decider>(std::move(settings));
        }
        // Who is in the middle of a decision goes on with the one that was there.
        decider.store(made.release());
        Py_RETURN_NONE;
    });
}

PyObject* decide(PyObject*, PyObject* arguments) {
    const char* name = nullptr;
    PyObject* file = nullptr;
    if (!PyArg_ParseTuple(arguments, "sO:decide", &name, &file)) return nullptr;
    return guarded([&]() -> PyObject* {
        python::Decider* current = decider.load();
        if (current == nullptr) {
            PyErr_SetString(PyExc_RuntimeError, "interlock._host.configure() has not been called");
            return nullptr;
        }
        std::filesystem::path path;
        if (!path_from(file, path)) return nullptr;
        const std::string module = name;
        python::Decision decision;
        {
            const Release released;
            decision = current->decide(module, path);
        }
        return to_dict(decision);
    });
}

PyObject* after_fork_in_child(PyObject*, PyObject*) {
    if (python::Decider* current = decider.load()) current->after_fork_in_child();
    Py_RETURN_NONE;
}

PyObject* get_enable_gil(PyObject*, PyObject*) {
#ifdef Py_GIL_DISABLED
    return PyLong_FromLong(_Py_GetConfig()->enable_gil);
#else
    return PyLong_FromLong(1);
#endif
}

PyObject* set_enable_gil(PyObject*, PyObject* value) {
    const long number = PyLong_AsLong(value);
    if (number == -1 && PyErr_Occurred()) return nullptr;
    if (number != -1 && number != 0) {
        PyErr_SetString(PyExc_ValueError, "enable_gil can be set to -1 (imports decide) or 0 (imports keep it off)");
        return nullptr;
    }
#ifdef Py_GIL_DISABLED
    // The struct is the interpreter's own and not in constant memory; other threads read it with no barrier.
    auto& field = const_cast<PyConfig*>(_Py_GetConfig())->enable_gil;
    __atomic_store_n(&field, static_cast<int>(number), __ATOMIC_SEQ_CST);
    Py_RETURN_NONE;
#else
    PyErr_SetString(PyExc_RuntimeError, "this interpreter has a GIL that cannot be switched");
    return nullptr;
#endif
}

PyMethodDef methods[] = {
    {"configure", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(configure)),
     METH_VARARGS | METH_KEYWORDS, "configure(policy=None, overrides=()): what decide() goes by from now on."},
    {"decide", decide, METH_VARARGS, "decide(module, file): a dict with the decision and its reasons."},
    {"after_fork_in_child", after_fork_in_child, METH_NOARGS, "To be called in the child of a fork."},
    {"get_enable_gil", get_enable_gil, METH_NOARGS, "-1: imports decide, 0: the GIL stays off, 1: it is on."},
    {"set_enable_gil", set_enable_gil, METH_O, "Sets it to -1 or 0."},
    {nullptr, nullptr, 0, nullptr}};

int execute(PyObject* module) {
    host_error = PyErr_NewExceptionWithDoc("interlock.PolicyError", "A policy or an option that is wrong.",
                                           PyExc_ValueError, nullptr);
    return host_error == nullptr ? -1 : PyModule_AddObjectRef(module, "PolicyError", host_error);
}

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(execute)},
                            {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#ifdef Py_GIL_DISABLED
                            {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                            {0, nullptr}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "interlock._host", "Decisions, and the interpreter's own switch.",
                          0,       methods, slots, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__host() { return PyModuleDef_Init(&definition); }
