// switch_calls.hpp: the functions of interlock._host that move the switch, or hold it while something is called.
//
// SPDX-License-Identifier: MIT
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace interlock::python {

/// To be called once, when the module is executed: adds the functions and the exception Stuck. False with an exception.
bool add_switch_calls(PyObject* module);

/// Around a fork(), also one that does not come from Python.
void switch_before_fork();
void switch_after_fork_in_parent();
void switch_after_fork_in_child();
/// In the child, when Python can be used.
void switch_forget_other_threads();

}  // namespace interlock::python
