// c_api_names.cpp: what the name of a function or variable of the C API tells: data or code, what it makes, what it
// asks.
//
// SPDX-License-Identifier: MIT
#include "emulation/c_api_names.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

#include "emulation/interpreter.hpp"

namespace interlock::auditing::emulation {

// tp_flags as CPython 3.13 has them, without the bit that comes and goes (Py_TPFLAGS_VALID_VERSION_TAG).
std::uint64_t type_flags_of(std::string_view type) noexcept {
    struct Known {
        std::string_view name;
        std::uint64_t flags;
    };
    for (const Known known :
         {Known{"PyBaseObject_Type", 0x1502}, {"PyBool_Type", 0x1401102},   {"PyByteArray_Type", 0x401502},
          {"PyBytes_Type", 0x8401502},        {"PyCFunction_Type", 0x5982}, {"PyComplex_Type", 0x1502},
          {"PyDict_Type", 0x20405542},        {"PyFloat_Type", 0x401502},   {"PyFrozenSet_Type", 0x405502},
          {"PyFunction_Type", 0x25902},       {"PyList_Type", 0x2405522},   {"PyLong_Type", 0x1401502},
          {"PyMemoryView_Type", 0x5122},      {"PyMethod_Type", 0x5902},    {"PyModule_Type", 0x5502},
          {"PyProperty_Type", 0x5502},        {"PySet_Type", 0x405502},     {"PySlice_Type", 0x5102},
          {"PyTuple_Type", 0x4405522},        {"PyType_Type", 0x80805d02},  {"PyUnicode_Type", 0x10401502}})
        if (known.name == type) return known.flags;
    return 0;
}

// The type of what a function makes, where macros ask for it.
std::string_view type_made_by(std::string_view function) noexcept {
    struct Maker {
        std::string_view prefix, type;
    };
    for (const Maker maker :
         {Maker{"PyUnicode_", "PyUnicode_Type"}, Maker{"PyLong_From", "PyLong_Type"},
          Maker{"PyFloat_From", "PyFloat_Type"}, Maker{"PyTuple_", "PyTuple_Type"}, Maker{"PyList_New", "PyList_Type"},
          Maker{"PyDict_New", "PyDict_Type"}, Maker{"PyBytes_From", "PyBytes_Type"},
          Maker{"PyModule_GetDict", "PyDict_Type"}, Maker{"PyCapsule_New", "PyCapsule_Type"}})
        if (function.starts_with(maker.prefix)) return maker.type;
    return {};
}

// What is data and not a function. The symbol tables of ELF do not say it of what is imported.
bool is_data(std::string_view name) noexcept {
    static constexpr std::array exact = {
        std::string_view("stdin"),      std::string_view("stdout"),     std::string_view("stderr"),
        std::string_view("environ"),    std::string_view("__environ"),  std::string_view("__stack_chk_guard"),
        std::string_view("Py_Version"), std::string_view("__progname"), std::string_view("optarg"),
        std::string_view("_PyRuntime"), std::string_view("__stdinp"),   std::string_view("__stdoutp"),
        std::string_view("__stderrp"),  std::string_view("timezone"),   std::string_view("daylight"),
        std::string_view("tzname"),     std::string_view("_ctype_"),    std::string_view("__libc_single_threaded")};
    if (std::ranges::find(exact, name) != exact.end() || is_data_of_system(name)) return true;
    const bool python = name.starts_with("Py") || name.starts_with("_Py");
    if (python && (name.ends_with("_Type") || name.ends_with("Struct") || name.ends_with("Flag") ||
                   name.ends_with("Object") || name.starts_with("PyExc_")))
        return c_api_returns(name) == Returns::unknown;
    // Vtables, type information, names, guards and the standard streams of C++.
    if (name == "_ZNSs4_Rep20_S_empty_rep_storageE") return true;
    for (const std::string_view prefix : {"_ZTV", "_ZTI", "_ZTS", "_ZGV", "_ZTT", "_ZSt4cout", "_ZSt4cerr", "_ZSt3cin",
                                          "_ZSt4clog", "_ZSt7nothrow", "_ZNSt6locale", "__libcpp_"})
        if (name.starts_with(prefix)) return name.starts_with("_ZNSt6locale") ? name.ends_with("idE") : true;
    return false;
}

// Numbers that say something, and not only that a call succeeded. 0 is the likely one.
bool is_value(std::string_view function) noexcept {
    for (const std::string_view status : {"PyErr_CheckSignals", "PyOS_CheckStack", "_Py_CheckRecursiveCall",
                                          "PyObject_GetBuffer", "_PyErr_CheckSignals"})
        if (function == status) return false;
    if (function.starts_with("_PyArg_") || function.starts_with("PyArg_")) return false;
    for (const std::string_view part :
         {"_As",        "True",        "False",   "None",    "_Not",  "Has",   "Compare", "_Size", "Length", "Contains",
          "IsInstance", "IsSubclass",  "Matches", "Check",   "Find",  "Count", "Index",   "Equal", "_EQ",    "_Is",
          "_Get",       "get_thread_", "strcmp",  "strncmp", "mystr", "strto", "NumBits", "Sign"})
        if (function.find(part) != std::string_view::npos) return true;
    return false;
}

// Objects that are what the arguments make them; of others nothing is known.
bool is_made(std::string_view function) noexcept {
    for (const std::string_view part : {"_New", "_From", "_new", "PyUnicode_", "PyDescr_", "PyCFunction_", "PyCMethod_",
                                        "PyStaticMethod_", "Py_BuildValue", "_Py_BuildValue", "Py_VaBuildValue",
                                        "PyModule_", "PyType_", "PyBytes_", "PyBool_", "PyTuple_", "PyMemoryView_"})
        if (function.find(part) != std::string_view::npos) return true;
    return false;
}

bool is_of_c_api(std::string_view function) noexcept {
    return function.find("Py") != std::string_view::npos &&
           (c_api_returns(function) != Returns::unknown || c_api_function(function) != nullptr);
}

// Not what compilers and the C library leave for tools.
bool may_be_of_library(std::string_view name) noexcept {
    for (const std::string_view prefix :
         {"_ITM_", "__", "pthread_", "_ZGTt", "_Jv_", "_ZSt", "_ZNSt", "_ZNKSt", "_Zn", "_Zd"})
        if (name.starts_with(prefix)) return false;
    return true;
}

// Of those that are not modelled: what can only go wrong for want of memory, or does nothing that anybody notices.
bool has_no_say(std::string_view function) noexcept {
    for (const std::string_view prefix : {"PyModule_Add",
                                          "PyType_",
                                          "PyObject_GC_",
                                          "PyObject_ClearWeakRefs",
                                          "PyState_",
                                          "PyEval_",
                                          "PyGILState_",
                                          "PyThread_free",
                                          "PyCriticalSection",
                                          "PyMutex_",
                                          "PyMem_",
                                          "PyUnstable_Object",
                                          "PyUnstable_Module",
                                          "PyUnicodeWriter_",
                                          "PyErr_Print",
                                          "PyErr_Write",
                                          "PyErr_Display",
                                          "PyBuffer_Release",
                                          "PySys_Write",
                                          "PySys_FormatStd",
                                          "PyCapsule_",
                                          "PyStructSequence_Set",
                                          "Py_IncRef",
                                          "Py_DecRef",
                                          "_Py_",
                                          "Py_AtExit",
                                          "Py_EnterRecursive",
                                          "Py_LeaveRecursive",
                                          "Py_SET",
                                          "Py_REPR",
                                          "Py_ReprLeave",
                                          "_PyObject_",
                                          "PyObject_Del",
                                          "PyUnicode_Intern",
                                          "PyErr_CheckSignals",
                                          "_PyErr_CheckSignals"})
        if (function.starts_with(prefix)) return true;
    return false;
}

// What macros read, or functions that are modelled: the text of a text, the items of a tuple.
bool is_often_looked_into(std::string_view function) noexcept {
    for (const std::string_view prefix : {"PyUnicode_", "PyBytes_", "PyTuple_", "PyLong_", "Py_BuildValue",
                                          "_Py_BuildValue", "Py_VaBuildValue", "PyList_", "PyDict_"})
        if (function.starts_with(prefix)) return true;
    return false;
}

// Those that make and ask without anybody's help, and those of which the model runs what they call.
bool may_call_back(std::string_view function) noexcept {
    for (const std::string_view prefix : {"PyModule_",        "PyType_",          "PyTuple_",
                                          "PyCapsule_",       "PyState_",         "PyMem_",
                                          "PyThread",         "PyGILState_",      "PyInterpreterState_",
                                          "PyLong_From",      "PyMethod_",        "PyCFunction_",
                                          "PyCMethod_",       "PyObject_GC_",     "_PyObject_",
                                          "PyObject_Init",    "PyObject_Call",    "PyObject_Vectorcall",
                                          "PyObject_Generic", "PyObject_GetAttr", "PyObject_SetAttr",
                                          "PyObject_HasAttr", "PyObject_DelAttr", "PyObject_GetOptionalAttr",
                                          "PyEval_Save",      "PyEval_Restore",   "PyWeakref_",
                                          "PyDescr_",         "PyStaticMethod_",  "PyClassMethod_",
                                          "PyUnstable_",      "PyImport_"})
        if (function.starts_with(prefix)) return false;
    static constexpr std::array harmless = {std::string_view("PyErr_SetRaisedException"),
                                            std::string_view("PyList_Append"),
                                            std::string_view("PyList_AsTuple"),
                                            std::string_view("PyList_GetItem"),
                                            std::string_view("PyList_GetItemRef"),
                                            std::string_view("PyList_New"),
                                            std::string_view("PyList_SetItem"),
                                            std::string_view("PyList_Size"),
                                            std::string_view("PyObject_Free"),
                                            std::string_view("PyObject_ClearWeakRefs"),
                                            std::string_view("PyObject_SelfIter"),
                                            std::string_view("PyObject_Type"),
                                            std::string_view("PyCallable_Check"),
                                            std::string_view("Py_BuildValue"),
                                            std::string_view("Py_DecRef"),
                                            std::string_view("Py_IS_TYPE"),
                                            std::string_view("Py_IncRef"),
                                            std::string_view("Py_Is"),
                                            std::string_view("Py_NewRef"),
                                            std::string_view("Py_REFCNT"),
                                            std::string_view("Py_SET_SIZE"),
                                            std::string_view("Py_SIZE"),
                                            std::string_view("Py_TYPE"),
                                            std::string_view("Py_XNewRef"),
                                            std::string_view("_Py_Dealloc"),
                                            std::string_view("_Py_MergeZeroLocalRefcount"),
                                            std::string_view("_Py_NewReference"),
                                            std::string_view("_Py_DecRefShared")};
    return std::ranges::find(harmless, function) == harmless.end();
}

// The C++ library is not there, and what is called like functions of other systems is the module's own.
bool is_of_process(std::string_view function) noexcept {
    if (is_of_c_api(function)) return true;
    return !function.empty() && function[0] >= 'a' && function[0] <= 'z' && c_library_function(function) != nullptr;
}

}  // namespace interlock::auditing::emulation

#else

#include <algorithm>
#include <array>

namespace interlock::auditing::emulation {

// What decides, at least.
bool is_of_process(std::string_view function) noexcept {
    static constexpr std::array<std::string_view, 4> deciding = {
        "PyModuleDef_Init", "PyModule_Create2", "PyModule_FromDefAndSpec2", "PyUnstable_Module_SetGIL"};
    return std::ranges::find(deciding, function) != deciding.end();
}

}  // namespace interlock::auditing::emulation

#endif
