# interlock_add_module(target THREADING free|module_lock|global_lock|unmarked SOURCES files... [NAME name])
#
# Builds a native module for interlock: the file is what an import of NAME (by default the target's name) looks for,
# nothing but the entry points is exported, and the threading level that IL_MODULE states must be the one given here.
# Link further libraries with target_link_libraries. THREADING unmarked builds a module without a marker (for tests and
# legacy code).
#
# The dots of a NAME become folders below CMAKE_LIBRARY_OUTPUT_DIRECTORY (or the binary folder, if that is not set):
#   NAME adder           adder.so
#   NAME pkg.sub         pkg/sub.so
#   NAME pkg.__init__    pkg/__init__.so, the module of the package "pkg" itself
#
# SPDX-License-Identifier: MIT
function(interlock_add_module target)
    cmake_parse_arguments(arg "" "THREADING;NAME" "SOURCES" ${ARGN})
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "interlock_add_module(${target}): unknown argument ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT arg_SOURCES)
        message(FATAL_ERROR "interlock_add_module(${target}): SOURCES is missing")
    endif()
    set(levels free module_lock global_lock unmarked)
    if(NOT arg_THREADING IN_LIST levels)
        message(FATAL_ERROR "interlock_add_module(${target}): THREADING must be one of: ${levels}")
    endif()
    if(NOT arg_NAME)
        set(arg_NAME ${target})
    endif()
    if(NOT arg_NAME MATCHES "^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$")
        message(FATAL_ERROR "interlock_add_module(${target}): NAME must be identifiers with dots between them")
    endif()
    string(REPLACE "." "/" file ${arg_NAME})
    cmake_path(GET file PARENT_PATH package)
    cmake_path(GET file FILENAME file)
    add_library(${target} MODULE ${arg_SOURCES})
    set_target_properties(${target} PROPERTIES PREFIX "" SUFFIX ".so" OUTPUT_NAME ${file}
        C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
        POSITION_INDEPENDENT_CODE ON)
    if(package)
        set(folder ${CMAKE_CURRENT_BINARY_DIR})
        if(CMAKE_LIBRARY_OUTPUT_DIRECTORY)
            set(folder ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})
        endif()
        # Where a generator knows several configurations it appends a folder for each; packages have to lie in there.
        get_property(several GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
        if(several)
            string(APPEND folder "/$<CONFIG>")
        endif()
        set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${folder}/${package})
    endif()
    target_link_libraries(${target} PRIVATE interlock::module)
    target_link_options(${target} PRIVATE -Wl,--build-id=sha1)
    # What gcc makes unique in the process (static variables of templates and inline functions) pins the library: it would
    # never be unmapped. Nobody else has the same ones, as modules are loaded with RTLD_LOCAL. clang makes none.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
    if(NOT arg_THREADING STREQUAL unmarked)
        string(TOUPPER ${arg_THREADING} level)
        target_compile_definitions(${target} PRIVATE IL_MODULE_THREADING=${level})
    endif()
endfunction()
