# Broken copies of sources, made from the real ones when CMake runs: the real ones need no hooks, and a
# text that is no longer found stops the configuration.
#
# SPDX-License-Identifier: MIT
include_guard(GLOBAL)

# interlock_mutate(result NAME name SOURCE file FIND text REPLACE text): writes a changed copy of a source, given from the
# project's folder on, or of one of the runtime.
function(interlock_mutate result)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "NAME;SOURCE;FIND;REPLACE" "")
    set(original ${PROJECT_SOURCE_DIR}/${arg_SOURCE})
    if(NOT arg_SOURCE MATCHES "/")
        set(original ${PROJECT_SOURCE_DIR}/runtime/src/${arg_SOURCE})
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${original})
    file(READ ${original} text)
    string(FIND "${text}" "${arg_FIND}" first)
    string(FIND "${text}" "${arg_FIND}" last REVERSE)
    if(first EQUAL -1 OR NOT first EQUAL last)
        message(FATAL_ERROR "mutation ${arg_NAME}: ${original} should contain this text once; adapt the mutation to "
            "the new code:\n${arg_FIND}")
    endif()
    string(REPLACE "${arg_FIND}" "${arg_REPLACE}" text "${text}")
    set(mutated ${CMAKE_CURRENT_BINARY_DIR}/mutants/${arg_NAME}.cpp)
    file(WRITE ${mutated}.new "${text}")
    configure_file(${mutated}.new ${mutated} COPYONLY)
    set(${result} ${mutated} PARENT_SCOPE)
endfunction()
