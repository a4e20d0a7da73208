// switch_calls.cpp: what is done under the switch is called from here, so that no Python code runs between a step and
// its end.
//
// A thread that outlives the interpreter is ended by PyEval_RestoreThread(), by unwinding its stack (pthread_exit). On
// the way to each call of it there is no noexcept, no catch and no object whose destructor needs Python.
//
// SPDX-License-Identifier: MIT
#include "switch_calls.hpp"

#include <algorithm>
#include <chrono>

#include "switch.hpp"

#ifdef Py_GIL_DISABLED
extern "C" PyAPI_FUNC(const PyConfig*) _Py_GetConfig(void);
#endif

namespace interlock::python {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

PyObject* is_gil_enabled = nullptr;  ///< sys._is_gil_enabled, as it was when the module was executed
PyObject* stuck = nullptr;           ///< interlock._host.Stuck
PyObject* on_expiry = nullptr;       ///< called without arguments by a thread that has waited too long and goes on
milliseconds patience{5000};         ///< how long an import waits for others

int enable_gil() {
#ifdef Py_GIL_DISABLED
    return __atomic_load_n(&_Py_GetConfig()->enable_gil, __ATOMIC_SEQ_CST);
#else
    return 1;
#endif
}

class CPython final : public Interpreter {
public:
    void set_enable_gil([[maybe_unused]] int value) noexcept override {
#ifdef Py_GIL_DISABLED
        // The struct is the interpreter's own and not in constant memory; other threads read it with no barrier.
        __atomic_store_n(&const_cast<PyConfig*>(_Py_GetConfig())->enable_gil, value, __ATOMIC_SEQ_CST);
#endif
    }
    /// CPython's own function in C, which only reads. Where it cannot be called (the stack is too deep) the answer is
    /// the one after which the setting is left as it is.
    bool gil_is_on() noexcept override {
        PyObject* answer = PyObject_CallNoArgs(is_gil_enabled);
        const bool is_on = answer != Py_False;
        Py_XDECREF(answer);
        if (answer == nullptr) PyErr_Clear();
        return is_on;
    }
};

CPython interpreter;
// Never destroyed, as imports go on until the end.
Switch& the_switch = *new Switch(interpreter);

enum class Waited { done, expired, interrupted };

/// Until `done`, which is called attached. Interrupted: with the exception of a signal handler set.
template <typename Done>
Waited wait_until(Done done, milliseconds longest) {
    if (done()) return Waited::done;
    constexpr milliseconds between_signals{100};
    const Switch::Thread me = PyThread_get_thread_ident();
    const Clock::time_point end = Clock::now() + longest;
    for (;;) {
        // Not while a handler runs: what that imports ends.
        the_switch.park(me);
        const Clock::time_point next = std::min(end, Clock::now() + between_signals);
        bool is_done = false;
        for (;;) {
            const unsigned seen = the_switch.changes();
            is_done = done();
            const auto rest = std::chrono::ceil<milliseconds>(next - Clock::now());
            if (is_done || rest <= milliseconds::zero()) break;
            PyThreadState* state = PyEval_SaveThread();
            the_switch.wait_for_change(seen, rest);
            PyEval_RestoreThread(state);
        }
        the_switch.unpark(me);
        if (is_done) return Waited::done;
        if (PyErr_CheckSignals() != 0) return Waited::interrupted;
        if (Clock::now() >= end) return Waited::expired;
    }
}

/// Of what began as `began`; `result` is null with an exception set, as is what is returned.
PyObject* ended(Switch::Began began, PyObject* result) {
    PyObject* failure = PyErr_GetRaisedException();
    if (the_switch.end(PyThread_get_thread_ident(), began)) {
        // In the middle of an import that began while held. It must not end before the window is closed, whatever
        // happens meanwhile: an exception of a signal handler is raised afterwards.
        for (;;) {
            const Waited waited = wait_until([] { return the_switch.may_go_on(); }, patience);
            if (waited == Waited::done) break;
            if (waited == Waited::expired) {
                PyObject* answer = PyObject_CallNoArgs(on_expiry);
                if (answer == nullptr) PyErr_WriteUnraisable(on_expiry);
                Py_XDECREF(answer);
                break;
            }
            if (failure != nullptr) {
                PyErr_Clear();
            } else {
                failure = PyErr_GetRaisedException();
                Py_CLEAR(result);
            }
        }
    }
    if (failure != nullptr) PyErr_SetRaisedException(failure);
    return result;
}

bool is_call(const char* name, Py_ssize_t count) {
    if (count >= 1) return true;
    PyErr_Format(PyExc_TypeError, "%s() needs what it is to call", name);
    return false;
}

PyObject* call_held(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    if (!is_call("call_held", count)) return nullptr;
    const Switch::Began began = the_switch.begin_held(PyThread_get_thread_ident());
    return ended(began, PyObject_Vectorcall(arguments[0], arguments + 1, static_cast<std::size_t>(count - 1), nullptr));
}

/// Not yet: with an exception set.
Switch::Began begun_in_window(bool force) {
    const Switch::Thread me = PyThread_get_thread_ident();
    auto began = Switch::Began::not_yet;
    const Waited waited = wait_until(
        [&] {
            began = the_switch.begin_in_window(me);
            return began != Switch::Began::not_yet;
        },
        patience);
    if (waited != Waited::expired) return began;
    if (force) return the_switch.begin_in_window(me, true);
    PyErr_SetString(stuck, "another import is under way that does not end");
    return Switch::Began::not_yet;
}

PyObject* in_window(PyObject* const* arguments, Py_ssize_t count, bool force) {
    const Switch::Began began = begun_in_window(force);
    if (began == Switch::Began::not_yet) return nullptr;
    return ended(began, PyObject_Vectorcall(arguments[0], arguments + 1, static_cast<std::size_t>(count - 1), nullptr));
}

PyObject* call_in_window(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    return is_call("call_in_window", count) ? in_window(arguments, count, false) : nullptr;
}

PyObject* call_for_a_moment(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
    return is_call("call_for_a_moment", count) ? in_window(arguments, count, true) : nullptr;
}

PyObject* turn_on(PyObject*, PyObject* import_stub) {
    const Switch::Thread me = PyThread_get_thread_ident();
    // It ends in some time, whatever other threads do.
    while (true) {
        const Waited waited = wait_until([&] { return the_switch.begin_turning_on(me); }, patience);
        if (waited == Waited::interrupted) return nullptr;
        if (waited == Waited::done) break;
    }
    // Without the switch the GIL is on, or about to come on, by itself.
    if (!the_switch.is_held() || the_switch.is_on_for_good()) {
        the_switch.end_turning_on(false);
        Py_RETURN_FALSE;
    }
    const Switch::Began began = begun_in_window(true);
    PyObject* result = began == Switch::Began::not_yet ? nullptr : PyObject_CallNoArgs(import_stub);
    // Before the window is left: who is in it may wait for its turn.
    the_switch.end_turning_on(result == Py_True);
    return began == Switch::Began::not_yet ? nullptr : ended(began, result);
}

PyObject* want_switch(PyObject*, PyObject*) {
    the_switch.want();
    Py_RETURN_NONE;
}

PyObject* is_switch_wanted(PyObject*, PyObject*) { return PyBool_FromLong(the_switch.is_wanted()); }

PyObject* switch_state(PyObject*, PyObject*) {
    const Switch::State state = the_switch.state();
    return Py_BuildValue("{s:O,s:O,s:n,s:n,s:n}", "held", state.held ? Py_True : Py_False, "on_for_good",
                         state.on_for_good ? Py_True : Py_False, "threads_held",
                         static_cast<Py_ssize_t>(state.threads_held), "threads_in_window",
                         static_cast<Py_ssize_t>(state.threads_in_window), "threads_parked",
                         static_cast<Py_ssize_t>(state.threads_parked));
}

PyObject* set_patience(PyObject*, PyObject* arguments) {
    double seconds = 0;
    PyObject* called = nullptr;
    if (!PyArg_ParseTuple(arguments, "dO:set_patience", &seconds, &called)) return nullptr;
    if (!(seconds >= 0 && seconds <= 1e6)) {
        PyErr_SetString(PyExc_ValueError, "patience is between 0 and 1000000 seconds");
        return nullptr;
    }
    patience = milliseconds(static_cast<milliseconds::rep>(1000 * seconds));
    Py_XSETREF(on_expiry, Py_NewRef(called));
    Py_RETURN_NONE;
}

PyObject* get_enable_gil(PyObject*, PyObject*) { return PyLong_FromLong(enable_gil()); }

template <typename Function>
PyCFunction as_method(Function function) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"get_enable_gil", get_enable_gil, METH_NOARGS, "-1: imports decide, 0: the GIL stays off, 1: it is on."},
    {"want_switch", want_switch, METH_NOARGS, "Imports leave the GIL alone, from now on or from when it is off."},
    {"is_switch_wanted", is_switch_wanted, METH_NOARGS, "Whether that was called."},
    {"call_held", as_method(call_held), METH_FASTCALL,
     "call_held(what, *arguments): calls it for an import that leaves the GIL alone."},
    {"call_in_window", as_method(call_in_window), METH_FASTCALL,
     "call_in_window(what, *arguments): calls it while CPython's own protocol counts. Waits for other imports; raises "
     "Stuck when one does not end."},
    {"call_for_a_moment", as_method(call_for_a_moment), METH_FASTCALL,
     "call_for_a_moment(what, *arguments): as call_in_window(), and never Stuck: for what takes a moment only."},
    {"turn_on", turn_on, METH_O,
     "turn_on(import_stub): turns the GIL on for good, by calling it, which says whether it is on. False when it was "
     "on already, or the switch is not held."},
    {"set_patience", set_patience, METH_VARARGS,
     "set_patience(seconds, on_expiry): how long an import waits for others, and what is called when one that must not "
     "end has waited so long."},
    {"switch_state", switch_state, METH_NOARGS,
     "Whether it is held and the GIL on for good; how many threads are where."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool add_switch_calls(PyObject* module) {
    is_gil_enabled = PySys_GetObject("_is_gil_enabled");  // borrowed
    is_gil_enabled = is_gil_enabled == nullptr ? Py_NewRef(Py_None) : Py_NewRef(is_gil_enabled);
    on_expiry = Py_NewRef(Py_None);
    stuck = PyErr_NewExceptionWithDoc("interlock._host.Stuck", "A window cannot be opened.", nullptr, nullptr);
    return stuck != nullptr && PyModule_AddObjectRef(module, "Stuck", stuck) == 0 &&
           PyModule_AddFunctions(module, methods) == 0;
}

void switch_before_fork() { the_switch.before_fork(); }
void switch_after_fork_in_parent() { the_switch.after_fork_in_parent(); }
void switch_after_fork_in_child() { the_switch.after_fork_in_child(); }
void switch_forget_other_threads() { the_switch.forget_other_threads(PyThread_get_thread_ident()); }

}  // namespace interlock::python
